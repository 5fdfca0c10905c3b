#include "kvswarm/saved_text.h"

#include <kvswarm/json.h>

#include <vector>

#include "kvswarm/text.h"

namespace kvswarm {
namespace {

constexpr const char* kNotShown[] = {
    "that a clock was right: times are those of who signed",
    "that the node still holds or serves these keys, or ever sent their values to anybody",
    "that the values are still the newest: later ops are not in this file",
    "that the node shows the same log to everybody",
};

std::string name_of(const log::DocumentRef& document) {
  return "document " + std::to_string(document.number) + " (" + to_hex(document.hash) + ")";
}

const char* meaning(log::Outcome outcome) {
  switch (outcome) {
    case log::Outcome::applied: return "applied";
    case log::Outcome::superseded: return "superseded: a later op of the writer was applied before";
    case log::Outcome::moved: return "moved: the node did not hold the key; not final";
    case log::Outcome::unsupported: return "unsupported: refused for good";
    case log::Outcome::unauthorised: return "unauthorised: refused for good";
  }
  return "unknown";
}

std::string op_line(const log::ReceiptFacts::OpFact& fact) {
  const log::Op& op = fact.op;
  std::string out = "  op " + std::to_string(op.number) + ": ";
  if (op.kind == log::OpKind::del) {
    out += "del " + shown_key(op.key);
  } else {
    out += "put " + shown_key(op.key) + ", " + count(op.value_length, "byte") + ", value root " +
           to_hex(op.value_root);
  }
  return out + ": " + meaning(fact.outcome) + "\n";
}

std::string block_text(const log::ReceiptFacts::EntryFact& entry,
                       const log::ReceiptFacts::BlockFact& block) {
  const log::BlockHeader& header = block.header;
  std::string out = "\nwriter " + to_hex(header.writer) + "\n  signed block " +
                    std::to_string(header.number) + " of incarnation " +
                    std::to_string(header.incarnation) + " (" + to_hex(block.hash) + ")\n  at " +
                    utc(header.time_ms) + " by its clock, under " + name_of(header.document) + "\n";
  out += "node " + to_hex(entry.head.node) + "\n  committed it in record " +
         std::to_string(entry.record_index) + " (counted from 0) of its log, epoch " +
         std::to_string(entry.head.epoch) + "\n  at " + utc(entry.record.time_ms) +
         " by its clock, under " + name_of(entry.record.document) +
         ",\n  which lists the writer; it signed a log of " + count(entry.head.length, "record") +
         " with that record in it\n";
  for (const auto& op : block.ops) out += op_line(op);
  return out;
}

std::string op_json(const log::ReceiptFacts::OpFact& fact) {
  const log::Op& op = fact.op;
  const bool is_put = op.kind == log::OpKind::put;
  JsonObject out;
  out.add("operation", op.number).add("kind", is_put ? "put" : "del").add_bytes("key", op.key);
  if (is_put) out.add("value_bytes", op.value_length).add("value_root", to_hex(op.value_root));
  return out.add("outcome", log::to_string(fact.outcome)).text();
}

std::string block_json(const log::ReceiptFacts::BlockFact& block) {
  std::vector<std::string> ops;
  for (const auto& op : block.ops) ops.push_back(op_json(op));
  return JsonObject()
      .add("writer", to_hex(block.header.writer))
      .add("incarnation", block.header.incarnation)
      .add("number", block.header.number)
      .add("hash", to_hex(block.hash))
      .add("time_ms", block.header.time_ms)
      .add("document", block.header.document.number)
      .add("document_hash", to_hex(block.header.document.hash))
      .add_json("operations", json_list(ops))
      .text();
}

std::string entry_json(const log::ReceiptFacts::EntryFact& entry) {
  std::vector<std::string> blocks;
  for (const auto& block : entry.blocks) blocks.push_back(block_json(block));
  return JsonObject()
      .add("node", to_hex(entry.head.node))
      .add("epoch", entry.head.epoch)
      .add("length", entry.head.length)
      .add("record", entry.record_index)
      .add("time_ms", entry.record.time_ms)
      .add("document", entry.record.document.number)
      .add("document_hash", to_hex(entry.record.document.hash))
      .add_json("blocks", json_list(blocks))
      .text();
}

struct Sentence {
  const log::EvidenceFacts& facts;

