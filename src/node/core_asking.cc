// The core's part that finds out, before anything is signed or served, whether others have seen
// more of this node than it has (promise F1).
//
// Happy path: the first request that may sign or serve waits, addresses are looked up, the listed
// peers are dialled, their hellos say what they have seen of this node, the store finds that it has
// all of it; the requests go on. Nobody's address is known: they go on at once. Failure modes: a
// peer cannot be reached or takes its time, which ends the waiting after limits::kAskMs; one has a
// head or block with our signature that the store lacks: this node stops, for good.
#include "base/limits.h"
#include "node/core.h"
#include "node/holds.h"

namespace kvswarm::node {
namespace {

template <class... Bodies>
bool is_one_of(const StoreRequest& request) {
  return (std::holds_alternative<Bodies>(request) || ...);
}

}  // namespace

// Whether this node may come to sign or serve something under the document.
bool Core::signs(const config::Document& document) const {
  return has_log_ || document.is_writer(self_) || document.is_storage_node(self_) ||
         !pending_ops_.empty();
}

bool Core::must_wait(const StoreRequest& request) const {
  if (phase_ == Phase::working) return false;
  if (is_one_of<request::RecordSeenHead, request::Greet, request::Forget, request::ReadDocument,
                request::Count, request::CountRefused, request::ReadReceipts, request::KeepEvidence,
                request::ReadBackup, request::PickApplied, request::CompleteTransition,
                request::PickPage>(request)) {
    return false;
  }
  if (phase_ != Phase::unasked) return true;
  const auto* adopt = std::get_if<request::Adopt>(&request);
  return signs(adopt != nullptr ? adopt->document : document_);
}

void Core::update_wanted() {
  std::set<NodeId> wanted;
  for (const NodeId& destination : delivery_.destinations()) wanted.insert(destination);
  for (const auto& [id, read] : reads_) wanted.insert(read.holder);
  for (const auto& [ticket, audit] : audits_) wanted.insert(audit.node);
  if (options_.keep_connected || !out_of_sight_.empty()) {
    for (const NodeId& holder : holders(document_)) {
      if (wanted.size() >= limits::kKeptConnections) break;
      if (options_.keep_connected || out_of_sight_.count(holder) > 0) wanted.insert(holder);
    }
  }
  if (phase_ == Phase::asking) wanted.insert(to_ask_.begin(), to_ask_.end());
  // Nothing is sent there, but another one of us must be found.
  // Who only looks (`status` of a copy) must not stop it.
  const bool works = phase_ == Phase::working && connections_.has_own_address();
  if (phase_ == Phase::asking || options_.ask_at_once || works) {
    wanted.insert(self_);
  } else {
    wanted.erase(self_);
  }
  connections_.set_wanted(std::move(wanted));
}

void Core::begin_asking() {
  phase_ = Phase::asking;
  ask_until_ms_ = now_.monotonic_ms + limits::kAskMs;
  to_ask_ = peers_to_ask();
}

// Whoever may have seen something of this node: destinations its blocks, anybody its log.
std::set<NodeId> Core::peers_to_ask() const {
  std::set<NodeId> peers;
  const auto add = [this, &peers](const NodeId& node) {
    if (node != self_ && peers.size() < limits::kPeersAsked) peers.insert(node);
  };
  for (const NodeId& holder : holders(document_)) add(holder);
  if (has_log_ || document_.is_storage_node(self_)) {
    for (const NodeId& writer : document_.writers()) add(writer);
  }
  return peers;
}

bool Core::is_asked() const {
  if (!greeting_.empty()) return false;
  if (!connections_.is_online()) return true;
  if (!looked_up_ || connections_.is_trying(self_)) return false;  // for another one of us
  for (const NodeId& peer : to_ask_) {
    if (connections_.is_ready(peer)) continue;
    // Who has no address may still come by itself, which a restore waits for until its deadline.
    if (options_.restoring || !looked_up_ || connections_.is_trying(peer)) return false;
  }
  return true;
}

void Core::check_asking() {
  if (phase_ != Phase::asking) return;
  if (now_.monotonic_ms < ask_until_ms_ && !is_asked()) return;
  if (options_.restoring) {
    finish_restore();
    return;
  }
  phase_ = Phase::working;
  meet_absent_holders();
  actions_.push_back(action::AskStore{request::Begin{}});
  for (StoreRequest& request : waiting_) {
    actions_.push_back(action::AskStore{std::move(request)});
  }
  waiting_.clear();
}

// What a peer's hello proved. Whom the document does not list never stops this node.
void Core::learn(const reply::Greeted& reply) {
  const Standing& standing = reply.standing;
  const std::string name = "node " + short_hex(reply.peer);
  const bool listed = connections_.is_listed(reply.session);
  if (!standing.doubt.empty() && listed) tell(Severity::warning, name + ": " + standing.doubt);
  if (!standing.is_behind()) return;
  if (options_.restoring && listed) {
    collect(standing);
    return;
  }
  const std::string what = standing.head ? describe(*standing.head) : describe(*standing.stream);
  if (!listed) {
    connections_.drop(reply.session, {StatusCode::conflict, what});
    return;
  }
  stop({StatusCode::conflict, "this data directory is an older copy: as " + name + " can prove, " +
                                  what + options_.advice});
}

// Two live copies of one identity: whichever of them has the newer log, neither may go on.
void Core::on_twin(const Connections::Twin& twin) {
  const std::string where =
      twin.address.empty() ? "one that came here" : "the one at " + twin.address;
  const Status why(StatusCode::conflict,
                   "another process has the identity of this node, " + short_hex(self_) + ": " +
                       where +
                       ". Two copies of one data directory must never run: both stop now. "
                       "Start the one that ran last again, and delete the other");
  if (restore_) respond(restore_->ticket, why);
  stop(why);
}

// From here on nothing is signed, sent or served.
void Core::stop(const Status& why) {
  const bool worked = phase_ == Phase::working;
  phase_ = Phase::stopped;
  stopped_ = why;
  waiting_.clear();
  std::erase_if(actions_, [](const Action& action) {
    return std::holds_alternative<action::AskStore>(action) ||
           std::holds_alternative<action::Send>(action);
  });
  // What the store works on already is answered when it has.
  for (const Flushing& flushing : flushing_) {
    if (!worked) respond(flushing.ticket, why);
  }
  if (!worked) flushing_.clear();
  tell(Severity::error, why.message());
  actions_.push_back(action::End{why});
}

void Core::settle_stopped() {
  for (const Wait& wait : waits_) respond(wait.ticket, stopped_);
  waits_.clear();
  for (const auto& [id, read] : reads_) respond(read.ticket, stopped_);
  reads_.clear();
  end_audits([this](Ticket, const Audit&) { return std::optional(stopped_); });
  connections_.set_wanted({});
  connections_.close_all(stopped_);
  connections_.take_notices();
  connections_.pump(now_, actions_);
}

// What happens to a node that has stopped: it can be asked how it stands.
void Core::refuse(Event& event) {
  if (const auto* accepted = std::get_if<event::Accepted>(&event)) {
    actions_.push_back(action::Close{accepted->connection});
  } else if (const auto* get = std::get_if<event::Get>(&event)) {
    respond(get->ticket, stopped_);
  } else if (const auto* scan = std::get_if<event::Scan>(&event)) {
    respond(scan->ticket, stopped_);
  } else if (const auto* audit = std::get_if<event::Audit>(&event)) {
    respond(audit->ticket, stopped_);
  } else if (const auto* write = std::get_if<event::Write>(&event)) {
    respond(write->ticket, stopped_);
  } else if (const auto* await = std::get_if<event::Await>(&event)) {
    respond(await->ticket, stopped_);
  } else if (auto* status = std::get_if<event::DescribeStatus>(&event)) {
    handle(*status);
  } else if (auto* evidence = std::get_if<event::ListEvidence>(&event)) {
    handle(*evidence);
  } else if (auto* save = std::get_if<event::SaveReceipt>(&event)) {
    handle(*save);
  } else if (const auto* found = std::get_if<event::DocumentFound>(&event)) {
    if (found->ticket != 0) respond(found->ticket, stopped_);
  } else if (auto* backup = std::get_if<event::ReadBackup>(&event)) {
    handle(*backup);
  } else if (auto* replied = std::get_if<event::StoreReplied>(&event)) {
    handle(*replied);
  }
}

}  // namespace kvswarm::node
