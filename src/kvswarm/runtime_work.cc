// The part of the runtime that works: what the core does and what users and the network ask of it.
#include <algorithm>
#include <utility>

#include "kvswarm/runtime.h"
#include "node/holds.h"

namespace kvswarm {
namespace {

constexpr std::uint64_t kDialTimeoutMs = 5000;

}  // namespace

void Runtime::drive(node::Event event) {
  if (!core_ || ending_) return;
  // What an action leads to at once (an answer that lets a client ask again) waits for its turn:
  // the actions of one step are done before the next step.
  waiting_events_.push_back(std::move(event));
  if (driving_) return;
  driving_ = true;
  while (!waiting_events_.empty()) {
    node::Event next = std::move(waiting_events_.front());
    waiting_events_.pop_front();
    node::Actions actions = core_->step(std::move(next), options_.clock->now());
    for (node::Action& action : actions) perform(action);
  }
  driving_ = false;
  arm_timer();
  // Whoever asked before the node had to stop gets an answer: what the store works on may be
  // durable.
  const bool is_answered = tickets_.empty() && change_ticket_ == 0;
  if (stopping_ && is_answered)
    post([this, why = *std::exchange(stopping_, {})] { begin_end(why); });
}

void Runtime::arm_timer() {
  if (!timer_) return;
  const std::uint64_t next = core_->next_tick_ms();
  const std::uint64_t now = options_.clock->now().monotonic_ms;
  if (next == ~std::uint64_t{0}) {
    timer_->cancel();
  } else {
    timer_->start(next > now ? next - now : 0);
  }
}

void Runtime::perform(node::Action& action) {
  if (auto* dialled = std::get_if<node::action::Dial>(&action)) dial(*dialled);
  if (auto* send = std::get_if<node::action::Send>(&action)) {
    const auto found = net_ids_.find(send->connection);
    if (found != net_ids_.end()) network_->send(found->second, std::move(send->bytes));
  }
  if (auto* close = std::get_if<node::action::Close>(&action)) {
    const auto found = net_ids_.find(close->connection);
    if (found != net_ids_.end()) network_->close(found->second);
  }
  if (auto* ask = std::get_if<node::action::AskStore>(&action)) {
    store_->ask(std::move(ask->request));
  }
  if (std::get_if<node::action::FindAddresses>(&action) != nullptr) find_addresses();
  const auto* ended = std::get_if<node::action::End>(&action);
  if (ended && options_.serve_control) stopping_ = ended->why;
  if (auto* tell = std::get_if<node::action::Tell>(&action)) {
    if (tell->severity != Severity::debug) message(tell->line);
  }
  if (auto* done = std::get_if<node::action::Respond>(&action)) respond(*done);
}

void Runtime::respond(node::action::Respond& respond) {
  if (respond.ticket == change_ticket_) {
    const Change change = std::move(changes_.front());
    changes_.pop_front();
    change_ticket_ = 0;
    const bool done = respond.outcome.ok();
    change.respond(done ? std::get<config::Document>(*respond.outcome)
                        : Result<config::Document>(respond.outcome.status()));
    next_change();
    return;
  }
  const bool is_restore = options_.restore.respond && respond.ticket == kRestoreTicket;
  if (is_restore) return options_.restore.respond(std::move(respond.outcome));
  const auto found = tickets_.find(respond.ticket);
  if (found == tickets_.end()) return;
  const Respond answer = std::move(found->second);
  tickets_.erase(found);
  if (!respond.outcome.ok()) {
    answer(respond.outcome.status());
    return;
  }
  node::Outcome& outcome = *respond.outcome;
  if (auto* status = std::get_if<node::NodeStatus>(&outcome)) {
    const Listening where = listening();
    answer(Response(StatusTexts{status_text(*status, where), status_json(*status, where),
                                status->document.to_json(), node::holders(status->document)}));
  } else if (auto* get = std::get_if<node::GetOutcome>(&outcome)) {
    answer(Response(std::move(*get)));
  } else if (auto* scan = std::get_if<node::ScanOutcome>(&outcome)) {
    answer(Response(std::move(*scan)));
  } else if (auto* evidence = std::get_if<node::EvidenceList>(&outcome)) {
    answer(Response(evidence_texts(evidence->evidence)));
  } else if (auto* file = std::get_if<node::SavedFile>(&outcome)) {
    answer(Response(std::move(*file)));
  } else if (auto* part = std::get_if<node::BackupPart>(&outcome)) {
    answer(Response(std::move(*part)));
  } else if (auto* audit = std::get_if<node::AuditOutcome>(&outcome)) {
    answer(Response(audit_part(std::move(*audit))));
  } else {
    answer(Response(std::get<node::WriteOutcome>(std::move(outcome))));
  }
}

void Runtime::dial(const node::action::Dial& dial) {
  auto endpoint = net::Endpoint::parse(dial.address);
  if (!endpoint.ok()) {
    const Status why = endpoint.status();
    const node::ConnectionId connection = dial.connection;
    post([this, connection, why] { drive(node::event::Lost{connection, why}); });
    return;
  }
  const net::ConnectionId id = network_->dial(*endpoint, kDialTimeoutMs);
  core_ids_[id] = dial.connection;
  net_ids_[dial.connection] = id;
}

void Runtime::find_addresses() {
  node::event::AddressesFound found;
  const auto nodes = swarm::read_registry(runtime_directory_, core_->document().swarm());
  if (nodes.ok() && !options_.make_network) {
    for (const auto& node : *nodes) {
      auto addresses = node.addresses;
      // Of this node's own identity every other entry counts: a process on a copy made it.
      if (node.id == id_) addresses.insert(addresses.end(), node.others.begin(), node.others.end());
      for (const std::string& address : addresses) {
        if (node.id != id_ || address != registry_address_) {
          found.addresses.push_back({node.id, address});
        }
      }
    }
  }
  post([this, found] { drive(found); });
}

node::Ticket Runtime::submit(Request request, Respond respond) {
  const node::Ticket ticket = next_ticket_++;
  tickets_[ticket] = std::move(respond);
  const std::uint64_t now = options_.clock->now().monotonic_ms;
  const auto later = [now](std::uint64_t wait_ms) { return now + std::min(wait_ms, kLongestMs); };
  if (auto* get = std::get_if<GetRequest>(&request)) {
    drive(node::event::Get{ticket, std::move(get->key), later(get->timeout_ms), get->proof,
                           std::move(get->after)});
  } else if (auto* scan = std::get_if<ScanRequest>(&request)) {
    drive(node::event::Scan{ticket, scan->holder, scan->from, later(scan->timeout_ms),
                            scan->for_audit});
  } else if (auto* write = std::get_if<WriteRequest>(&request)) {
    drive(node::event::Write{ticket, std::move(write->ops), write->goal, write->wait_ms});
  } else if (auto* await = std::get_if<AwaitRequest>(&request)) {
    drive(node::event::Await{ticket, await->first_op, await->last_op, await->goal, await->wait_ms});
  } else if (auto* backup = std::get_if<BackupRequest>(&request)) {
    drive(node::event::ReadBackup{ticket, backup->number, backup->ends});
  } else if (auto* audit = std::get_if<AuditRequest>(&request)) {
    drive(node::event::Audit{ticket, audit->node, audit->from, later(audit->timeout_ms),
                             audit->records_from, std::move(audit->evidence)});
  } else if (std::get_if<EvidenceRequest>(&request) != nullptr) {
    drive(node::event::ListEvidence{ticket});
  } else if (auto* receipt = std::get_if<ReceiptRequest>(&request)) {
    drive(node::event::SaveReceipt{ticket, receipt->first_op, receipt->last_op});
  } else {
    drive(node::event::DescribeStatus{ticket});
  }
  return ticket;
}

void Runtime::cancel(node::Ticket ticket) {
  if (tickets_.count(ticket) > 0) drive(node::event::Cancel{ticket});
}

template <class T>
Result<Runtime::CallId> Runtime::begin_call(Answer<T> respond,
                                            std::function<void(CallId, Answer<T>)> work) {
  const auto shared = std::make_shared<Answer<T>>(std::move(respond));
  CallId id = 0;
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return Status(StatusCode::interrupted, "the node ended");
    id = next_call_++;
    calls_[id].fail = [shared](const Status& why) { (*shared)(why); };
  }
  Answer<T> answer = [this, id, shared](Result<T> result) {
    if (take_call(id)) (*shared)(std::move(result));
  };
  // A task that comes too late is dropped; loop_closed() answers its call.
  post([this, id, work = std::move(work), answer = std::move(answer)] {
    if (!ending_) work(id, answer);
  });
  return id;
}

