// tests/oracle/state_oracle.py, written from docs/formats/state.md alone, and we agree: on the
// golden vectors that it made, and on what we make.

#include "support/catch.h"
#include "support/process.h"
#include "support/vectors.h"
#include "unit/state/world.h"

namespace kvswarm::state {
namespace {

using namespace test;
using nlohmann::json;

template <class Fixed>
Fixed fixed(const json& digits) {
  return fixed_from_hex<Fixed>(digits.get<std::string>()).value();
}

Bytes bytes(const json& digits) { return from_hex(digits.get<std::string>()).value(); }

Question question_of(const json& entry) {
  std::vector<Interval> intervals;
  for (const json& ends : entry.at("intervals")) {
    intervals.push_back({fixed<Address>(ends.at(0)), fixed<Address>(ends.at(1))});
  }
  return Question::of(std::move(intervals), entry.at("limit").get<std::size_t>()).value();
}

json question_json(const Question& question) {
  json intervals = json::array();
  for (const Interval& interval : question.intervals()) {
    intervals.push_back({to_hex(interval.first), to_hex(interval.last)});
  }
  return {{"intervals", intervals}, {"limit", question.limit()}};
}

json addresses_of(const std::vector<Leaf>& leaves) {
  json addresses = json::array();
  for (const Leaf& leaf : leaves) addresses.push_back(to_hex(leaf.address));
  return addresses;
}

// Questions for one key, several and ranges, of leaves that are there and of others.
Question some_question(std::mt19937_64& random, const Leaves& leaves) {
  std::vector<Address> addresses;
  for (std::size_t i = 0; i <= random() % 5; ++i) {
    Address address = random_address(random);
    if (!leaves.empty() && random() % 3 != 0) {
      address = std::next(leaves.begin(), static_cast<long>(random() % leaves.size()))->first;
      if (random() % 2 == 0) address.data[random() % 32] ^= 1;
    }
    addresses.push_back(address);
  }
  if (random() % 2 == 0) return Question::several(addresses).value();
  return Question::range(
             std::min(addresses.front(), addresses.back()),
             random() % 2 == 0 ? kLastAddress : std::max(addresses.front(), addresses.back()),
             1 + random() % 6)
      .value();
}

// A case as in fixtures/state_vectors.json, made by us.
json our_case(std::mt19937_64& random, std::size_t count) {
  Leaves leaves;
  for (std::size_t i = 0; i < count; ++i) {
    Address address = random_address(random);
    if (count % 2 == 1) address = prefix(address, 5 + random() % 200);
    leaves[address] = leaf_at(address, random());
  }
  const Trie trie = trie_of(leaves, 1 + count % 5);
  json proofs = json::array();
  json invalid = json::array();
  for (int i = 0; i < 8; ++i) {
    const Question question = some_question(random, leaves);
    json entry = question_json(question);
    Bytes proof = proof_of(trie, leaves, question);
    entry["proof"] = to_hex(proof);
    proof[random() % proof.size()] ^= static_cast<char>(1 << random() % 8);
    json spoiled = entry;
    spoiled["proof"] = to_hex(proof);
    invalid.push_back(spoiled);
    entry["answer"] = addresses_of(answer_of(leaves, question));
    proofs.push_back(entry);
  }
  json encoded = json::array();
  for (const auto& [address, leaf] : leaves) encoded.push_back(to_hex(encode(leaf)));
  return {{"name", std::to_string(count) + " of ours"},
          {"swarm", to_hex(some_swarm())},
          {"leaves", encoded},
          {"root", to_hex(trie.root())},
          {"proofs", proofs},
          {"invalid", invalid}};
}

// The oracle's verdict on a file; nullopt where there is no python3.
std::optional<kvswarm::test::Outcome> oracle_checks(const std::string& file) {
  kvswarm::test::Command command;
  command.program = "/usr/bin/env";
  command.arguments = {"python3",
                       kvswarm::test::source_directory() + "/tests/oracle/state_oracle.py", "check",
                       file};
  kvswarm::test::Outcome outcome = kvswarm::test::run(command, 60'000);
  if (outcome.exit_code == 127) return std::nullopt;
  return outcome;
}

}  // namespace

TEST_CASE("the oracle's golden vectors are our roots, proofs and answers") {
  const json vectors = json::parse(
      kvswarm::test::read_file(kvswarm::test::source_directory() + "/fixtures/state_vectors.json"));
  std::size_t proofs = 0;
  for (const json& entry : vectors.at("cases")) {
    INFO(entry.at("name").get<std::string>());
    const auto swarm = fixed<SwarmId>(entry.at("swarm"));
    const auto root = fixed<Hash>(entry.at("root"));
    Leaves leaves;
    for (const json& encoded : entry.at("leaves")) {
      const Leaf leaf = decode_leaf(bytes(encoded)).value();
      leaves[leaf.address] = leaf;
    }
    for (const std::size_t k : {1, 3, 8}) {
      MapCursor rows(leaves);
      const Trie trie = Trie::load(swarm, k, rows).value();
      CHECK(trie.root() == root);
      for (const json& proof : entry.at("proofs")) {
        const Question question = question_of(proof);
        CHECK(make_proof(trie.view(), question, rows).value() == bytes(proof.at("proof")));
        const auto answer = check_proof(swarm, root, question, bytes(proof.at("proof")));
        REQUIRE(answer.ok());
        CHECK(addresses_of(*answer) == proof.at("answer"));
        CHECK(*answer == answer_of(leaves, question));
        ++proofs;
      }
    }
    for (const json& proof : entry.at("invalid")) {
      CHECK(
          check_proof(swarm, root, question_of(proof), bytes(proof.at("proof"))).status().code() ==
          StatusCode::corruption);
    }
  }
  CHECK(proofs == 3 * 21 * 5);
}

TEST_CASE("the oracle takes our roots and proofs, and no spoiled one") {
  std::mt19937_64 random(9);
  json cases = json::array();
  for (const std::size_t count : {0, 1, 2, 3, 4, 5, 9, 16, 33, 64}) {
    cases.push_back(our_case(random, count));
  }
  const kvswarm::test::TemporaryDirectory directory;
  const auto verdict_on = [&directory](const json& all) {
    kvswarm::test::write_file(directory / "cases.json", json{{"cases", all}}.dump());
    return oracle_checks(directory / "cases.json");
  };
  const auto verdict = verdict_on(cases);
  if (!verdict) KVSWARM_SKIP("python3 is not installed");
  INFO(verdict->output << verdict->errors);
  CHECK(verdict->exit_code == 0);
  CHECK(verdict->output == "170 checked\n");

  // It does look: with one wrong answer, root or proof it says no.
  json wrong = cases;
  wrong[3]["root"] = cases[4]["root"];
  CHECK(verdict_on(wrong)->exit_code == 1);
  wrong = cases;
  wrong[3]["invalid"][0] = cases[3]["proofs"][0];
  CHECK(verdict_on(wrong)->exit_code == 1);
}

}  // namespace kvswarm::state
