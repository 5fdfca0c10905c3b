// Whether a history of calls on keys could have come from one object that did each of them at one
// instant between its invocation and its return.
//
// The algorithm of Wing and Gong with Lowe's memory of what was tried (Lowe: Testing for
// linearizability, CCPE 29, 2017), as in porcupine: each key is checked by itself, a search takes
// calls that may come first, and never goes on twice from one set of calls and one state.
// A call without a return has an unknown outcome: it takes effect at any time after its
// invocation, or never.
//
// Pure; thread: any. Time and memory are exponential at worst, so the search has a limit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace kvswarm::sim {

enum class CallKind { get, put, del, append, compare_and_set };

struct Call {
  Bytes key;
  CallKind kind = CallKind::get;
  std::optional<Bytes> argument{};  // what is put, appended or set
  std::optional<Bytes> expected{};  // compare_and_set
  std::optional<Bytes> found{};     // what a get returned; nullopt: absent
  bool succeeded = true;            // whether a compare_and_set did; it has returned
  // Of one clock. An invocation and a return at the same time overlap.
  std::uint64_t invoked = 0;
  std::optional<std::uint64_t> returned{};  // absent: outcome unknown
  std::string label{};                      // for people
};

// What a key is worth between calls; nullopt: absent.
using KeyState = std::optional<Bytes>;

struct Model {
  KeyState initial{};
  // Moves the state on; false: from this state the call cannot have returned what it did.
  bool (*step)(const Call& call, KeyState& state) = nullptr;
};

// All five kinds; an absent key is nullopt.
Model register_model();
// The same, where a key that was never written is an empty string.
Model string_model();

enum class Linearizable { yes, no, undecided };

struct LinearizableVerdict {
  Linearizable answer = Linearizable::yes;
  std::string why{};  // not yes: the key, and the call at which the search got furthest
};

inline constexpr std::size_t kMostStates = 500'000;  // remembered for one key; then undecided

LinearizableVerdict check_linearizable(const std::vector<Call>& history, const Model& model,
                                       std::size_t most_states = kMostStates);

}  // namespace kvswarm::sim
