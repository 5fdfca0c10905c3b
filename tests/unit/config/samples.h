// What the tests of documents share: ids, a fixed random source, the format page's examples.
#pragma once

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "base/random.h"
#include "config/document.h"
#include "config/json.h"
#include "support/catch.h"
#include "support/paths.h"

namespace kvswarm::config {

inline NodeId id_of(unsigned char byte) {
  NodeId id;
  id.data.fill(byte);
  return id;
}

inline const NodeId kA = id_of(0xaa);
inline const NodeId kB = id_of(0xbb);
inline const NodeId kC = id_of(0xcc);
inline const NodeId kX = id_of(0x11);
inline const NodeId kY = id_of(0x22);

inline std::string text_of(const std::string& path_in_repository) {
  std::ifstream stream(test::source_directory() + "/" + path_in_repository);
  if (!stream) throw std::runtime_error("no such file: " + path_in_repository);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

// A fenced block of docs/formats/document.md with the info string `json` and a name.
inline std::string json_example(const std::string& name) {
  const std::string page = text_of("docs/formats/document.md");
  const std::string fence = "```json " + name + "\n";
  const std::size_t begin = page.find(fence);
  if (begin == std::string::npos) throw std::runtime_error("no such example: " + name);
  return page.substr(begin + fence.size(), page.find("\n```", begin) - begin - fence.size() + 1);
}

// A swarm of three storage nodes and two writers.
inline Document sample_document(std::uint64_t seed = 1) {
  Settings settings;
  settings.capacities = {{kA, 5}, {kB, 10}, {kC, 7}};
  settings.writers = {kY, kX};
  SeededRandom random(seed);
  return Document::create(settings, random).value();
}

inline Document with_capacity(const Document& document, const NodeId& id, std::uint64_t capacity) {
  Changes changes;
  changes.capacities[id] = capacity;
  return document.updated(changes).value();
}

// The document's JSON with one member set to some JSON text, or taken away by "".
inline std::string with_member(const std::string& json, const std::string& name,
                               const std::string& value) {
  const JsonValue tree = parse_json(json).value();
  JsonValue out = JsonValue::object();
  for (const JsonMember& member : *tree.as_object()) {
    if (member.name != name) out.set(member.name, member.value);
  }
  if (!value.empty()) out.set(name, parse_json(value).value());
  return to_json_text(out);
}

// Document 1 always has a `swarm` that fits; who changes it on purpose takes that away.
inline std::string changed_document_1(const std::string& name, const std::string& value) {
  return with_member(with_member(sample_document().to_json(), "swarm", ""), name, value);
}

inline void check_refused(const std::string& json, StatusCode code, const std::string& part) {
  const auto document = Document::parse(json);
  INFO(json.substr(0, 300));
  REQUIRE_FALSE(document.ok());
  INFO(document.status().message());
  CHECK(document.status().code() == code);
  CHECK(document.status().message().find(part) != std::string::npos);
  CHECK(document.status().message().find('\n') == std::string::npos);
  CHECK(document.status().message().size() < 500);
}

}  // namespace kvswarm::config
