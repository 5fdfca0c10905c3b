#include <kvswarm/json.h>
#include <kvswarm/restore.h>

#include <atomic>

#include "interruption.h"
#include "output.h"
#include "session.h"
#include "text.h"
#include "verb.h"

namespace kvswarm::cli {

namespace {

std::string json_of(const RestoreReport& report) {
  const auto list = [](const std::vector<std::string>& items) {
    std::string out;
    for (const std::string& item : items) out += (out.empty() ? "" : ",") + json_quote(item);
    return "[" + out + "]";
  };
  std::string unreached;
  for (const auto& [node, why] : report.unreached) {
    unreached +=
        (unreached.empty() ? "" : ",") + JsonObject().add("node", node).add("why", why).text();
  }
  JsonObject out;
  if (report.backup) {
    const BackupReport& contents = report.backup->contents;
    JsonObject backup;
    backup.add("node", report.backup->id).add("time", report.backup->wall_ms);
    backup.add("bytes", contents.bytes).add("rows", contents.rows);
    backup.add("epoch", contents.epoch).add("length", contents.length);
    out.add_json("backup", backup.text());
  }
  out.add("restored", report.restored);
  out.add_json("missing", list(report.missing));
  out.add_json("asked", list(report.asked)).add_json("unreached", "[" + unreached + "]");
  if (report.restored) {
    out.add("epoch", report.epoch).add("incarnation", report.incarnation);
    out.add("next_operation", report.next_operation);
  }
  return out.text();
}

class Restore final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe(
        "goes on with an older copy, or a backup, of a directory, and declares what it lacks; the "
        "original must not run any more",
        "", "kvswarm restore -d /tmp/a --dry-run\nkvswarm restore -d /tmp/new --from a.backup");
    flags.text("--from", "FILE", &from_, "make the directory from this backup first");
    flags.text("--bind", "ADDRESS", &bind_, "address to listen on meanwhile (127.0.0.1)");
    flags.toggle("--dry-run", &dry_run_,
                 "only say what is missing; with --from, only check the file");
    declare_node(flags, &node_, "ask the other nodes for so long at most (10s)");
  }

  Status run(const Arguments&) override {
    const Result<std::string> directory = data_directory(node_.directory);
    if (!directory.ok()) return directory.status();
    RestoreOptions options;
    options.directory = *directory;
    options.config_path = config_path(node_.config);
    options.peers = node_.peers;
    options.timeout_ms = node_.timeout_ms.value_or(kDefaultTimeoutMs);
    options.bind = bind_;
    options.dry_run = dry_run_;
    options.from = from_;
    std::atomic<bool> stop = false;
    Interruption interruption;
    interruption.watch([&stop] { stop = true; });
    options.interrupt = &stop;
    const Result<RestoreReport> report = restore(options);
    if (report.status().code() == StatusCode::not_found) {
      return Status(StatusCode::failure, "no identity in " + *directory +
                                             "; --from FILE makes the directory of a backup");
    }
    if (!report.ok()) return report.status();
    if (report->backup) tell(*report->backup);
    for (const auto& [node, why] : report->unreached) say("not asked: " + why);
    Status printed;
    if (node_.json) printed = print_line(json_of(*report));
    for (const std::string& line : report->missing) {
      if (!node_.json && printed.ok()) printed = print_line("missing: " + line);
    }
    if (!printed.ok()) return printed;
    if (report->missing.empty() && report->backup) {
      if (!dry_run_)
        say("nothing that " + counted(report->asked.size(), "node") + " saw is missing");
      return Status();
    }
    if (report->missing.empty()) {
      return Status(StatusCode::failure,
                    "nothing to restore: " + counted(report->asked.size(), "node") +
                        " asked, and none has seen more of this node than this directory holds");
    }
    if (!report->restored) return Status();
    std::string line = "restored: ";
    if (report->epoch > 0)
      line += "the log goes on in epoch " + std::to_string(report->epoch) + "; ";
    say(line + "new blocks are of incarnation " + std::to_string(report->incarnation) +
        " or later, new ops are numbered from " + with_commas(report->next_operation));
    return Status();
  }

 private:
  void tell(const RestoreReport::Backup& backup) const {
    const BackupReport& contents = backup.contents;
    std::string line = from_ + ": node " + short_id(backup.id) + ", " +
                       counted(contents.rows, "row") + " in " + counted(contents.bytes, "byte");
    if (contents.length > 0) line += ", a log of " + counted(contents.length, "record");
    say(line + (dry_run_ ? "; whole" : "; put back"));
  }

  NodeFlags node_;
  std::string from_;
  std::string bind_ = "127.0.0.1";
  bool dry_run_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_restore() { return std::make_unique<Restore>(); }

}  // namespace kvswarm::cli
