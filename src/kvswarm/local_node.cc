#include "kvswarm/local_node.h"

#include <algorithm>
#include <set>
#include <utility>

#include "kvswarm/config_access.h"
#include "kvswarm/reports.h"

namespace kvswarm {
namespace {

constexpr std::uint64_t kClientTimeoutMs = 10'000;

Result<Call> named(const Result<Runtime::CallId>& id) {
  if (!id.ok()) return id.status();
  return Call{*id};
}

template <class T, class Inner>
Result<T> mapped(Result<Inner> inner, T (*map)(Inner)) {
  if (!inner.ok()) return inner.status();
  return map(std::move(inner).value());
}

// The update that turns one document's writers into others.
ConfigUpdate writers_update(const Config& in_force, const std::vector<std::string>& ids) {
  ConfigUpdate changes;
  const std::vector<std::string> listed = in_force.writers();
  const std::set<std::string> before(listed.begin(), listed.end());
  const std::set<std::string> after(ids.begin(), ids.end());
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(),
                      std::back_inserter(changes.add_writers));
  std::set_difference(before.begin(), before.end(), after.begin(), after.end(),
                      std::back_inserter(changes.remove_writers));
  return changes;
}

}  // namespace

Node::~Node() = default;

LocalNode::LocalNode(std::shared_ptr<Runtime> runtime)
    : runtime_(std::move(runtime)), client_(*runtime_, runtime_->directory(), kClientTimeoutMs) {}

Status LocalNode::check_thread() const {
  if (runtime_->has_own_loop() || runtime_->on_loop_thread()) return {};
  return {StatusCode::wrong_thread, "this node is called on its loop's thread; others use post()"};
}

template <class Kind>
Result<Call> LocalNode::ask(Request request, std::function<void(Result<Kind>)> done) {
  KVSWARM_RETURN_IF_ERROR(check_thread());
  return named(runtime_->begin(std::move(request),
                               [done = guarded(std::move(done))](Result<Response> response) {
                                 done(response.ok() ? std::get<Kind>(std::move(response).value())
                                                    : Result<Kind>(response.status()));
                               }));
}

// --- writing and reading -------------------------------------------------------------------------

Status LocalNode::add(Operation::Kind kind, std::string key, std::string value) {
  KVSWARM_RETURN_IF_ERROR(check_thread());
  return cache_->add({kind, std::move(key), std::move(value)});
}

Status LocalNode::put(std::string key, std::string value) noexcept {
  return add(Operation::Kind::put, std::move(key), std::move(value));
}

Status LocalNode::del(std::string key) noexcept {
  return add(Operation::Kind::del, std::move(key), {});
}

Result<Call> LocalNode::flush(const WriteOptions& options, Callback<WriteReport> done) noexcept {
  KVSWARM_RETURN_IF_ERROR(check_thread());
  WriteCache::Taken taken = cache_->take();
  const WriteGoal goal = options.goal;
  if (taken.ops.empty()) {
    // By way of the store thread: earlier flushes are durable when this one is answered.
    return ask<StatusTexts>(StatusRequest{}, [done = std::move(done)](Result<StatusTexts> texts) {
      WriteReport report;
      report.reached = true;
      if (done) done(texts.ok() ? report : Result<WriteReport>(texts.status()));
    });
  }
  auto answer = [cache = cache_, bytes = taken.bytes, goal,
                 done = std::move(done)](Result<node::WriteOutcome> outcome) {
    cache->give_back(bytes);
    if (!done) return;
    done(outcome.ok() ? to_report(*outcome, goal) : Result<WriteReport>(outcome.status()));
  };
  return ask<node::WriteOutcome>(WriteRequest{std::move(taken.ops), to_goal(goal), options.wait_ms},
                                 std::move(answer));
}

Result<Call> LocalNode::get(std::string key, std::uint64_t timeout_ms, const GetOptions& options,
                            Callback<GetResult> done) noexcept {
  KVSWARM_ASSIGN_OR_RETURN(GetRequest request, to_get_request(std::move(key), timeout_ms, options));
  auto answer = [done = std::move(done)](Result<node::GetOutcome> outcome) {
    if (done) done(mapped(std::move(outcome), to_get_result));
  };
  return ask<node::GetOutcome>(std::move(request), std::move(answer));
}

