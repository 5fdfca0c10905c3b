#include "fuzz/target.h"
#include "node/messages.h"
#include "node/rows.h"

namespace kvswarm::fuzz {

using namespace node;

namespace {

// Its text is cleaned for people when it is read, so what comes out may be spelled otherwise.
bool error_message(BytesView bytes) {
  const auto decoded = decode_error(bytes);
  if (!decoded.ok()) return false;
  const auto again = decode_error(encode(*decoded));
  KVSWARM_ASSERT(again.ok() && again->text == decoded->text);
  return true;
}

}  // namespace

std::vector<Target> node_targets() {
  return {
      {"hello", is_canonical<decode_hello>, {{"messages.md", "hello"}}},
      {"announcement", is_canonical<decode_announcement>, {}},
      {"answer",
       is_canonical<decode_answer>,
       {{"messages.md", "not found"}, {"messages.md", "moving"}}},
      {"error", error_message, {{"messages.md", "error"}}},
      {"cursor_row", is_canonical<rows::decode_stream_cursor>, {{"store.md", "cursor"}}},
      {"block_row", is_canonical<rows::decode_block_row>, {}},
      {"leaf_row", is_canonical<rows::decode_leaf_row>, {}},
      {"seen_head_row", is_canonical<rows::decode_seen_head>, {}},
      {"outbox_row", is_canonical<rows::decode_outbox_state>, {{"store.md", "outbox state"}}},
      {"queued_row", is_canonical<rows::decode_queued_row>, {}},
      {"pending_row", is_canonical<rows::decode_pending_op>, {}},
      {"placement_row", is_canonical<rows::decode_placement>, {}},
      {"refused_row", is_canonical<rows::decode_refused_row>, {{"store.md", "refused op"}}},
  };
}

}  // namespace kvswarm::fuzz
