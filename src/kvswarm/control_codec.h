// What travels over a control socket. Local and between equal versions only: both ends say theirs
// first. Grammar: docs/formats/control.md. Decoders are strict; values; thread: any.
//
// A frame is a u32 length and that many bytes, at most limits::kControlFrameBytes. The client's
// first frame is a greeting, then one request at a time; the server answers each with one frame.
#pragma once

#include <optional>

#include "kvswarm/gateway.h"

namespace kvswarm::control {

inline constexpr std::size_t kFrameLengthBytes = 4;
inline constexpr std::uint8_t kVersion = 1;

struct Greeting {
  std::uint8_t version = kVersion;
  SwarmId swarm;  // of the document the client was given; zero: none
};

Bytes encode(const Greeting& greeting);
Result<Greeting> decode_greeting(BytesView bytes);

Bytes encode(const Request& request);
Result<Request> decode_request(BytesView bytes);

Bytes encode(const Result<Response>& response);
Result<Response> decode_response(BytesView bytes);  // the error inside comes out as the Status

Bytes frame(BytesView payload);

// Takes the first whole frame off `buffer`: nullopt while it is not complete. corruption when it
// announces more than a frame may hold.
Result<std::optional<Bytes>> take_frame(Bytes& buffer);

}  // namespace kvswarm::control
