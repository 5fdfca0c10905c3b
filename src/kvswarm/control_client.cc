#include "kvswarm/control_client.h"

#include <algorithm>

#include "base/clock.h"
#include "base/limits.h"

namespace kvswarm {
namespace {

constexpr std::uint64_t kSendMs = 30'000;
constexpr std::uint64_t kPollMs = 50;                  // how soon an interrupt is noticed
constexpr std::uint64_t kForEver = ~std::uint64_t{0};  // the node answers each verb by its deadline

std::uint64_t now_ms() { return system_clock().now().monotonic_ms; }

}  // namespace

Result<std::unique_ptr<ControlClient>> ControlClient::connect(const std::string& path,
                                                              const std::optional<SwarmId>& swarm,
                                                              std::uint64_t deadline_ms) {
  KVSWARM_ASSIGN_OR_RETURN(net::UnixClient socket, net::UnixClient::connect(path, deadline_ms));
  std::unique_ptr<ControlClient> client(new ControlClient(std::move(socket)));
  control::Greeting greeting;
  if (swarm) greeting.swarm = *swarm;
  KVSWARM_RETURN_IF_ERROR(
      client->socket_.send_all(control::frame(control::encode(greeting)), deadline_ms));
  const auto payload = client->receive_frame(nullptr, deadline_ms);
  const bool malformed = payload.status().code() == StatusCode::corruption;
  if (!payload.ok() && !malformed) return payload.status();
  const auto answer = control::decode_greeting(malformed ? Bytes() : *payload);
  if (!answer.ok() || answer->version != control::kVersion) {
    return Status(StatusCode::newer_version,
                  "the process that owns the data directory is another version of kvswarm");
  }
  if (swarm && answer->swarm != *swarm) {
    return Status(StatusCode::conflict, "the running node belongs to swarm " +
                                            short_hex(answer->swarm) + " and the document to " +
                                            short_hex(*swarm) +
                                            "; the usual cause is that `init` was run again");
  }
  return client;
}

Result<Bytes> ControlClient::receive_frame(const std::atomic<bool>* interrupt,
                                           std::uint64_t deadline_ms) {
  while (true) {
    KVSWARM_ASSIGN_OR_RETURN(auto payload, control::take_frame(buffer_));
    if (payload) return std::move(*payload);
    const std::uint64_t now = now_ms();
    // One more look before giving up: an answer that is here counts.
    const bool interrupted = interrupt != nullptr && *interrupt;
    auto bytes = socket_.receive_some(interrupted ? now : std::min(deadline_ms, now + kPollMs));
    if (!bytes.ok() && bytes.status().code() == StatusCode::timed_out) {
      if (interrupted) return Status(StatusCode::interrupted, "interrupted");
      if (now < deadline_ms) continue;
      return Status(StatusCode::timed_out, "the process that owns the data directory is silent");
    }
    if (!bytes.ok()) return bytes.status();
    if (bytes->empty()) {
      return Status(StatusCode::unavailable, "the process that owns the data directory ended");
    }
    buffer_.append(*bytes);
  }
}

Result<Response> ControlClient::call(Request request, const std::atomic<bool>& interrupt) {
  if (broken_) return Status(StatusCode::unavailable, "the control connection is gone");
  const Bytes payload = control::encode(request);
  if (payload.size() > limits::kControlFrameBytes) {
    return Status(StatusCode::usage, "too much to write at once: split it");
  }
  Status sent = socket_.send_all(control::frame(payload), now_ms() + kSendMs);
  if (!sent.ok()) {
    broken_ = true;
    return sent;
  }
  auto answer = receive_frame(&interrupt, kForEver);
  if (!answer.ok()) {
    broken_ = true;  // a late answer would be taken for the next request's
    return answer.status();
  }
  return control::decode_response(*answer);
}

}  // namespace kvswarm
