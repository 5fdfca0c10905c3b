#include "kvswarm/runtime.h"

#include <signal.h>

#include <algorithm>

#include "base/assert.h"
#include "base/file.h"
#include "config/document_file.h"
#include "kvswarm/control_server.h"
#include "kvswarm/status_text.h"
#include "net/runtime_directory.h"
#include "net/terminal.h"
#include "net/uv_network.h"
#include "node/holds.h"

namespace kvswarm {
namespace {

constexpr std::uint64_t kDialTimeoutMs = 5000;
constexpr std::uint64_t kLongestMs = 1ULL << 53;  // no deadline wraps around

constexpr node::Ticket kRestoreTicket = ~node::Ticket{0};

}  // namespace

// --- begin and end -------------------------------------------------------------------------------

Result<std::shared_ptr<Runtime>> Runtime::start(Options options) {
  const bool own = options.loop == nullptr;
  const std::shared_ptr<Runtime> runtime(new Runtime(std::move(options)),
                                         [](Runtime* released) { released->release(); });
  const Status opened = runtime->open();
  if (!opened.ok()) {
    // What is on the loop goes on its next turns; the directory is free at once.
    runtime->begin_end(opened);
    runtime->release_directory();
  }
  if (own) runtime->thread_ = std::thread([self = runtime.get()] { self->run(); });
  if (!opened.ok()) return opened;
  return runtime;
}

Runtime::Runtime(Options options)
    : options_(std::move(options)),
      id_(options_.directory.key->id()),
      loop_(has_own_loop() ? std::make_unique<net::UvLoop>()
                           : std::make_unique<net::UvLoop>(options_.loop)),
      poster_(loop_->poster()) {
  if (!has_own_loop()) loop_thread_ = std::this_thread::get_id();
}

Runtime::~Runtime() = default;

void Runtime::release() {
  end();
  const bool own_thread = thread_.joinable();
  bool gone = false;
  {
    const std::lock_guard lock(mutex_);
    if (own_thread && on_loop_thread()) thread_.detach();
    released_ = true;
    gone = gone_;
  }
  if (thread_.joinable()) {
    thread_.join();
    gone = true;
  }
  if (gone) delete this;  // else loop_closed() does
}

Status Runtime::open() {
  KVSWARM_ASSIGN_OR_RETURN(runtime_directory_, net::runtime_directory());
  net::NetworkListener& listener = *this;
  network_ = options_.make_network ? options_.make_network(*loop_, listener)
                                   : std::make_unique<net::UvNetwork>(*loop_, listener);
  timer_ = std::make_unique<net::UvTimer>(*loop_, [this] { drive(node::event::Tick{}); });

  const node::Backend& backend = *options_.directory.backend;
  node::Core::Options core_options{options_.directory.key.get(), options_.random,
                                   options_.keep_connected, options_.peers, options_.serve_control};
  core_options.restoring = static_cast<bool>(options_.restore.respond);
  core_options.advice = restore_advice(options_.directory.path);
  if (!backend.notice().empty()) message(backend.notice());
  core_ = std::make_unique<node::Core>(std::move(core_options), node::Core::start_of(backend));
  store_ = std::make_unique<StoreThread>(
      std::move(options_.directory.backend), *options_.clock, [this](node::StoreReply reply) {
        auto shared = std::make_shared<node::StoreReply>(std::move(reply));
        post([this, shared] { drive(node::event::StoreReplied{std::move(*shared)}); });
      });
  if (options_.listen) {
    KVSWARM_RETURN_IF_ERROR(listen(options_.bind, options_.port).status());
  }
  if (options_.serve_control) KVSWARM_RETURN_IF_ERROR(open_control());
  if (options_.handle_signals) open_signals();
  open_watch();
  post([this] { drive(first_event()); });
  return {};
}

node::Event Runtime::first_event() const {
  const auto& restore = options_.restore;
  if (!restore.respond) return node::event::Tick{};
  const std::uint64_t now = options_.clock->now().monotonic_ms;
  return node::event::Restore{kRestoreTicket, now + std::min(restore.timeout_ms, kLongestMs),
                              restore.is_dry_run};
}

// Our own loop's thread.
void Runtime::run() {
  loop_thread_ = std::this_thread::get_id();
  loop_->run();
  loop_closed();
}

bool Runtime::post_and_look(std::function<void()> task) {
  return post([this, task = std::move(task)] {
    task();
    drive(node::event::Tick{});
  });
}

void Runtime::end() {
  post([this] { begin_end({}); });
}

// The order matters: nothing new may come in, then the store finishes, then the loop closes.
void Runtime::begin_end(const Status& why) {
  if (ending_) return;
  ending_ = true;
  {
    const std::lock_guard lock(mutex_);
    why_ = why;
  }
  if (options_.on_stopping) options_.on_stopping();
  registry_entry_.reset();
  watch_.reset();
  signals_.clear();
  control_.reset();
  timer_.reset();
  network_.reset();
  if (store_) {
    store_->end([this] { post([this] { store_ended(); }); });
  } else {
    post([this] { store_ended(); });
  }
}

void Runtime::store_ended() {
  release_directory();
  core_.reset();
  if (has_own_loop()) {
    loop_->stop();
  } else {
    loop_->close([this] { loop_closed(); });
  }
}

void Runtime::release_directory() {
  store_.reset();
  const OpenDirectory released = std::move(options_.directory);
}

// The loop's thread, as the last thing there.
void Runtime::loop_closed() {
  loop_.reset();
  std::map<CallId, OpenCall> calls;
  std::vector<std::function<void(const Status& why)>> listeners;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    calls.swap(calls_);
    listeners.swap(end_listeners_);
  }
  tickets_.clear();
  for (const auto& [id, call] : calls) {
    call.fail(Status(StatusCode::interrupted, "the node ended"));
  }
  for (const auto& listener : listeners) listener(why_);
  bool last = false;
  {
    const std::lock_guard lock(mutex_);
    gone_ = true;
    ended_signal_.notify_all();
    last = released_ && !thread_.joinable();  // a joinable one has somebody who joins it
  }
  if (last) delete this;
}

