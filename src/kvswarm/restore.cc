#include <kvswarm/restore.h>
#include <unistd.h>

#include <chrono>
#include <future>

#include "kvswarm/backup.h"
#include "kvswarm/gateway_client.h"
#include "kvswarm/runtime.h"
#include "net/runtime_directory.h"
#include "swarm/registry.h"

namespace kvswarm {
namespace {

RestoreReport report_of(const node::RestoreOutcome& outcome) {
  RestoreReport report;
  for (const NodeId& node : outcome.asked) report.asked.push_back(to_hex(node));
  for (const auto& [node, why] : outcome.unreached) report.unreached.push_back({to_hex(node), why});
  if (outcome.head) report.missing.push_back(describe(*outcome.head));
  for (const node::AheadStream& stream : outcome.streams) {
    report.missing.push_back(describe(stream));
  }
  if (!outcome.done) return report;
  report.restored = true;
  report.epoch = outcome.done->head.epoch;
  report.incarnation = outcome.done->least_incarnation;
  report.next_operation = outcome.done->next_op;
  return report;
}

// Asks the other nodes, and declares what they have seen and the directory lacks.
Result<RestoreReport> ask_and_declare(const RestoreOptions& options,
                                      std::vector<node::PeerAddress> peers) {
  DirectoryOptions directory;
  directory.directory = options.directory;
  directory.config_path = options.config_path;
  directory.restores = true;
  KVSWARM_ASSIGN_OR_RETURN(auto opened, open_directory(directory));
  const auto answer = std::make_shared<std::promise<Result<node::Outcome>>>();
  auto future = answer->get_future();
  Runtime::Options runtime_options(std::move(opened));
  runtime_options.peers = std::move(peers);
  runtime_options.listen = true;
  runtime_options.bind = options.bind;
  runtime_options.restore = {
      options.timeout_ms, options.dry_run,
      [answer](Result<node::Outcome> outcome) { answer->set_value(std::move(outcome)); }};
  KVSWARM_ASSIGN_OR_RETURN(const auto runtime, Runtime::start(std::move(runtime_options)));
  constexpr std::chrono::milliseconds kLook(50);
  while (future.wait_for(kLook) != std::future_status::ready) {
    if (options.interrupt == nullptr || !*options.interrupt) continue;
    return Status(StatusCode::interrupted, "interrupted; `kvswarm restore -d " + options.directory +
                                               " --dry-run` says what is still missing");
  }
  KVSWARM_ASSIGN_OR_RETURN(const node::Outcome answered, future.get());
  const auto& outcome = std::get<node::RestoreOutcome>(answered);
  if (outcome.asked.empty() && !outcome.unreached.empty()) {
    std::string why = "no node could be asked what is missing";
    for (const auto& [node, reason] : outcome.unreached) why += "; " + reason;
    return Status(StatusCode::unavailable, std::move(why));
  }
  RestoreReport report = report_of(outcome);
  const bool is_well = report.restored || report.missing.empty();
  if (is_well && !options.dry_run) ::unlink(restoring_path(options.directory).c_str());
  return report;
}

// Two processes with one identity that meet both stop, the one that runs well, too.
Status check_not_running(const CheckedBackup& backup) {
  const auto runtime = net::runtime_directory();
  if (!runtime.ok()) return {};
  const auto nodes = swarm::read_registry(*runtime, backup.swarm);
  if (!nodes.ok()) return {};
  for (const auto& node : *nodes) {
    if (node.id != backup.node) continue;
    return {StatusCode::in_use, "node " + to_hex(node.id) + " listens on this machine at " +
                                    node.addresses.front() +
                                    "; end it before its backup takes its place"};
  }
  return {};
}

Result<std::optional<RestoreReport::Backup>> check_from(const RestoreOptions& options) {
  if (options.from.empty()) return std::optional<RestoreReport::Backup>();
  KVSWARM_RETURN_IF_ERROR(check_new_directory(options.directory));
  KVSWARM_ASSIGN_OR_RETURN(const CheckedBackup checked,
                           check_backup(options.from, options.interrupt));
  if (!options.dry_run) KVSWARM_RETURN_IF_ERROR(check_not_running(checked));
  return std::optional(
      RestoreReport::Backup{to_hex(checked.node), checked.wall_ms, checked.report});
}

}  // namespace

Result<RestoreReport> restore(const RestoreOptions& options) noexcept {
  crypto::initialise();
  KVSWARM_ASSIGN_OR_RETURN(auto peers, parse_peers(options.peers));
  KVSWARM_ASSIGN_OR_RETURN(auto backup, check_from(options));
  if (!backup) return ask_and_declare(options, std::move(peers));
  if (options.dry_run) {
    RestoreReport report;
    report.backup = std::move(backup);
    return report;
  }
  KVSWARM_RETURN_IF_ERROR(
      put_back(options.from, options.directory, crypto::system_random(), options.interrupt));
  auto report = ask_and_declare(options, std::move(peers));
  if (!report.ok()) {
    std::string why = options.directory + " is made from " + options.from +
                      ", but not ready: " + report.status().message();
    const StatusCode code = report.status().code();
    if (code == StatusCode::unavailable || code == StatusCode::interrupted) {
      why += "; `kvswarm restore -d " + options.directory + "` asks again and finishes";
    }
    return Status(report.status().code(), std::move(why));
  }
  report->backup = std::move(backup);
  return report;
}

}  // namespace kvswarm
