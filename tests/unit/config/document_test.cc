#include "config/document.h"

#include <algorithm>

#include "base/limits.h"
#include "support/vectors.h"
#include "unit/config/samples.h"

namespace kvswarm::config {
namespace {

void check_round_trip(const Document& document) {
  const auto again = Document::parse(document.to_json());
  INFO(again.status().message());
  REQUIRE(again.ok());
  CHECK(again->hash() == document.hash());
  CHECK(again->canonical() == document.canonical());
  CHECK(again->to_json() == document.to_json());
  CHECK(again->swarm() == document.swarm());
  CHECK(again->map().slices() == document.map().slices());
  CHECK(again->map().capacities() == document.map().capacities());
  CHECK(again->origin_map().slices() == document.origin_map().slices());
}

TEST_CASE("a new swarm begins with document 1") {
  const Document document = sample_document();
  CHECK(document.number() == 1);
  CHECK(document.previous().is_zero());
  CHECK(document.swarm().view() == document.hash().view());
  CHECK(document.writers() == std::vector<NodeId>{kX, kY});
  CHECK(document.is_writer(kX));
  CHECK_FALSE(document.is_writer(kA));
  CHECK(document.is_storage_node(kA));
  CHECK_FALSE(document.is_storage_node(kX));
  CHECK(document.is_listed(kA));
  CHECK(document.is_listed(kX));
  CHECK_FALSE(document.is_listed(id_of(9)));
  CHECK(document.may_read(id_of(9)));
  CHECK(document.map().slices() == document.origin_map().slices());
  check_round_trip(document);
  CHECK(sample_document(2).swarm() != document.swarm());
}

TEST_CASE("settings that make no swarm are refused") {
  SeededRandom random(1);
  const auto create = [&](Settings settings) {
    return Document::create(settings, random).status().code();
  };
  CHECK(create({{}, {kX}}) == StatusCode::usage);
  CHECK(create({{{kA, 0}}, {kX}}) == StatusCode::usage);
  CHECK(create({{{kA, limits::kCapacity + 1}}, {}}) == StatusCode::usage);
  CHECK(create({{{kA, 1}}, {kX, kY, kX}}) == StatusCode::usage);
  CHECK(create({{{kA, limits::kCapacity}, {kB, 0}}, {}}) == StatusCode::ok);
}

TEST_CASE("an update is the next document and keeps document 1") {
  const Document first = sample_document();
  Changes changes;
  changes.capacities = {{kA, 9}, {id_of(0xdd), 4}};
  changes.add_writers = {id_of(0x33)};
  changes.remove_writers = {kX};
  const Document second = first.updated(changes).value();
  CHECK(second.number() == 2);
  CHECK(second.previous() == first.hash());
  CHECK(second.swarm() == first.swarm());
  CHECK(second.writers() == std::vector<NodeId>{kY, id_of(0x33)});
  CHECK(second.map().capacities().at(kA) == 9);
  CHECK(second.origin_map().slices() == first.map().slices());
  CHECK(second.is_storage_node(id_of(0xdd)));
  check_round_trip(second);

  // A node without capacity stays listed and goes on serving what it holds from document 1.
  const Document third = with_capacity(second, kB, 0);
  CHECK(third.number() == 3);
  CHECK(third.previous() == second.hash());
  CHECK(third.map().capacities().at(kB) == 0);
  CHECK(third.map().share(kB) == 0);
  CHECK(third.is_storage_node(kB));
  CHECK(third.is_listed(kB));
  CHECK(third.origin_map().slices() == first.map().slices());
  check_round_trip(third);
}

TEST_CASE("changes that make no sense are refused") {
  const Document document = sample_document();
  const auto refused = [&](Changes changes) {
    const auto updated = document.updated(changes);
    return !updated.ok() && updated.status().code() == StatusCode::usage;
  };
  CHECK(refused({}));
  CHECK(refused({{{kA, 5}, {kB, 10}}, {}, {}}));
  CHECK(refused({{{id_of(9), 0}}, {}, {}}));
  CHECK(refused({{{kA, limits::kCapacity + 1}}, {}, {}}));
  CHECK(refused({{{kA, 0}, {kB, 0}, {kC, 0}}, {}, {}}));
  CHECK(refused({{}, {kX}, {}}));
  CHECK(refused({{}, {id_of(9), id_of(9)}, {}}));
  CHECK(refused({{}, {}, {id_of(9)}}));
  CHECK(refused({{}, {}, {kX, kX}}));
  CHECK(refused({{}, {id_of(9)}, {id_of(9)}}));
  CHECK_FALSE(refused({{}, {}, {kX, kY}}));
}

TEST_CASE("a document follows an older one of its swarm") {
  const Document first = sample_document();
  const Document second = with_capacity(first, kA, 6);
  const Document other_second = with_capacity(first, kA, 7);
  const Document third = with_capacity(second, kB, 6);
  const auto follows = [](const Document& newer, const Document& older) {
    const Status status = newer.follows(older);
    if (!status.ok()) CHECK(status.code() == StatusCode::conflict);
    return status.ok();
  };
  CHECK(follows(second, first));
  CHECK(follows(third, second));
  CHECK(follows(third, first));
  CHECK_FALSE(follows(first, first));
  CHECK_FALSE(follows(first, second));
  CHECK_FALSE(follows(other_second, second));
  CHECK_FALSE(follows(third, other_second));
  const Status other_swarm = with_capacity(sample_document(2), kA, 6).follows(first);
  CHECK(other_swarm.code() == StatusCode::conflict);
  CHECK(other_swarm.message().find("running init again") != std::string::npos);
}

TEST_CASE("readers and addresses mean what the page says") {
  const std::string text = json_example("document-2");
  const Document document = Document::parse(text).value();
  CHECK(document.may_read(id_of(0x33)));
  CHECK(document.is_listed(id_of(0x33)));
  CHECK(document.may_read(kX));
  CHECK(document.may_read(kA));
  CHECK_FALSE(document.may_read(id_of(0x44)));
  CHECK(document.addresses().at(kA) ==
        std::vector<std::string>{"192.0.2.1:4100", "[2001:db8::1]:4100"});
  const Document nobody = Document::parse(with_member(text, "readers", "[]")).value();
  CHECK_FALSE(nobody.may_read(id_of(0x33)));
  CHECK(nobody.hash() != document.hash());
  CHECK(Document::parse(with_member(text, "readers", "")).value().may_read(id_of(0x44)));
}

TEST_CASE("an update passes on what it does not touch") {
  const Document document = Document::parse(json_example("document-2")).value();
  const Document next = with_capacity(document, kB, 5);
  CHECK(next.addresses() == document.addresses());
  CHECK(next.ext_json() == "{\"note\":[1.50,true,null],\"site\":\"K\xc3\xb6ln\"}");
  CHECK_FALSE(next.may_read(id_of(0x44)));
  CHECK(next.origin_map().slices() == document.origin_map().slices());
  check_round_trip(next);
}

TEST_CASE("ext is any JSON, null included, kept as it was spelled") {
  for (const char* ext : {"null", "0", "-0", "1.50", "1e3", "123456789012345678901234567890",
                          "\"\\u0000\\u001f\\\\\"", "[[],{},[null]]", "{\"\":{\"b\":1,\"c\":2}}"}) {
    const std::string text = changed_document_1("ext", ext);
    const Document document = Document::parse(text).value();
    INFO(ext);
    CHECK(document.ext_json() == ext);
    CHECK(document.hash() != sample_document().hash());
    check_round_trip(document);
  }
  // Document 1 stands inside later ones, whose depth has the same limit.
  const std::string deepest = std::string(24, '[') + std::string(24, ']');
  const Document document = Document::parse(changed_document_1("ext", deepest)).value();
  check_round_trip(with_capacity(document, kA, 6));
  check_refused(changed_document_1("ext", "[" + deepest + "]"), StatusCode::usage, "`ext`");
}

TEST_CASE("an update whose text would be too large is refused") {
  const std::string large = "\"" + std::string(5 * 1024 * 1024, 'x') + "\"";
  const Document document = Document::parse(changed_document_1("ext", large)).value();
  Changes changes;
  changes.capacities[kA] = 6;
  const auto updated = document.updated(changes);
  REQUIRE_FALSE(updated.ok());
  CHECK(updated.status().code() == StatusCode::usage);
}

TEST_CASE("the last document number has no next") {
  const Document second = with_capacity(sample_document(), kA, 6);
  const auto last = Document::parse(with_member(second.to_json(), "number", "9007199254740992"));
  REQUIRE(last.ok());
  Changes changes;
  changes.capacities[kA] = 7;
  CHECK(last->updated(changes).status().code() == StatusCode::usage);
  CHECK(last->follows(second).ok());
}

TEST_CASE("the original's file is document 1 with zero random bytes") {
  const Document document = Document::parse(text_of("fixtures/original_config.json")).value();
  CHECK(to_hex(document.hash()) ==
        "d4b120bcbe5d83cbe92a1d4c0e03dc50e7f80e6ca83677a222a5f93bfbd1e0a6");
  CHECK(document.number() == 1);
  CHECK(document.writers().size() == 2);
  CHECK(document.map().capacities().size() == 3);
  CHECK(document.map().slices().size() == 7);
  CHECK(document.to_json().find("\"random\": \"" + std::string(64, '0')) != std::string::npos);
  check_round_trip(document);
  check_round_trip(with_capacity(document, document.map().slices().front().owner, 50));
  // It may stand as it is in a later document.
  Document next = with_capacity(document, document.map().slices().front().owner, 50);
  const std::string inside =
      with_member(next.to_json(), "origin", text_of("fixtures/original_config.json"));
  CHECK(Document::parse(inside).value() == next);
}

TEST_CASE("every allocation that the original made is accepted and keeps its shares") {
  const auto vectors = test::load_vectors("random_slicing.json");
  if (!vectors) KVSWARM_SKIP("no vectors");
  std::size_t allocations = 0;
  for (const auto& scenario : (*vectors)["cases"]) {
    for (const auto& step : scenario["steps"]) {
      if (!step.contains("bins")) continue;
      nlohmann::json bins = nlohmann::json::object();
      unsigned char next_id = 1;
      std::uint64_t total = 0;
      for (const auto& bin : step["bins"]) {
        bins[to_hex(id_of(next_id++))] = bin;
        total += bin["size"].get<std::uint64_t>();
      }
      const nlohmann::json file = {{"writers", nlohmann::json::array()}, {"bins", bins}};
      const auto document = Document::parse(file.dump());
      INFO(scenario["name"] << " " << document.status().message());
      if (total == 0) {
        CHECK_FALSE(document.ok());
        continue;
      }
      REQUIRE(document.ok());
      ++allocations;
      for (const auto& [id, capacity] : document->map().capacities()) {
        const double exact = static_cast<double>(capacity) / static_cast<double>(total);
        const double share =
            static_cast<double>(document->map().share(id)) / 18446744073709551616.0;
        CHECK(share == Approx(exact).margin(1e-15));
      }
    }
  }
  CHECK(allocations > 50);
}

TEST_CASE("bounds with numbers of 46 digits still meet, and slices that round to nothing vanish") {
  const std::string big = "1" + std::string(45, '0');
  const std::string half = "5" + std::string(44, '0');
  const std::string just_more = "5" + std::string(43, '0') + "1";
  const auto bin = [](const std::string& slices) {
    return "{\"size\":1,\"slices\":[" + slices + "]}";
  };
  const auto slice = [&](const std::string& begin, const std::string& end) {
    return "[[\"" + begin + "\",\"" + big + "\"],[\"" + end + "\",\"" + big + "\"]]";
  };
  const std::string text = "{\"writers\":[],\"bins\":{\"" + to_hex(kA) +
                           "\":" + bin(slice("0", half)) + ",\"" + to_hex(kB) +
                           "\":" + bin(slice(half, just_more)) + ",\"" + to_hex(kC) +
                           "\":" + bin(slice(just_more, big)) + "}}";
  const Document document = Document::parse(text).value();
  REQUIRE(document.map().slices().size() == 2);
  CHECK(document.map().slices()[1].first == std::uint64_t{1} << 63);
  CHECK(document.map().capacities().size() == 3);
  check_round_trip(document);
}

}  // namespace
}  // namespace kvswarm::config