Result<Call> LocalNode::status(Callback<StatusReport> done) noexcept {
  auto answer = [done = std::move(done)](Result<StatusTexts> texts) {
    if (!done) return;
    done(texts.ok() ? StatusReport{texts->text, texts->json}
                    : Result<StatusReport>(texts.status()));
  };
  return ask<StatusTexts>(StatusRequest{}, std::move(answer));
}

Status LocalNode::cancel(Call call) noexcept {
  KVSWARM_RETURN_IF_ERROR(check_thread());
  runtime_->cancel_call(call.id);
  return {};
}

// --- connections ---------------------------------------------------------------------------------

Status LocalNode::connect(const std::vector<std::string>& peers) noexcept {
  KVSWARM_RETURN_IF_ERROR(check_thread());
  KVSWARM_ASSIGN_OR_RETURN(auto addresses, parse_peers(peers));
  runtime_->connect(std::move(addresses));
  return {};
}

Status LocalNode::disconnect() noexcept {
  KVSWARM_RETURN_IF_ERROR(check_thread());
  runtime_->disconnect();
  return {};
}

Result<Call> LocalNode::listen(const ListenOptions& options, Callback<std::string> done) noexcept {
  KVSWARM_RETURN_IF_ERROR(check_thread());
  KVSWARM_RETURN_IF_ERROR(check_port(options.port));
  return named(runtime_->begin_listen(options.bind, options.port, guarded(std::move(done))));
}

// --- the document --------------------------------------------------------------------------------

Result<Call> LocalNode::change(Derive derive, Callback<Config> done) {
  KVSWARM_RETURN_IF_ERROR(check_thread());
  auto inner =
      [derive = std::move(derive)](const config::Document& in_force) -> Result<config::Document> {
    KVSWARM_ASSIGN_OR_RETURN(const Config next, derive(ConfigAccess::make(in_force)));
    return ConfigAccess::document(next);
  };
  auto answer = [done = guarded(std::move(done))](Result<config::Document> document) {
    done(mapped(std::move(document), ConfigAccess::make));
  };
  return named(runtime_->begin_change(std::move(inner), std::move(answer)));
}

Result<Call> LocalNode::get_config(Callback<Config> done) noexcept {
  // No change, in its turn: it sees what the changes before it left in force.
  return change([](const Config& in_force) { return in_force; }, std::move(done));
}

Result<Call> LocalNode::set_config(const Config& config, Callback<Config> done) noexcept {
  return change([config](const Config&) { return config; }, std::move(done));
}

Result<Call> LocalNode::update_config(const ConfigUpdate& changes, Callback<Config> done) noexcept {
  return change([changes](const Config& in_force) { return in_force.update(changes); },
                std::move(done));
}

Result<Call> LocalNode::set_capacities(const Capacities& capacities,
                                       Callback<Config> done) noexcept {
  ConfigUpdate changes;
  changes.capacities = capacities;
  return update_config(changes, std::move(done));
}

Result<Call> LocalNode::get_writers(Callback<std::vector<std::string>> done) noexcept {
  return get_config([done = std::move(done)](Result<Config> config) {
    if (!done) return;
    done(config.ok() ? config->writers() : Result<std::vector<std::string>>(config.status()));
  });
}

Result<Call> LocalNode::set_writers(const std::vector<std::string>& ids,
                                    Callback<Config> done) noexcept {
  auto derive = [ids](const Config& in_force) -> Result<Config> {
    const ConfigUpdate changes = writers_update(in_force, ids);
    if (changes.add_writers.empty() && changes.remove_writers.empty()) return in_force;
    return in_force.update(changes);
  };
  return change(std::move(derive), std::move(done));
}

Result<Call> LocalNode::add_writer(const std::string& id, Callback<Config> done) noexcept {
  return change([id](const Config& in_force) { return in_force.add_writer(id); }, std::move(done));
}

Result<Call> LocalNode::remove_writer(const std::string& id, Callback<Config> done) noexcept {
  return change([id](const Config& in_force) { return in_force.remove_writer(id); },
                std::move(done));
}

// --- the end -------------------------------------------------------------------------------------

bool LocalNode::post(std::function<void()> task) noexcept {
  return runtime_->post_and_look(guarded(std::move(task)));
}

Status LocalNode::close(std::function<void(const Status& why)> closed) noexcept {
  KVSWARM_RETURN_IF_ERROR(check_thread());
  if (!runtime_->on_end(guarded(std::move(closed)))) {
    return {StatusCode::interrupted, "the node ended before"};
  }
  runtime_->end();
  return {};
}

}  // namespace kvswarm