  std::string operator()(const log::TwoHeads&) const {
    const log::Head& first = facts.heads[0];
    const log::Head& second = facts.heads[1];
    const std::string node = "node " + to_hex(first.node);
    const std::string epoch = " in epoch " + std::to_string(first.epoch);
    if (facts.holds_alone) {
      return node + " signed two logs of " + count(first.length, "record") + epoch;
    }
    return node + " signed heads of " + count(first.length, "record") + " and of " +
           count(second.length, "record") + epoch + ", and did not show that one extends the other";
  }
  std::string operator()(const log::TwoBlocks&) const {
    const log::BlockHeader& first = facts.blocks[0];
    const log::BlockHeader& second = facts.blocks[1];
    const std::string what = first.number == second.number
                                 ? "two blocks " + std::to_string(first.number)
                                 : "a block " + std::to_string(second.number) +
                                       " that does not follow its block " +
                                       std::to_string(first.number);
    return "writer " + to_hex(first.writer) + " signed " + what + " of incarnation " +
           std::to_string(first.incarnation) + " for node " + to_hex(first.destination);
  }
  std::string operator()(const log::ReceiptAgainstBlock&) const {
    const log::BlockHeader& block = facts.blocks[0];
    return "the log of node " + to_hex(block.destination) + " has another block " +
           std::to_string(block.number) + " of incarnation " + std::to_string(block.incarnation) +
           " than the one that writer " + to_hex(block.writer) + " signed here";
  }
  std::string operator()(const log::RefusalAgainstDocument&) const {
    return "node " + to_hex(facts.refusal->node) + " refused block " +
           std::to_string(facts.refusal->number) + " of writer " + to_hex(facts.refusal->writer) +
           " as not listed by " + name_of(facts.refusal->document) + ", which lists it";
  }
  std::string operator()(const log::TwoDocuments&) const {
    return "there are two documents with number " + std::to_string(facts.documents[0].number) +
           ": " + to_hex(facts.documents[0].hash) + " and " + to_hex(facts.documents[1].hash);
  }
  std::string operator()(const log::FalseTransition&) const {
    const log::Head& head = facts.heads[0];
    if (!facts.transition) return "node " + to_hex(head.node) + " signed a state";  // unchecked
    const log::TransitionFacts& found = *facts.transition;
    const bool is_put = found.op.kind == log::OpKind::put;
    const std::string of_log = "the state that node " + to_hex(head.node) +
                               " signed for its log of " + count(head.length, "record") +
                               " in epoch " + std::to_string(head.epoch) +
                               " does not follow from that log: ";
    if (!found.has_op) {
      const auto& evidence = std::get<log::FalseTransition>(facts.evidence);
      return of_log + "at address " + to_hex(evidence.address) + " it has an op of record " +
             std::to_string(found.shown_record) + " (counted from 0), which applied no such op";
    }
    return of_log + "record " + std::to_string(found.record_index) +
           " (counted from 0) applied op " + std::to_string(found.op.number) + " of writer " +
           to_hex(found.writer) + ", " + (is_put ? "put " : "del ") + shown_key(found.op.key) +
           ", and the state " + what_it_has(found);
  }
  static std::string what_it_has(const log::TransitionFacts& found) {
    const std::string of_record = " of record " + std::to_string(found.shown_record);
    switch (found.fault) {
      case log::TransitionFacts::Fault::missing:
        return "does not have the key, which no later op deleted";
      case log::TransitionFacts::Fault::outdated:
        return "has an earlier op for the key," + of_record;
      case log::TransitionFacts::Fault::invented:
        return "has an op for the key" + of_record + ", which applied no such op";
    }
    return "is another";
  }
};

const char* weight(const log::EvidenceFacts& facts) {
  if (std::holds_alternative<log::ReceiptAgainstBlock>(facts.evidence)) {
    return "Both sides are signed. Either the writer's identity signs in two places, or the node "
           "put a\nblock in its log that the writer never signed: this does not say which.\n";
  }
  if (std::holds_alternative<log::TwoDocuments>(facts.evidence)) {
    return "It does not say who made them.\n";
  }
  if (facts.holds_alone) return "Proof: both sides are signed, and no honest run makes both.\n";
  return "Observed, not proof for others: the signatures hold, but the contradiction was seen by\n"
         "one node alone and cannot be shown by this file.\n";
}

const char* type_name(const log::Evidence& evidence) {
  constexpr const char* kNames[] = {"heads",   "blocks",    "receipt",
                                    "refusal", "documents", "transition"};
  return kNames[evidence.index()];
}

}  // namespace

std::string receipt_text(const log::ReceiptFacts& facts) {
  std::size_t ops = 0;
  for (const auto& entry : facts.entries) {
    for (const auto& block : entry.blocks) ops += block.ops.size();
  }
  std::string out = "receipt of " + count(ops, "op") + " in swarm " + to_hex(facts.swarm) +
                    "\nEverything here is signed, and was checked against the documents given.\n";
  for (const auto& entry : facts.entries) {
    for (const auto& block : entry.blocks) out += block_text(entry, block);
  }
  out += "\nIt does not show\n";
  for (const char* line : kNotShown) out += std::string("  - ") + line + "\n";
  return out;
}

std::string receipt_json(const log::ReceiptFacts& facts) {
  std::vector<std::string> entries;
  for (const auto& entry : facts.entries) entries.push_back(entry_json(entry));
  std::vector<std::string> not_shown;
  for (const char* line : kNotShown) not_shown.push_back(json_quote(line));
  return JsonObject()
      .add("verified", true)
      .add("kind", "receipt")
      .add("swarm", to_hex(facts.swarm))
      .add_json("records", json_list(entries))
      .add_json("not_shown", json_list(not_shown))
      .text();
}

std::string evidence_line(const log::EvidenceFacts& facts) {
  return std::visit(Sentence{facts}, facts.evidence) +
         (facts.holds_alone ? "" : " (observed, not proof for others)");
}

std::string evidence_text(const log::EvidenceFacts& facts) {
  return "evidence in swarm " + to_hex(facts.swarm) + "\n" +
         std::visit(Sentence{facts}, facts.evidence) + ".\n" + weight(facts);
}

std::string evidence_json(const log::EvidenceFacts& facts) {
  JsonObject out;
  out.add("verified", true)
      .add("kind", "evidence")
      .add("type", type_name(facts.evidence))
      .add("swarm", to_hex(facts.swarm))
      .add("proof", facts.holds_alone);
  if (!facts.accused.is_zero()) out.add("accused", to_hex(facts.accused));
  return out.add("subject", to_hex(log::evidence_subject(facts)))
      .add("message", std::visit(Sentence{facts}, facts.evidence))
      .text();
}

}  // namespace kvswarm
