// Status and Result: how every fallible call of kvswarm reports what happened.
//
// No exception crosses the library's boundary: memory that runs out, and a function of the
// program's that throws, end the process. A Status is a value: a code that a program can act on and
// a one-line message for a person that names the thing concerned. Thread: any; both types are plain
// values. This header is the project's shared vocabulary, so every floor may include it.
#pragma once

#include <kvswarm/export.h>

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace kvswarm {

// What kind of outcome it is. The comment gives the program's exit code for each.
enum class StatusCode {
  ok,             // 0
  failure,        // 1: anything without a better name
  usage,          // 2: the caller's arguments or input are malformed
  not_found,      // 3: the state that the holder signed has no such key
  unauthorised,   // 4: the document does not list this writer
  conflict,       // 5: two truths: another swarm, a fork, an older copy of a directory
  unavailable,    // 6: a node is out of reach
  moving,         // 6: the node that should own does not hold yet
  timed_out,      // 6: the deadline passed
  corruption,     // 7: bytes that must verify do not
  in_use,         // 8: another process owns the data directory
  newer_version,  // 8: written by a newer program
  disk_full,      // 9: no room to write
  interrupted,    // 130: cancelled by the user
  wrong_thread,   // 1: called from a thread that must not call it
};

// The code's name as it stands in the enum, e.g. "not_found". Static storage.
KVSWARM_EXPORT const char* to_string(StatusCode code);

// The program's exit code for a status code (the table above).
KVSWARM_EXPORT int exit_code(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // ok
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::ok; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same code with `context: ` in front of the message.
  Status with_context(const std::string& context) const {
    return ok() ? *this : Status(code_, context + ": " + message_);
  }

  friend bool operator==(const Status&, const Status&) = default;

 private:
  StatusCode code_ = StatusCode::ok;
  std::string message_;
};

// Either a T or the Status that says why there is none. Reading the wrong side aborts.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}        // NOLINT: implicit
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {  // NOLINT: implicit
    assert(!std::get<1>(state_).ok());
  }

  bool ok() const { return state_.index() == 0; }
  Status status() const { return ok() ? Status() : std::get<1>(state_); }

  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace kvswarm