// False: it has been answered.
bool Runtime::take_call(CallId call) {
  const std::lock_guard lock(mutex_);
  return calls_.erase(call) > 0;
}

Result<Runtime::CallId> Runtime::begin(Request request, Respond respond) {
  const auto shared = std::make_shared<Request>(std::move(request));
  return begin_call<Response>(std::move(respond), [this, shared](CallId id, Respond answer) {
    const node::Ticket ticket = submit(std::move(*shared), std::move(answer));
    const std::lock_guard lock(mutex_);
    if (const auto found = calls_.find(id); found != calls_.end()) found->second.ticket = ticket;
  });
}

Result<Runtime::CallId> Runtime::begin_listen(std::string bind, int port,
                                              Answer<std::string> respond) {
  return begin_call<std::string>(
      std::move(respond), [this, bind = std::move(bind), port](CallId, Answer<std::string> answer) {
        stop_listening();
        drive(node::event::Connect{});
        answer(listen(bind, port));
      });
}

Result<Runtime::CallId> Runtime::begin_change(Derive derive, Answer<config::Document> respond) {
  return begin_call<config::Document>(
      std::move(respond),
      [this, derive = std::move(derive)](CallId, Answer<config::Document> answer) {
        changes_.push_back({derive, std::move(answer)});
        next_change();
      });
}