bool Runtime::on_end(std::function<void(const Status& why)> ended) {
  const std::lock_guard lock(mutex_);
  if (ended_) return false;
  end_listeners_.push_back(std::move(ended));
  return true;
}

Status Runtime::wait() {
  if (on_loop_thread())
    return {StatusCode::wrong_thread, "the node cannot end while it is waited for"};
  std::unique_lock lock(mutex_);
  ended_signal_.wait(lock, [this] { return gone_; });
  return why_;
}

std::string Runtime::address() const {
  const std::lock_guard lock(mutex_);
  return address_;
}

// --- what it opens -------------------------------------------------------------------------------

Result<std::string> Runtime::listen(const std::string& bind, int port) {
  const std::string& directory = options_.directory.path;
  const bool chosen = port >= 0;
  const std::uint16_t wanted = chosen ? static_cast<std::uint16_t>(port) : last_port(directory);
  auto bound = network_->listen(bind, wanted);
  // Somebody else may have taken the port it had last: a free one does as well.
  if (!bound.ok() && !chosen && wanted != 0) bound = network_->listen(bind, 0);
  if (!bound.ok()) return bound.status();
  const Status kept =
      write_file_atomically(port_path(directory), std::to_string(*bound) + "\n", 0600);
  if (!kept.ok()) message("the port will not be the same next time: " + kept.message());
  const std::string address = net::Endpoint{bind, *bound}.to_string();
  {
    const std::lock_guard lock(mutex_);
    address_ = address;
  }
  // The registry is about TCP on this machine.
  if (!options_.make_network) KVSWARM_RETURN_IF_ERROR(publish(bind, *bound));
  return address;
}

void Runtime::stop_listening() {
  registry_entry_.reset();
  network_->stop_listening();
  const std::lock_guard lock(mutex_);
  address_.clear();
}

