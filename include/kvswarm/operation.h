// What is written and read: operations, and the reports of what became of them. Plain values.
#pragma once

#include <kvswarm/export.h>
#include <kvswarm/status.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvswarm {

struct Operation {
  enum class Kind { put, del };
  Kind kind = Kind::put;
  std::string key;    // 1 byte to 4 KiB, any bytes
  std::string value;  // up to 4 MiB, any bytes; empty for del
};

// Refuses an empty or over-long key or value (usage), naming the key.
KVSWARM_EXPORT Status check_operation(const Operation& operation) noexcept;

// One line of newline-delimited JSON, as `import` reads and `export` writes:
//   {"key":"k","value":"v"}   {"key":"k","delete":true}
// with key_base64 / value_base64 for bytes that are not UTF-8. Unknown or missing members are
// refused (usage).
KVSWARM_EXPORT Result<Operation> parse_operation_line(std::string_view line) noexcept;
// Without the newline.
KVSWARM_EXPORT std::string operation_line(const Operation& operation) noexcept;

// How far a write must get before it returns.
enum class WriteGoal {
  queued,     // durable in the outbox
  stored,     // acknowledged: durable at the storage node
  receipted,  // receipt checked and stored: applied or finally refused
};

struct WriteOptions {
  WriteGoal goal = WriteGoal::receipted;
  std::uint64_t wait_ms = 3000;  // how long to wait for the goal once the ops are durable
};

struct DestinationReport {
  std::string node;              // id
  std::uint64_t operations = 0;  // of this write
  std::uint64_t applied = 0;
  std::uint64_t refused = 0;
  std::uint64_t queued = 0;  // durable here, not yet acknowledged
  std::string why;           // why some are still queued; empty otherwise
  // Not ok: the node refused them for good (unauthorised, conflict), so waiting does not help.
  StatusCode refusal = StatusCode::ok;
};

struct RefusedOperation {
  std::string key;
  std::string reason;
};

struct WriteReport {
  std::uint64_t first_operation = 0;  // op numbers, from 1; 0 when nothing was written
  std::uint64_t last_operation = 0;
  bool reached = false;  // whether the goal was reached in time
  std::vector<DestinationReport> destinations;
  std::vector<RefusedOperation> refused;  // finally; at most 100 are listed
};

struct GetOptions {
  bool proof = false;  // also gives the answer as a file for others (GetResult::proof)
  // A file of Client::receipt, or empty: no answer from before those writes counts (read your
  // writes, whoever reads). usage when it is none, or of another swarm.
  std::string after{};
};

struct GetResult {
  // false: the state that the holder signed has no such key. Proven either way, with that head.
  bool found = false;
  std::string value;
  std::string holder;       // id of the node whose log answered
  std::uint64_t epoch = 0;  // of its head
  std::uint64_t length = 0;
  std::uint64_t record = 0;     // index of the record that wrote the key; found only
  std::string writer;           // id; found only
  std::uint64_t operation = 0;  // the writer's op number; found only
  std::uint64_t document = 0;   // that authorised the writer; found only
  // With GetOptions::after: one of its receipts is the holder's, so that the answer has those
  // writes. Else they went to other nodes, and say nothing about this key.
  bool follows_receipt = false;
  // What kvswarm/verify.h checks: what the key held, or that there was no such key, and that the
  // holder signed just then that this was its newest state. Empty unless it was asked for.
  std::string proof{};
};

struct ExportReport {
  std::uint64_t keys = 0;
  struct Missing {
    std::string node;  // id of a holder that could not be read
    std::string why;
  };
  std::vector<Missing> missing;
};

}  // namespace kvswarm
