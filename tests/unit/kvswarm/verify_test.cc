// What `kvswarm verify` and `evidence` say of a saved file, as words and as JSON.
#include <kvswarm/verify.h>

#include "support/catch.h"
#include "support/format_example.h"

namespace kvswarm {
namespace {

bool has(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE(
    "A4: a false transition is said in words: who, which op, and what the state has instead") {
  const auto said = verify(test::format_example("saved.md", "false transition"), {});
  REQUIRE(said.ok());
  CHECK(
      has(said->text,
          "the state that node "
          "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394 signed for its log of "
          "2 records in epoch 0 does not follow from that log: record 1 (counted from 0) applied "
          "op 7 of writer 8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c, put "
          "\"greeting\", and the state does not have the key, which no later op deleted.\n"
          "Proof: both sides are signed"));
  CHECK(has(said->json, "\"type\":\"transition\""));
  CHECK(has(said->json, "\"proof\":true"));
  CHECK(
      has(said->json, "\"accused\":\"8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8f"));
}

}  // namespace kvswarm
