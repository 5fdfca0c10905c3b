// What a proof is asked for: some intervals of addresses, and how many leaves at most.
// Grammar: docs/formats/state.md, Questions. Values; thread: any.
#pragma once

#include <vector>

#include "base/status.h"
#include "state/address_bits.h"

namespace kvswarm::state {

// The first and the last address there is: the ends of an open range.
inline constexpr Address kFirstAddress{};
inline constexpr Address kLastAddress = filled_from({}, 0, true);

// Invariant: 1 to limits::kQuestionIntervals intervals, ascending and disjoint; a limit of 1 to
// limits::kQuestionLeaves.
class Question {
 public:
  // usage unless the invariant holds.
  static Result<Question> of(std::vector<Interval> intervals, std::size_t limit);
  static Question get(const Address& address);
  // In any order, repeated or not. usage when there are none or too many.
  static Result<Question> several(std::vector<Address> addresses);
  // usage when first > last or the limit is out of range.
  static Result<Question> range(const Address& first, const Address& last, std::size_t limit);

  // What it asks for behind an address, such as the last one of an answer that reached the limit;
  // nullopt when that is nothing.
  std::optional<Question> behind(const Address& address) const;

  const std::vector<Interval>& intervals() const { return intervals_; }
  std::size_t limit() const { return limit_; }

 private:
  Question(std::vector<Interval> intervals, std::size_t limit)
      : intervals_(std::move(intervals)), limit_(limit) {}

  std::vector<Interval> intervals_;
  std::size_t limit_;
};

// A question while leaves are met in ascending order. The leaf that reaches the limit ends it.
class Asked {
 public:
  explicit Asked(const Question& question) : question_(&question), left_(question.limit()) {}
  bool touches(const Interval& place) const;
  bool asks_for(const Address& address) const { return touches({address, address}); }
  // Counts a leaf if the question asks for it, and says whether it does.
  bool take(const Address& address);

 private:
  const Question* question_;  // not owned
  std::size_t left_;
  Address end_ = kLastAddress;
};

}  // namespace kvswarm::state
