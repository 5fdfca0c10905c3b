// The client's side of a control socket: a blocking Unix-domain stream with deadlines.
//
// Deadlines are readings of system_clock().now().monotonic_ms; one that has passed still allows
// what can be done without waiting. SIGPIPE is never raised. Thread: one at a time.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/file.h"
#include "base/status.h"

namespace kvswarm::net {

class UnixClient {
 public:
  // unavailable when nobody listens there, timed_out at the deadline, usage when the path is longer
  // than a socket's can be, failure when the listening process is not of our user.
  static Result<UnixClient> connect(const std::string& path, std::uint64_t deadline_ms);

  // All of `bytes`, or an error: timed_out, or unavailable when the peer closed.
  Status send_all(BytesView bytes, std::uint64_t deadline_ms);

  // Some bytes, at most 64 KiB, as soon as there are any; empty when the peer closed. timed_out
  // loses nothing.
  Result<Bytes> receive_some(std::uint64_t deadline_ms);

 private:
  UnixClient(FileDescriptor socket, std::string path)
      : socket_(std::move(socket)), path_(std::move(path)) {}

  FileDescriptor socket_;
  std::string path_;
};

}  // namespace kvswarm::net
