#include "state/question.h"

#include "base/limits.h"

namespace kvswarm::state {
namespace {

bool is_ascending(const std::vector<Interval>& intervals) {
  for (std::size_t i = 0; i < intervals.size(); ++i) {
    if (intervals[i].first > intervals[i].last) return false;
    if (i > 0 && intervals[i - 1].last >= intervals[i].first) return false;
  }
  return true;
}

// The interval of the ascending ones that is the first not to end before the address.
auto first_not_before(const std::vector<Interval>& intervals, const Address& address) {
  return std::partition_point(intervals.begin(), intervals.end(),
                              [&](const Interval& interval) { return interval.last < address; });
}

}  // namespace

Result<Question> Question::of(std::vector<Interval> intervals, std::size_t limit) {
  if (intervals.empty() || intervals.size() > limits::kQuestionIntervals) {
    return Status(StatusCode::usage, "a question has 1 to " +
                                         std::to_string(limits::kQuestionIntervals) + " intervals");
  }
  if (limit == 0 || limit > limits::kQuestionLeaves) {
    return Status(StatusCode::usage, "a question is limited to 1 to " +
                                         std::to_string(limits::kQuestionLeaves) + " leaves");
  }
  if (!is_ascending(intervals)) {
    return Status(StatusCode::usage, "the intervals of a question ascend and are disjoint");
  }
  return Question(std::move(intervals), limit);
}

Question Question::get(const Address& address) { return Question({{address, address}}, 1); }

Result<Question> Question::several(std::vector<Address> addresses) {
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  std::vector<Interval> intervals;
  intervals.reserve(addresses.size());
  for (const Address& address : addresses) intervals.push_back({address, address});
  return of(std::move(intervals), addresses.size());
}

Result<Question> Question::range(const Address& first, const Address& last, std::size_t limit) {
  return of({{first, last}}, limit);
}

std::optional<Question> Question::behind(const Address& address) const {
  if (address == kLastAddress) return std::nullopt;
  Address next = address;
  for (std::size_t i = Address::kSize; i-- > 0 && ++next.data[i] == 0;) {
  }
  std::vector<Interval> rest(first_not_before(intervals_, next), intervals_.end());
  if (rest.empty()) return std::nullopt;
  rest.front().first = std::max(rest.front().first, next);
  return Question(std::move(rest), limit_);
}

bool Asked::touches(const Interval& place) const {
  if (place.first > end_) return false;
  const auto interval = first_not_before(question_->intervals(), place.first);
  // An end that the limit gave lies in an interval: the one found does not begin behind it.
  return interval != question_->intervals().end() && interval->first <= place.last;
}

bool Asked::take(const Address& address) {
  if (left_ == 0 || !asks_for(address)) return false;
  if (--left_ == 0) end_ = address;
  return true;
}

}  // namespace kvswarm::state
