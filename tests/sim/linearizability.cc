#include "sim/linearizability.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_set>

#include "base/assert.h"

namespace kvswarm::sim {
namespace {

bool step_any(const Call& call, KeyState& state) {
  const bool is_known = call.returned.has_value();
  switch (call.kind) {
    case CallKind::get: return !is_known || call.found == state;
    case CallKind::put: state = call.argument; return true;
    case CallKind::del: state.reset(); return true;
    case CallKind::append:
      state = state.value_or(Bytes()) + call.argument.value_or(Bytes());
      return true;
    case CallKind::compare_and_set: {
      const bool succeeds = state == call.expected;
      if (succeeds) state = call.argument;
      return !is_known || succeeds == call.succeeded;
    }
  }
  return false;
}

// Which calls of a key have been given their place, and the state after them.
struct Reached {
  std::vector<std::uint64_t> calls;  // a bit for each
  KeyState state;
  friend bool operator==(const Reached&, const Reached&) = default;
};

struct HashOfReached {
  std::size_t operator()(const Reached& reached) const {
    std::size_t hash = std::hash<std::optional<Bytes>>()(reached.state);
    for (const std::uint64_t word : reached.calls) hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
    return hash ^ (hash >> 29);
  }
};

// The calls of one key: invocations and returns by time in a doubly linked list, from which a call
// that was given its place is lifted out.
class Search {
 public:
  Search(std::vector<const Call*> calls, const Model& model)
      : calls_(std::move(calls)), model_(model), state_(model.initial) {
    reached_.calls.resize((calls_.size() + 63) / 64);
    std::vector<std::tuple<std::uint64_t, bool, std::size_t>> events;
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      events.emplace_back(calls_[i]->invoked, false, i);
      if (!calls_[i]->returned) continue;
      events.emplace_back(*calls_[i]->returned, true, i);
      ++unplaced_;
    }
    std::sort(events.begin(), events.end());
    entries_.resize(events.size() + 2);  // and two ends
    return_of_.assign(calls_.size(), 0);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      entries_[i].before = i == 0 ? 0 : i - 1;
      entries_[i].after = i + 1;
      if (i == 0 || i > events.size()) continue;
      entries_[i].call = std::get<2>(events[i - 1]);
      entries_[i].is_return = std::get<1>(events[i - 1]);
      if (entries_[i].is_return) return_of_[entries_[i].call] = i;
    }
    at_ = entries_[0].after;
  }

  // Goes on from where it stopped, until so many states are remembered.
  Linearizable run(std::size_t most_states) {
    while (unplaced_ > 0) {
      const Entry& entry = entries_[at_];
      if (!entry.is_return) {
        if (seen_.size() >= most_states) return Linearizable::undecided;
        at_ = place(at_) ? entries_[0].after : entries_[at_].after;
        continue;
      }
      // This call returned, and nothing that was tried lets it come before that.
      if (placed_.size() >= furthest_) {
        furthest_ = placed_.size();
        stuck_ = entry.call;
      }
      if (placed_.empty()) return Linearizable::no;
      at_ = entries_[take_back()].after;
    }
    return Linearizable::yes;
  }

  const Call& stuck() const { return *calls_[stuck_]; }

 private:
  struct Entry {
    std::size_t before = 0;
    std::size_t after = 0;
    std::size_t call = 0;
    bool is_return = false;
  };
  struct Placed {
    std::size_t entry = 0;
    KeyState state_before;
  };

  bool place(std::size_t at) {
    const std::size_t call = entries_[at].call;
    KeyState state = state_;
    if (!model_.step(*calls_[call], state)) return false;
    reached_.calls[call / 64] ^= std::uint64_t{1} << (call % 64);
    reached_.state = state;
    if (!seen_.insert(reached_).second) {
      reached_.calls[call / 64] ^= std::uint64_t{1} << (call % 64);
      return false;
    }
    placed_.push_back({at, std::move(state_)});
    state_ = std::move(state);
    lift(at);
    if (return_of_[call] != 0) {
      lift(return_of_[call]);
      --unplaced_;
    }
    return true;
  }

  std::size_t take_back() {
    Placed last = std::move(placed_.back());
    placed_.pop_back();
    const std::size_t call = entries_[last.entry].call;
    state_ = std::move(last.state_before);
    reached_.calls[call / 64] ^= std::uint64_t{1} << (call % 64);
    if (return_of_[call] != 0) {
      put_down(return_of_[call]);
      ++unplaced_;
    }
    put_down(last.entry);
    return last.entry;
  }

  void lift(std::size_t at) {
    entries_[entries_[at].before].after = entries_[at].after;
    entries_[entries_[at].after].before = entries_[at].before;
  }
  void put_down(std::size_t at) {
    entries_[entries_[at].before].after = at;
    entries_[entries_[at].after].before = at;
  }

  std::vector<const Call*> calls_;
  const Model& model_;
  KeyState state_;
  std::vector<Entry> entries_;          // [0] and the last one are the list's ends
  std::vector<std::size_t> return_of_;  // entry; 0: it has not returned
  std::size_t unplaced_ = 0;            // calls that returned
  std::size_t at_ = 0;                  // the entry to look at next
  std::vector<Placed> placed_;
  Reached reached_;
  std::unordered_set<Reached, HashOfReached> seen_;
  std::size_t furthest_ = 0;
  std::size_t stuck_ = 0;
};

}  // namespace

Model register_model() { return {std::nullopt, step_any}; }
Model string_model() { return {Bytes(), step_any}; }

LinearizableVerdict check_linearizable(const std::vector<Call>& history, const Model& model,
                                       std::size_t most_states) {
  std::map<Bytes, std::vector<const Call*>> by_key;
  for (const Call& call : history) {
    KVSWARM_ASSERT(!call.returned || *call.returned >= call.invoked);
    by_key[call.key].push_back(&call);
  }
  std::map<Bytes, Search> searches;
  for (auto& [key, calls] : by_key) searches.try_emplace(key, std::move(calls), model);
  // One key that has no order decides; so an easy one is not kept waiting by one that is hard.
  for (std::size_t states = std::min<std::size_t>(1000, most_states);; states *= 4) {
    states = std::min(states, most_states);
    for (auto search = searches.begin(); search != searches.end();) {
      const Linearizable answer = search->second.run(states);
      if (answer == Linearizable::no) {
        return {answer,
                "key " + search->first + ": nothing explains " + search->second.stuck().label};
      }
      search = answer == Linearizable::yes ? searches.erase(search) : std::next(search);
    }
    if (searches.empty()) return {};
    if (states == most_states) break;
  }
  return {Linearizable::undecided, "key " + searches.begin()->first + ": too many orders"};
}

}  // namespace kvswarm::sim