Status Runtime::publish(const std::string& bind, std::uint16_t port) {
  // A wildcard is no address to dial; on this machine loopback reaches it.
  std::string local = bind;
  if (local == "0.0.0.0") local = "127.0.0.1";
  if (local == "::") local = "::1";
  auto entry = swarm::RegistryEntry::publish(
      runtime_directory_, core_->document().swarm(), *options_.directory.key,
      {net::Endpoint{local, port}.to_string()}, options_.clock->now().wall_ms);
  if (!entry.ok()) return entry.status();
  registry_entry_ = std::move(entry).value();
  return {};
}

Status Runtime::open_control() {
  KVSWARM_ASSIGN_OR_RETURN(const std::string path, control_socket_path(options_.directory.path));
  ::unlink(path.c_str());  // left by a killed process: this one holds the directory's lock
  control_ = std::make_unique<ControlServer>(*loop_, *this, core_->document().swarm());
  return control_->listen(path);
}

void Runtime::open_signals() {
  // The second signal ends the process at once: the handlers go with the first.
  for (const int signal : {SIGINT, SIGTERM}) {
    signals_.push_back(std::make_unique<net::UvSignal>(*loop_, signal, [this](int) {
      signals_.clear();
      end();
    }));
  }
  signals_.push_back(
      std::make_unique<net::UvSignal>(*loop_, SIGHUP, [this, terminal = net::Terminal()](int) {
        if (!terminal.has_gone()) return reload_document();
        signals_.clear();
        end();
      }));
}

// A changed document is noticed by watching the folder, so that a rename is seen.
void Runtime::open_watch() {
  if (options_.config_path.empty() || !options_.serve_control) return;
  const std::string& path = options_.config_path;
  const std::string name =
      path.substr(path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1);
  auto watch = net::UvFolderWatch::start(*loop_, parent_directory(path),
                                         [this, name](const std::string& changed) {
                                           if (changed.empty() || changed == name)
                                             reload_document();
                                         });
  if (watch.ok()) {
    watch_ = std::move(watch).value();
  } else {
    message("changes of " + path + " will not be noticed: " + watch.status().message());
  }
}

void Runtime::reload_document() {
  if (options_.config_path.empty()) return;
  auto document = config::load_document(options_.config_path);
  if (document.ok()) {
    last_document_problem_.clear();
    drive(node::event::DocumentFound{std::move(document).value()});
    return;
  }
  if (document.status().message() == last_document_problem_) return;
  last_document_problem_ = document.status().message();
  message("the document in force stays: " + last_document_problem_);
}

void Runtime::message(std::string_view line) {
  if (options_.on_message) options_.on_message(line);
}

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
  if (ended && options_.serve_control) post([this, why = ended->why] { begin_end(why); });
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
    answer(Response(StatusTexts{status_text(*status), status_json(*status),
                                status->document.to_json(), node::holders(status->document)}));
  } else if (auto* get = std::get_if<node::GetOutcome>(&outcome)) {
    answer(Response(std::move(*get)));
  } else if (auto* scan = std::get_if<node::ScanOutcome>(&outcome)) {
    answer(Response(std::move(*scan)));
  } else if (auto* evidence = std::get_if<node::EvidenceList>(&outcome)) {
    answer(Response(evidence_texts(evidence->evidence)));
  } else if (auto* file = std::get_if<node::SavedFile>(&outcome)) {
    answer(Response(std::move(*file)));
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
      for (const std::string& address : node.addresses) {
        found.addresses.push_back({node.id, address});
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
    drive(node::event::Get{ticket, std::move(get->key), later(get->timeout_ms)});
  } else if (auto* scan = std::get_if<ScanRequest>(&request)) {
    drive(node::event::Scan{ticket, scan->holder, scan->from, later(scan->timeout_ms)});
  } else if (auto* write = std::get_if<WriteRequest>(&request)) {
    drive(node::event::Write{ticket, std::move(write->ops), write->goal, write->wait_ms});
  } else if (auto* await = std::get_if<AwaitRequest>(&request)) {
    drive(node::event::Await{ticket, await->first_op, await->last_op, await->goal, await->wait_ms});
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
