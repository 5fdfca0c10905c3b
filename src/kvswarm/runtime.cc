#include "kvswarm/runtime.h"

#include <signal.h>

#include <algorithm>

#include "base/assert.h"
#include "base/file.h"
#include "config/document_file.h"
#include "kvswarm/control_server.h"
#include "net/runtime_directory.h"
#include "net/terminal.h"
#include "net/uv_network.h"

namespace kvswarm {

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
      directory_(options_.directory.path),
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

Listening Runtime::listening() const {
  return options_.is_node ? Listening(address()) : std::nullopt;
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
  const std::string address = net::Endpoint{local, port}.to_string();
  auto entry = swarm::RegistryEntry::publish(runtime_directory_, core_->document().swarm(),
                                             *options_.directory.key, {address},
                                             options_.clock->now().wall_ms);
  if (!entry.ok()) return entry.status();
  registry_address_ = address;
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

}  // namespace kvswarm
