// The core's part that reads for the local user: ask the holder, check what comes back.
#include <algorithm>

#include "base/assert.h"
#include "base/limits.h"
#include "base/planted_bug.h"
#include "codec/writer.h"
#include "node/core.h"
#include "node/holds.h"

namespace kvswarm::node {
void Core::handle(event::Get& event) {
  PendingRead read;
  read.ticket = event.ticket;
  read.address = state::address_of(document_.swarm(), event.key);
  read.holder = holder_of(document_, read.address);
  read.deadline_ms = event.deadline_ms;
  if (event.proof) {
    read.nonce.emplace();
    options_.random->fill(read.nonce->data.data(), read.nonce->data.size());
    read.key = event.key;
  }
  if (Status status = remember_receipts(event.after, read); !status.ok()) {
    respond(event.ticket, std::move(status));
    return;
  }
  const std::uint64_t id = next_request_++;
  reads_.emplace(id, std::move(read));
  start_read(id);
}

// Promise R2: the holder signed these heads, so it has no older state to answer from. They are
// compared with what is known of their nodes, too.
Status Core::remember_receipts(const std::vector<log::SignedHead>& heads, PendingRead& read) {
  for (const log::SignedHead& signed_head : heads) {
    auto head = log::check_head(document_.swarm(), signed_head);
    if (!head.ok()) {
      return Status(StatusCode::usage, head.status().message()).with_context("the receipt");
    }
    compare_head(signed_head);
    if (head->node == read.holder && !is_planted(PlantedBug::forgotten_receipt)) {
      read.least = std::max(read.least, LogPlace{head->epoch, head->length});
      read.epoch = read.least.epoch;
    }
  }
  return {};
}

void Core::handle(event::Scan& event) {
  PendingRead read;
  read.ticket = event.ticket;
  read.is_scan = true;
  read.for_audit = event.for_audit;
  read.address = event.from;
  read.holder = event.holder;
  read.deadline_ms = event.deadline_ms;
  const std::uint64_t id = next_request_++;
  reads_.emplace(id, std::move(read));
  start_read(id);
}

// Asks the holder if it can be asked now; otherwise the read waits for a connection.
void Core::start_read(std::uint64_t id) {
  PendingRead& read = reads_.at(id);
  if (read.asked) return;
  if (read.holder == self_) {
    read.asked = 0;
    if (read.is_scan) {
      ask(request::Scan{0, id, read.address});
    } else {
      ask(request::Read{0, id, read.address, read.nonce});
    }
    return;
  }
  const auto connection = connections_.connection_to(read.holder);
  if (!connection) return;
  const MessageType type = read.is_scan ? MessageType::scan : MessageType::get;
  Bytes question(read.address.view());
  if (read.nonce) question += read.nonce->view();
  if (!connections_.send(*connection, make_message(type, id, std::move(question)))) return;
  read.asked = connection;
  read.least = std::max(read.least, seen_length(read.holder));
}

void Core::start_reads(const NodeId& holder) {
  for (const auto& [id, read] : reads_) {
    if (read.holder == holder && !read.asked) start_read(id);
  }
}

Core::Handled Core::on_answer(ConnectionId connection, const NodeId& peer,
                              const swarm::Message& message) {
  const std::uint64_t id = message.request_id;
  const auto found = reads_.find(id);
  if (found == reads_.end()) return on_check_answer(connection, peer, message);
  const bool is_asked = found->second.asked == connection || is_planted(PlantedBug::any_answer);
  if (!is_asked) return Handled::done;  // given up meanwhile
  auto answer = decode_answer(message.payload);
  const auto standing = answer.ok() ? standing_of(peer, *answer) : answer.status();
  if (!standing.ok()) {
    end_read(id, standing.status());
  } else if (*standing == HeadStanding::to_come) {
    return Handled::too_early;
  } else if (*standing == HeadStanding::forgotten) {
    read_once_more(id, peer);
  } else if (const auto head = log::decode_head(answer->head.head); !head.ok()) {
    end_read(id, head.status());
  } else {
    check_read(id, *head, std::move(answer).value());
  }
  return Handled::done;
}

void Core::read_once_more(std::uint64_t id, const NodeId& peer) {
  constexpr unsigned kRepeats = 3;
  PendingRead& read = reads_.at(id);
  if (read.repeats++ == kRepeats) {
    end_read(id, Status(StatusCode::unavailable,
                        "node " + short_hex(peer) + " answers from heads that are long past"));
    return;
  }
  read.asked.reset();
  start_read(id);
}

void Core::on_local_answer(std::uint64_t id, const Status& status, Answer answer) {
  if (reads_.count(id) == 0) return;
  if (!status.ok()) {
    end_read(id, status);
    return;
  }
  const auto head = log::check_head(document_.swarm(), answer.head);
  if (!head.ok()) {
    end_read(id, head.status());
    return;
  }
  check_read(id, *head, std::move(answer));
}

// The table of holds that a head signs, if it is that of its node's newest accepted head, or this
// node's own; else null.
const std::vector<log::Hold>* Core::holds_under(const log::Head& head) const {
  if (head.node == self_) return head.holds_root == own_holds_root_ ? &own_holds_ : nullptr;
  const auto found = witnessed_.find(head.node);
  const bool is_its = found != witnessed_.end() && found->second.holds_root == head.holds_root;
  return is_its ? &found->second.holds : nullptr;
}

void Core::check_read(std::uint64_t id, const log::Head& head, Answer answer) {
  const PendingRead& read = reads_.at(id);
  const std::string holder = "node " + short_hex(read.holder);
  if (LogPlace{head.epoch, head.length} < read.least && !is_planted(PlantedBug::older_answer)) {
    end_read(id, Status(StatusCode::corruption,
                        holder + " answered from an older head than it signed before"));
    return;
  }
  const bool restored =
      read.epoch &&
      head.epoch > (is_planted(PlantedBug::seen_epoch) ? read.least.epoch : *read.epoch);
  if (restored) {
    end_read(id,
             Status(StatusCode::conflict, holder + " was restored since the receipt, in epoch " +
                                              std::to_string(head.epoch) +
                                              " of its log: it may lack what the receipt is for"));
    return;
  }
  if (answer.kind == AnswerKind::moving) {
    end_read(id, Status(StatusCode::moving, holder + " does not hold the key; node " +
                                                short_hex(answer.holder) + " does"));
    return;
  }
  const std::vector<log::Hold>* holds = holds_under(head);
  if (holds == nullptr) {
    end_read(id, Status(StatusCode::moving, holder + " has another table of holds by now"));
    return;
  }
  // Nothing of a node with another document counts, not even that there is nothing.
  const config::Document* ours = known_document(head.document.number);
  if (ours != nullptr && ours->hash() != head.document.hash) {
    end_read(id, Status(StatusCode::conflict, holder + " has another document " +
                                                  std::to_string(head.document.number) +
                                                  " in force than this node knows"));
    return;
  }
  const Authority authority = [this](std::uint64_t number, const NodeId& writer) {
    return this->authority(number, writer);
  };
  const AnswerContext context{document_.swarm(), head, *holds, authority, checked_headers_};
  auto check = check_answer(context, {read.address, read.is_scan}, answer);
  if (check.ok() && read.nonce) {
    if (Status fresh = check_fresh(head, *read.nonce, answer); !fresh.ok()) check = fresh;
  }
  if (!check.ok()) {
    end_read(id, check.status().with_context(holder + " gave an answer that does not hold"));
    return;
  }
  if (check->missing_document) {
    const std::uint64_t missing = *check->missing_document;
    reads_.at(id).held_back = std::move(answer);
    fetch_document(id, missing);
    return;
  }
  if (read.is_scan) {
    finish_scan(id, head, *holds, std::move(check).value());
  } else {
    GetOutcome outcome;
    if (read.nonce) {
      outcome.proof = log::encode(log::Saved{
          document_.swarm(), log::SavedRead{read.key, log::encode_holds(*holds), encode(answer)}});
    }
    finish_get(id, head, std::move(outcome), std::move(check).value());
  }
}

// Promise A3: a page leaves nothing out only where its node holds all that was asked of it.
void Core::finish_scan(std::uint64_t id, const log::Head& head, const std::vector<log::Hold>& holds,
                       AnswerCheck check) {
  const PendingRead& read = reads_.at(id);
  const slicing::Point first = slicing::point_of(read.address);
  const slicing::Point last = check.next ? slicing::point_of(*check.next) : ~slicing::Point{0};
  for (const log::Hold& row : first_holds(document_, read.holder)) {
    if (row.last < first || row.first > last) continue;
    if (covers(holds, std::max(row.first, first), std::min(row.last, last))) continue;
    end_read(id, Status(StatusCode::moving, "node " + short_hex(read.holder) +
                                                " does not hold all that it should answer for"));
    return;
  }
  const bool in_range = std::all_of(
      check.values.begin(), check.values.end(),
      [&](const ProvenValue& value) { return holder_of(document_, value.address) == read.holder; });
  if (!in_range) {
    end_read(id, Status(StatusCode::corruption, "a page of another place was given"));
    return;
  }
  ScanOutcome outcome{std::move(check.values), check.next};
  if (read.for_audit) {
    for (ProvenValue& value : outcome.values) value.value.clear();
    outcome.leaves = std::move(check.leaves);
    outcome.head = head;
  }
  end_read(id, Outcome(std::move(outcome)));
}

void Core::finish_get(std::uint64_t id, const log::Head& head, GetOutcome outcome,
                      AnswerCheck check) {
  outcome.holder = head.node;
  outcome.follows_receipt = reads_.at(id).epoch.has_value();
  outcome.head = log::head_ref(head);
  outcome.found = !check.values.empty();
  if (outcome.found) outcome.value = std::move(check.values.front());
  end_read(id, Outcome(std::move(outcome)));
}

void Core::on_error(ConnectionId connection, const NodeId& peer, swarm::Message& message) {
  auto error = decode_error(message.payload);
  if (!error.ok()) {
    connections_.drop(connection, error.status());
    return;
  }
  const std::string why = "node " + short_hex(peer) + ": " + error->text;
  const auto fetch = fetches_.find(message.request_id);
  if (fetch != fetches_.end() && fetch->second.connection == connection) {
    const DocumentFetch failed = std::move(fetch->second);
    fetches_.erase(fetch);
    if (failed.refusal) {
      on_missing(failed, Status(error->code, why));
    } else {
      retry_held_back(peer, Status(error->code, why));
    }
    return;
  }
  if (message.request_id == 0) {
    delivery_.failed(peer, why, now_);
    return;
  }
  const auto found = reads_.find(message.request_id);
  if (found == reads_.end()) {
    end_audits([&](Ticket, const Audit& audit) {
      const bool is_its = audit.node == peer && audit.checks.count(message.request_id) > 0;
      return is_its ? std::optional(Status(error->code, why)) : std::nullopt;
    });
    return;
  }
  const bool is_asked = found->second.asked == connection || is_planted(PlantedBug::any_error);
  if (!is_asked) return;
  end_read(message.request_id, Status(error->code, why));
}

// A document that this node has had in force, or fetched and checked; null: neither.
const config::Document* Core::known_document(std::uint64_t number) const {
  if (number == document_.number()) return &document_;
  const auto past = past_documents_.find(number);
  return past == past_documents_.end() ? nullptr : &past->second;
}

// Whether `writer` might write under the document that a leaf names (promise A2). `current` is the
// one in force at the node that answers: the number means one of its chain. Without admins only
// the local document is trusted, and what its chain of hashes reaches. A newer document than ours
// cannot be checked, so its writers count as far as our own lists them too.
std::optional<Status> Core::authority(std::uint64_t number, const NodeId& writer) const {
  const std::string named = "document " + std::to_string(number);
  if (number > document_.number()) {
    if (document_.is_writer(writer)) return Status();
    return Status(StatusCode::unauthorised,
                  "the value was written under " + named + ", which is newer than number " +
                      std::to_string(document_.number()) + " here: pass the newer one with -c");
  }
  const config::Document* document = known_document(number);
  if (document == nullptr) return std::nullopt;
  if (document->is_writer(writer)) return Status();
  return Status(StatusCode::unauthorised,
                "node " + short_hex(writer) + " is not a writer of " + named);
}

// The next document to fetch on the way from ours down the chain of hashes to that number; nullopt
// when the chain does not lead there.
std::optional<log::DocumentRef> Core::next_missing(std::uint64_t wanted) const {
  if (wanted == 1) {
    return log::DocumentRef{1, *Hash::from(document_.swarm().view())};  // the swarm id is its hash
  }
  const config::Document* last = &document_;
  while (last->number() > wanted) {
    const std::uint64_t number = last->number() - 1;
    const auto known = past_documents_.find(number);
    if (known == past_documents_.end()) {
      if (last->previous().is_zero()) return std::nullopt;
      return log::DocumentRef{number, last->previous()};
    }
    last = &known->second;
  }
  return std::nullopt;
}

void Core::fetch_document(std::uint64_t read_id, std::uint64_t needed) {
  PendingRead& read = reads_.at(read_id);
  const auto wanted = next_missing(needed);
  const auto connection = connections_.connection_to(read.holder);
  const bool too_many =
      ++read.fetches > limits::kReadFetches || past_documents_.size() >= limits::kPastDocuments;
  if (!wanted || !connection || too_many) {
    end_read(read_id, Status(StatusCode::unavailable,
                             "document " + std::to_string(needed) +
                                 ", which authorised the writer, could not be checked"));
    return;
  }
  for (const auto& [other, fetch] : fetches_) {  // on its way for another read
    if (fetch.connection == *connection && fetch.wanted == *wanted && !fetch.refusal) return;
  }
  const std::uint64_t id = next_request_++;
  Bytes number = codec::Writer().u64(wanted->number).take();
  if (!connections_.send(*connection,
                         make_message(MessageType::read_document, id, std::move(number)))) {
    end_read(read_id, Status(StatusCode::unavailable, "the holder takes no requests"));
    return;
  }
  fetches_[id] = {*connection, read.holder, *wanted, {}};
}

void Core::on_document(ConnectionId connection, swarm::Message& message) {
  const auto fetch = fetches_.find(message.request_id);
  if (fetch == fetches_.end() || fetch->second.connection != connection) return;
  const DocumentFetch done = std::move(fetch->second);
  const log::DocumentRef& wanted = done.wanted;
  fetches_.erase(fetch);
  auto document = config::Document::parse(message.payload);
  const bool fits = document.ok() && document->number() == wanted.number &&
                    document->hash() == wanted.hash && document->swarm() == document_.swarm();
  if (!fits) {
    const bool parted = document.ok() && document->number() == wanted.number &&
                        document->swarm() == document_.swarm();
    const std::string what = "node " + short_hex(done.holder) + " does not have document " +
                             std::to_string(wanted.number) + " (" + short_hex(wanted.hash) +
                             "), which this directory's document " +
                             std::to_string(document_.number()) + " follows";
    document = parted ? Status(StatusCode::conflict, what + ", but another one of that number")
                      : Status(StatusCode::unavailable, what);
  }
  if (fits) past_documents_.emplace(wanted.number, *document);
  if (done.refusal) {
    on_missing(done, document.status());
    return;
  }
  retry_held_back(done.holder, document.status());
}

// A document that came serves every read that waits for one; one that did not come ends the reads
// of that holder.
void Core::retry_held_back(const NodeId& holder, const Status& fetch) {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, read] : reads_) {
    if (read.held_back && (fetch.ok() || read.holder == holder)) ids.push_back(id);
  }
  for (const std::uint64_t id : ids) {
    Answer answer = std::move(*reads_.at(id).held_back);
    reads_.at(id).held_back.reset();
    const auto head = log::decode_head(answer.head.head);
    if (!fetch.ok() || !head.ok()) {
      end_read(id, fetch.ok() ? head.status() : fetch);
      continue;
    }
    check_read(id, *head, std::move(answer));
  }
}

void Core::end_read(std::uint64_t id, Result<Outcome> outcome) {
  const auto found = reads_.find(id);
  const Ticket ticket = found->second.ticket;
  reads_.erase(found);
  respond(ticket, std::move(outcome));
}

// Promise R4: every operation has a deadline, and says why it passed.
void Core::expire_reads() {
  std::vector<std::uint64_t> due;
  for (const auto& [id, read] : reads_) {
    const bool expires = read.asked || !is_planted(PlantedBug::endless_read);
    if (read.deadline_ms <= now_.monotonic_ms && expires) {
      due.push_back(id);
    } else if (!read.asked && connections_.is_ready(read.holder)) {
      start_read(id);  // its connection had no room before
    }
  }
  for (const std::uint64_t id : due) {
    const NodeId holder = reads_.at(id).holder;
    const std::string why = holder == self_ ? std::string() : connections_.why_not(holder);
    end_read(id, why.empty()
                     ? Status(StatusCode::timed_out,
                              "node " + short_hex(holder) + " did not answer in time")
                     : Status(StatusCode::unavailable, "the holder is out of reach: " + why));
  }
}

}  // namespace kvswarm::node
