#include <kvswarm/operation.h>

#include "base/file.h"
#include "config/document.h"
#include "config/json.h"
#include "crypto/identity_file.h"
#include "fuzz/target.h"
#include "kvswarm/control_codec.h"
#include "support/temporary_directory.h"

namespace kvswarm::fuzz {
namespace {

bool json(BytesView bytes) {
  const auto value = config::parse_json(bytes);
  if (!value.ok()) return false;
  const std::string text = config::to_json_text(*value);
  const auto again = config::parse_json(text);
  KVSWARM_ASSERT(again.ok() && config::to_json_text(*again) == text);
  return true;
}

bool document(BytesView bytes) {
  const auto parsed = config::Document::parse(bytes);
  if (!parsed.ok()) return false;
  const auto again = config::Document::parse(parsed->to_json());
  KVSWARM_ASSERT(again.ok() && again->hash() == parsed->hash());
  return true;
}

bool operation_line_target(BytesView bytes) {
  const auto parsed = parse_operation_line(bytes);
  if (!parsed.ok()) return false;
  const auto again = parse_operation_line(operation_line(*parsed));
  KVSWARM_ASSERT(again.ok() && again->key == parsed->key && again->value == parsed->value);
  return true;
}

bool key_file(BytesView bytes) {
  static const test::TemporaryDirectory directory;
  const std::string path = directory / crypto::kIdentityFileName;
  KVSWARM_ASSERT(write_file_atomically(path, bytes, 0600).ok());
  return crypto::read_identity(directory / ".").ok();
}

// What a server reads: frames, a greeting, then requests.
bool control_stream(BytesView bytes) {
  Bytes buffer(bytes);
  bool any = false;
  while (true) {
    auto frame = control::take_frame(buffer);
    if (!frame.ok() || !*frame) return any;
    any = control::decode_greeting(**frame).ok() || control::decode_request(**frame).ok() || any;
  }
}

bool control_request(BytesView bytes) {
  const auto request = control::decode_request(bytes);
  if (!request.ok()) return false;
  KVSWARM_ASSERT(control::encode(*request) == bytes);
  return true;
}

bool control_response(BytesView bytes) {
  const auto response = control::decode_response(bytes);
  // An error that was sent and bytes that are none come out alike.
  if (!response.ok()) return response.status().code() != StatusCode::corruption;
  KVSWARM_ASSERT(control::encode(response) == bytes);
  return true;
}

}  // namespace

std::vector<Target> facade_targets() {
  return {
      {"json", json, {}},
      {"document", document, {}},
      {"operation_line", operation_line_target, {}},
      {"key_file", key_file, {}},
      {"control_greeting", is_canonical<control::decode_greeting>, {{"control.md", "greeting"}}},
      {"control_request",
       control_request,
       {{"control.md", "get request"},
        {"control.md", "write request"},
        {"control.md", "backup request"},
        {"control.md", "audit request"}}},
      {"control_stream", control_stream, {}},
      {"control_response",
       control_response,
       {{"control.md", "error response"},
        {"control.md", "not found response"},
        {"control.md", "backup response"},
        {"control.md", "audit response"}}},
  };
}

std::vector<Target> targets() {
  std::vector<Target> all;
  for (const auto& part :
       {log_targets(), swarm_targets(), session_targets(), node_targets(), facade_targets()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace kvswarm::fuzz