void Runtime::next_change() {
  while (change_ticket_ == 0 && !changes_.empty()) {
    auto document = changes_.front().derive(core_->document());
    if (document.ok()) {
      change_ticket_ = next_ticket_++;
      drive(node::event::DocumentFound{std::move(document).value(), change_ticket_});
      return;
    }
    const Change failed = std::move(changes_.front());
    changes_.pop_front();
    failed.respond(document.status());
  }
}

void Runtime::connect(std::vector<node::PeerAddress> peers) {
  post([this, event = node::event::Connect{std::move(peers), true}] { drive(event); });
}

void Runtime::disconnect() {
  post([this] {
    if (ending_) return;
    stop_listening();
    drive(node::event::Disconnect{});
  });
}

void Runtime::cancel_call(CallId call) {
  post([this, call] {
    node::Ticket ticket = 0;
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = calls_.find(call); found != calls_.end()) {
        ticket = found->second.ticket;
      }
    }
    cancel(ticket);
  });
}

Result<Response> Runtime::call(Request request, const std::atomic<bool>& interrupt) {
  if (on_loop_thread()) {
    return Status(StatusCode::wrong_thread, "a blocking call on the node's own thread");
  }
  // Shared, because an interrupted caller leaves before the response comes.
  const auto promise = std::make_shared<std::promise<Result<Response>>>();
  auto future = promise->get_future();
  KVSWARM_ASSIGN_OR_RETURN(const CallId id,
                           begin(std::move(request), [promise](Result<Response> response) {
                             promise->set_value(std::move(response));
                           }));
  constexpr auto kPoll = std::chrono::milliseconds(20);
  while (future.wait_for(kPoll) != std::future_status::ready) {
    if (!interrupt) continue;
    cancel_call(id);
    return Status(StatusCode::interrupted, "interrupted");
  }
  return future.get();
}

void Runtime::on_accepted(net::ConnectionId connection, const std::string&) {
  const node::ConnectionId id = next_inbound_;
  next_inbound_ += 2;
  core_ids_[connection] = id;
  net_ids_[id] = connection;
  drive(node::event::Accepted{id});
}

// A network that is not ours might name a connection that is none: the core ignores 0.
node::ConnectionId Runtime::core_id(net::ConnectionId connection) const {
  const auto found = core_ids_.find(connection);
  return found == core_ids_.end() ? 0 : found->second;
}

void Runtime::on_connected(net::ConnectionId connection) {
  drive(node::event::Connected{core_id(connection)});
}

void Runtime::on_bytes(net::ConnectionId connection, BytesView bytes) {
  drive(node::event::Arrived{core_id(connection), bytes});
}

void Runtime::on_sent(net::ConnectionId connection, std::size_t bytes) {
  drive(node::event::Sent{core_id(connection), bytes});
}

void Runtime::on_closed(net::ConnectionId connection, const Status& why) {
  const node::ConnectionId id = core_id(connection);
  core_ids_.erase(connection);
  net_ids_.erase(id);
  drive(node::event::Lost{id, why});
}

}  // namespace kvswarm
