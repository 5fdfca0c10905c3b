// What is fuzzed: one function per decoder. Each takes any bytes, must neither crash, hang nor
// allocate without bound, and asserts what holds for bytes that it accepts: mostly that they are
// the only encoding of what they say.
#pragma once

#include <string>
#include <vector>

#include "base/assert.h"
#include "base/bytes.h"

namespace kvswarm::fuzz {

struct Example {
  const char* page;  // of docs/formats
  const char* name;
};

struct Target {
  std::string name;
  bool (*run)(BytesView bytes);   // whether the bytes were accepted
  std::vector<Example> examples;  // must be accepted: what a fuzzer starts from
};

// All of them, in a fixed order.
std::vector<Target> targets();

std::vector<Target> log_targets();      // ops, blocks, records, heads, receipts, leaves
std::vector<Target> swarm_targets();    // preamble, handshake, records, registry
std::vector<Target> session_targets();  // two sessions
std::vector<Target> node_targets();     // messages, rows and backups
std::vector<Target> facade_targets();   // documents, key file, lines, control socket

// Decodes, and what was accepted must encode to the very same bytes.
template <auto decode>
bool is_canonical(BytesView bytes) {
  const auto value = decode(bytes);
  if (!value.ok()) return false;
  KVSWARM_ASSERT(encode(*value) == bytes);
  return true;
}

}  // namespace kvswarm::fuzz
