#include "kvswarm/status_text.h"

#include <kvswarm/json.h>

#include <cstdio>

#include "kvswarm/saved_text.h"
#include "kvswarm/text.h"

namespace kvswarm {
namespace {

double share_percent(const std::vector<log::Hold>& holds) {
  long double points = 0;
  for (const log::Hold& hold : holds)
    points += static_cast<long double>(hold.last - hold.first) + 1;
  return static_cast<double>(points / 18446744073709551616.0L * 100);
}

std::string roles(const node::NodeStatus& status) {
  if (status.is_writer && status.is_storage_node) return "storage node, writer";
  if (status.is_writer) return "writer";
  return status.is_storage_node ? "storage node" : "reader";
}

std::string refused_block(const log::Refusal& refusal) {
  return "block " + std::to_string(refusal.number) + " of incarnation " +
         std::to_string(refusal.incarnation) + " under document " +
         std::to_string(refusal.document.number) + ": " + log::to_string(refusal.reason);
}

std::string refusal_json(const std::optional<log::Refusal>& refusal) {
  if (!refusal) return "null";
  return JsonObject()
      .add("incarnation", refusal->incarnation)
      .add("block", refusal->number)
      .add("block_hash", to_hex(refusal->block_hash))
      .add("document", refusal->document.number)
      .add("document_hash", to_hex(refusal->document.hash))
      .add("reason", log::to_string(refusal->reason))
      .add("time_ms", refusal->time_ms)
      .text();
}

std::string destination_json(const node::DestinationStatus& destination) {
  return JsonObject()
      .add("node", to_hex(destination.node))
      .add("operations", destination.ops)
      .add("bytes", static_cast<std::uint64_t>(destination.bytes))
      .add("blocks", destination.blocks)
      .add("since_ms", destination.since_ms)
      .add("why", destination.why)
      .add_json("refusal", refusal_json(destination.refusal))
      .text();
}

std::string node_line(const Listening& listening) {
  if (!listening) return "node      not running; it runs with kvswarm listen or connect";
  return listening->empty() ? "node      running, and listening nowhere"
                            : "node      running, and listening on " + *listening;
}

std::string evidence_lines(const node::NodeStatus& status) {
  constexpr std::size_t kShown = 20;
  if (status.evidence.empty()) return {};
  std::string out = "evidence  " + count(status.evidence.size(), "piece") +
                    "; kvswarm evidence shows and saves them\n";
  std::size_t shown = 0;
  for (const node::KeptEvidence& kept : status.evidence) {
    if (++shown > kShown) break;
    const bool listed =
        !kept.facts.accused.is_zero() && status.document.is_listed(kept.facts.accused);
    out += "          " + evidence_line(kept.facts) +
           (listed ? "; the document lists it, and stays as it is until you change it" : "") + "\n";
  }
  return out;
}

}  // namespace

AuditPart audit_part(node::AuditOutcome outcome) {
  AuditPart out;
  out.ops = outcome.ops;
  out.as_applied = outcome.as_applied;
  out.replaced = outcome.replaced;
  out.absent = outcome.absent;
  out.unknown = outcome.unknown;
  out.false_ones = outcome.false_ones;
  out.next = outcome.next;
  out.records = std::move(outcome.records);
  out.head = std::move(outcome.head);
  if (outcome.proof) {
    out.line = evidence_line(outcome.proof->facts);
    out.saved = std::move(outcome.proof->saved);
  }
  return out;
}

EvidenceTexts evidence_texts(const std::vector<node::KeptEvidence>& evidence) {
  EvidenceTexts out;
  for (const node::KeptEvidence& kept : evidence) {
    const std::string from = kept.from.is_zero() ? "" : ", told by node " + to_hex(kept.from);
    const std::string subject = short_hex(log::evidence_subject(kept.facts));
    const std::string json = JsonObject()
                                 .add("noticed_ms", kept.noticed_ms)
                                 .add("from", kept.from.is_zero() ? "" : to_hex(kept.from))
                                 .add("file", subject + ".evidence")
                                 .add_json("evidence", evidence_json(kept.facts))
                                 .text();
    out.items.push_back({utc(kept.noticed_ms) + from + ": " + evidence_line(kept.facts), json,
                         subject + ".evidence", kept.saved});
  }
  return out;
}

std::string status_text(const node::NodeStatus& status, const Listening& listening) {
  std::string out = "id        " + to_hex(status.self) + "\n";
  out += node_line(listening) + "\n";
  out += "roles     " + roles(status) + "\n";
  out += "swarm     " + to_hex(status.document.swarm()) + "\n";
  out += "document  number " + std::to_string(status.document.number()) + ", hash " +
         to_hex(status.document.hash()) + "\n";
  if (!status.holds.empty()) {
    char percent[16];
    std::snprintf(percent, sizeof percent, "%.2f", share_percent(status.holds));
    out +=
        "holds     " + count(status.holds.size(), "interval") + ", " + percent + " % of the ring\n";
  }
  if (status.counts.has_log) {
    out += "log       " + count(status.counts.head.length, "record") + ", " +
           count(status.counts.head.live_keys, "key") + ", " +
           count(status.counts.head.live_bytes, "byte");
    const std::uint64_t epoch = status.counts.head.epoch;
    if (epoch > 0) out += "; in epoch " + std::to_string(epoch) + " of it";
    out += "\n";
  }
  if (status.counts.disk_bytes > 0) {
    out += "disk      " + count(status.counts.disk_bytes, "byte");
    if (status.counts.blocks.dropped > 0) {
      out +=
          "; what " + count(status.counts.blocks.dropped, "past block") + " proved was given back";
    }
    out += "\n";
  }
  if (status.counts.pending_ops > 0) {
    out += "pending   " + count(status.counts.pending_ops, "op") + " in no block yet\n";
  }
  for (const auto& destination : status.destinations) {
    out += "outbox    to " + short_hex(destination.node) + ": ";
    if (destination.ops == 0) {
      out += "nothing waits\n";
    } else {
      out += count(destination.ops, "op") + " (" + count(destination.bytes, "byte") +
             ") waiting since " + utc(destination.since_ms) + "\n";
      out += "          not syncing: " + destination.why + "\n";
    }
    if (destination.refusal) {
      out += "          refused " + refused_block(*destination.refusal) + ", on " +
             utc(destination.refusal->time_ms) + "\n";
    }
  }
  for (const auto& peer : status.peers) {
    out +=
        "peer      " + short_hex(peer.node) + (peer.connected ? ": connected" : ": not connected");
    if (!peer.address.empty()) out += ", " + peer.address;
    if (!peer.listed) out += ", not listed";
    if (!peer.last_error.empty()) out += ", last error: " + peer.last_error;
    out += "\n";
  }
  for (const auto& op : status.counts.refused) {
    out += "refused   op " + std::to_string(op.number) + ", key " + json_quote(op.key) + ": " +
           log::to_string(op.outcome) + "\n";
  }
  if (status.counts.more_refused) out += "refused   and more ops\n";
  out += evidence_lines(status);
  for (const std::string& problem : status.problems) out += "problem   " + problem + "\n";
  return out;
}

std::string status_json(const node::NodeStatus& status, const Listening& listening) {
  std::vector<std::string> holds;
  for (const log::Hold& hold : status.holds) {
    holds.push_back(JsonObject()
                        .add("first", std::to_string(hold.first))
                        .add("last", std::to_string(hold.last))
                        .add("number", hold.number)
                        .text());
  }
  std::vector<std::string> destinations;
  for (const auto& destination : status.destinations) {
    destinations.push_back(destination_json(destination));
  }
  std::vector<std::string> peers;
  for (const auto& peer : status.peers) {
    peers.push_back(JsonObject()
                        .add("node", to_hex(peer.node))
                        .add("listed", peer.listed)
                        .add("connected", peer.connected)
                        .add("address", peer.address)
                        .add("last_error", peer.last_error)
                        .text());
  }
  std::vector<std::string> refused;
  for (const auto& op : status.counts.refused) {
    refused.push_back(JsonObject()
                          .add("operation", op.number)
                          .add_bytes("key", op.key)
                          .add("reason", log::to_string(op.outcome))
                          .text());
  }
  std::vector<std::string> evidence;
  for (const auto& kept : status.evidence) evidence.push_back(evidence_json(kept.facts));
  std::vector<std::string> problems;
  for (const std::string& problem : status.problems) problems.push_back(json_quote(problem));
  const log::Head& head = status.counts.head;
  return JsonObject()
      .add("id", to_hex(status.self))
      .add("running", listening.has_value())
      .add("listening", listening.value_or(""))
      .add("writer", status.is_writer)
      .add("storage_node", status.is_storage_node)
      .add("swarm", to_hex(status.document.swarm()))
      .add("document", status.document.number())
      .add("document_hash", to_hex(status.document.hash()))
      .add_json("holds", json_list(holds))
      .add("epoch", head.epoch)
      .add("length", head.length)
      .add("keys", head.live_keys)
      .add("bytes", head.live_bytes)
      .add("disk_bytes", status.counts.disk_bytes)
      .add("state_memory_bytes", status.counts.state_bytes)
      .add("blocks", status.counts.blocks.committed)
      .add("blocks_given_back", status.counts.blocks.dropped)
      .add("pending", static_cast<std::uint64_t>(status.counts.pending_ops))
      .add_json("destinations", json_list(destinations))
      .add_json("peers", json_list(peers))
      .add_json("refused", json_list(refused))
      .add("more_refused", status.counts.more_refused)
      .add_json("evidence", json_list(evidence))
      .add_json("problems", json_list(problems))
      .text();
}

}  // namespace kvswarm
