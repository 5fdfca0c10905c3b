#include "kvswarm/read_text.h"

#include <kvswarm/json.h>

#include <vector>

#include "kvswarm/text.h"

namespace kvswarm {
namespace {

constexpr std::size_t kShownValueBytes = 256;

std::vector<std::string> not_shown(const node::ReadFacts& facts) {
  std::vector<std::string> out;
  if (!facts.freshness) out.emplace_back("that the state was the node's newest");
  out.emplace_back(
      "that the state follows from the node's log: only receipts and audits show that");
  out.emplace_back("that a clock was right: times are those of who signed");
  out.emplace_back("what the key holds now");
  return out;
}

std::string value_text(const node::ProvenValue& value) {
  const bool is_short = value.value.size() <= kShownValueBytes && is_utf8(value.value);
  return "  holds " + count(value.value.size(), "byte") +
         (is_short ? ": " + json_quote(value.value) : " (--json gives them)") +
         "\n  put by writer " + to_hex(value.writer) + "\n  as its op " +
         std::to_string(value.op_number) + ", in record " + std::to_string(value.record_index) +
         " of the log, under document " + std::to_string(value.document) +
         ", which lists the writer\n";
}

}  // namespace

std::uint64_t stated_ms(const node::ReadFacts& facts) {
  return facts.freshness ? facts.freshness->time_ms : facts.head.time_ms;
}

std::string read_text(const node::ReadFacts& facts) {
  const log::Head& head = facts.head;
  std::string out =
      "read of a key in swarm " + to_hex(facts.swarm) +
      "\nEverything here is signed, and was checked against the documents given.\n\n" +
      "In the state that node " + to_hex(head.node) + "\n  signed after " +
      count(head.length, "record") + " of epoch " + std::to_string(head.epoch) + "\n  at " +
      utc(head.time_ms) + " by its clock, the key " + shown_key(facts.key) + "\n";
  out += facts.value ? value_text(*facts.value) : "  is not there\n";
  if (facts.freshness) {
    out += "The node signed at " + utc(facts.freshness->time_ms) +
           " by its clock that this state was its newest,\n  for a reader that asked with " +
           to_hex(facts.freshness->nonce) + "\n";
  }
  out += "\nIt does not show\n";
  for (const std::string& line : not_shown(facts)) out += "  - " + line + "\n";
  return out;
}

std::string read_json(const node::ReadFacts& facts) {
  JsonObject out;
  out.add("verified", true)
      .add("kind", "read")
      .add("swarm", to_hex(facts.swarm))
      .add_bytes("key", facts.key)
      .add("found", facts.value.has_value());
  if (facts.value) {
    out.add_bytes("value", facts.value->value)
        .add("writer", to_hex(facts.value->writer))
        .add("operation", facts.value->op_number)
        .add("record", facts.value->record_index)
        .add("document", facts.value->document);
  }
  out.add("node", to_hex(facts.head.node))
      .add("epoch", facts.head.epoch)
      .add("length", facts.head.length)
      .add("head_time_ms", facts.head.time_ms);
  if (facts.freshness) {
    out.add("nonce", to_hex(facts.freshness->nonce)).add("newest_at_ms", facts.freshness->time_ms);
  }
  std::vector<std::string> lines;
  for (const std::string& line : not_shown(facts)) lines.push_back(json_quote(line));
  return out.add_json("not_shown", json_list(lines)).text();
}

}  // namespace kvswarm
