// Epochs: the record by which a restored node declares what it lacks, and the proof of it.
#include "log/record.h"
#include "support/catch.h"
#include "support/format_example.h"
#include "unit/log/samples.h"

namespace kvswarm::log {
namespace {

using samples::hash_of;
using samples::swarm;

Record epoch_record() {
  Record record;
  record.type = RecordType::epoch;
  record.previous_log_root = record_tree(swarm()).leaf(encode(samples::records()[0]));
  record.holds_root = samples::records()[0].holds_root;
  record.document = samples::document();
  record.time_ms = 1'700'000'038'656;
  record.epoch.epoch = 1;
  record.epoch.own = {0, 1, hash_of(0x4e)};
  record.epoch.missing = {0, 2, *Hash::from(test::format_example("log.md", "head hash"))};
  return record;
}

StatusCode verdict(const Record& record) { return decode_record(encode(record)).status().code(); }

// A log with a document record, the epoch record at `index`, and further records up to `length`.
struct Restored {
  Restored(const Record& record, std::uint64_t index, std::uint64_t length) {
    const SwarmTreeHasher tree = record_tree(swarm());
    std::vector<Hash> leaves(length, tree.leaf("another record"));
    proof.record = encode(record);
    leaves[index] = tree.leaf(proof.record);
    proof.inclusion = inclusion_proof(tree, leaves, index);
    head.swarm = swarm();
    head.node = samples::node().id();
    head.epoch = record.epoch.epoch;
    head.length = length;
    head.log_root = root_of(tree, leaves);
  }
  Head head;
  EpochProof proof;
};

}  // namespace

TEST_CASE("the epoch record of docs/formats/log.md is what it says it is") {
  const Bytes bytes = test::format_example("log.md", "epoch record");
  CHECK(bytes.size() == kEpochRecordBytes);
  const auto decoded = decode_record(bytes);
  REQUIRE(decoded.ok());
  CHECK(*decoded == epoch_record());
  CHECK(encode(*decoded) == bytes);
}

TEST_CASE("an epoch is above both heads that its record names, and a head without length is none") {
  Record record = epoch_record();
  record.epoch.missing = {};
  CHECK(verdict(record) == StatusCode::ok);
  record.epoch.own = {};
  CHECK(verdict(record) == StatusCode::ok);
  record.epoch.own = {0, 0, hash_of(1)};
  CHECK(verdict(record) == StatusCode::corruption);
  record = epoch_record();
  record.epoch.missing.epoch = 1;
  CHECK(verdict(record) == StatusCode::corruption);
  record = epoch_record();
  record.epoch.own.epoch = 1;
  CHECK(verdict(record) == StatusCode::corruption);
  record = epoch_record();
  for (std::size_t size = 0; size < kEpochRecordBytes; ++size) {
    REQUIRE_FALSE(decode_record(BytesView(encode(record)).substr(0, size)).ok());
  }
  CHECK_FALSE(decode_record(encode(record) + '\0').ok());
}

TEST_CASE("the proof of an epoch holds for its own log, place and number only") {
  const Restored log(epoch_record(), 1, 5);
  const auto start = check_epoch(log.head, log.proof);
  REQUIRE(start.ok());
  CHECK(*start == epoch_record().epoch);
  const auto again = decode_epoch_proof(encode(log.proof));
  REQUIRE(again.ok());
  CHECK(*again == log.proof);

  Head other = log.head;
  other.epoch = 2;
  CHECK_FALSE(check_epoch(other, log.proof).ok());
  other = log.head;
  other.log_root = hash_of(9);
  CHECK_FALSE(check_epoch(other, log.proof).ok());
  // Not behind the head that the record calls the node's own.
  const Restored elsewhere(epoch_record(), 2, 5);
  CHECK_FALSE(check_epoch(elsewhere.head, elsewhere.proof).ok());
  // Another record of the log.
  EpochProof document = log.proof;
  document.record = encode(samples::records()[0]);
  CHECK_FALSE(check_epoch(log.head, document).ok());
}

}  // namespace kvswarm::log
