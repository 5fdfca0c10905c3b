// The client's side of a control socket: a Gateway to the process that owns the directory.
// Blocking; thread: one at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "kvswarm/control_codec.h"
#include "kvswarm/gateway.h"
#include "net/unix_client.h"

namespace kvswarm {

class ControlClient final : public Gateway {
 public:
  // unavailable: nobody listens there (yet). newer_version: the owner is another version of the
  // program. conflict: it runs another swarm than the document `swarm` says.
  static Result<std::unique_ptr<ControlClient>> connect(const std::string& path,
                                                        const std::optional<SwarmId>& swarm,
                                                        std::uint64_t deadline_ms);

  Result<Response> call(Request request, const std::atomic<bool>& interrupt) override;

 private:
  explicit ControlClient(net::UnixClient socket) : socket_(std::move(socket)) {}
  Result<Bytes> receive_frame(const std::atomic<bool>* interrupt, std::uint64_t deadline_ms);

  net::UnixClient socket_;
  Bytes buffer_;
  bool broken_ = false;
};

}  // namespace kvswarm
