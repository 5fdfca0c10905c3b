#include "state/question.h"

#include "base/limits.h"
#include "support/catch.h"

namespace kvswarm::state {
namespace {

// Addresses that differ in their first and last byte only.
Address at(unsigned char first, unsigned char last = 0) {
  Address address;
  address.data.front() = first;
  address.data.back() = last;
  return address;
}

bool is_usage_error(const Result<Question>& question) {
  return question.status().code() == StatusCode::usage;
}

}  // namespace

TEST_CASE("bits of addresses count from the highest one") {
  CHECK(bit(at(0x80), 0));
  CHECK_FALSE(bit(at(0x80), 1));
  CHECK(bit(at(0, 1), 255));
  CHECK(first_difference(at(0), at(0)) == 256);
  CHECK(first_difference(at(0x80), at(0)) == 0);
  CHECK(first_difference(at(0x21), at(0x20, 7)) == 7);
  CHECK(first_difference(at(1, 2), at(1, 3)) == 255);
  CHECK(below(at(0xab, 0xcd), 0) == Interval{kFirstAddress, kLastAddress});
  CHECK(below(at(0xab, 0xcd), 256) == Interval{at(0xab, 0xcd), at(0xab, 0xcd)});
  CHECK(below(at(0xab), 4).first == at(0xa0));
  CHECK(below(at(0xab), 4).last == filled_from(at(0xaf), 8, true));
  CHECK(place_of_child(at(0xab), 4, false).first == at(0xa0));
  CHECK(place_of_child(at(0xa0), 4, true).first == at(0xa8));
  CHECK(place_of_child(at(1, 3), 255, false).last == at(1, 2));
}

TEST_CASE("a question has intervals that ascend, and limits") {
  CHECK(Question::of({{at(1), at(1)}, {at(2), at(3)}}, 1024).ok());
  CHECK(is_usage_error(Question::of({}, 1)));
  CHECK(is_usage_error(Question::of({{at(1), at(2)}}, 0)));
  CHECK(is_usage_error(Question::of({{at(1), at(2)}}, 1025)));
  CHECK(is_usage_error(Question::of({{at(2), at(1)}}, 1)));
  CHECK(is_usage_error(Question::of({{at(1), at(2)}, {at(2), at(3)}}, 1)));
  CHECK(is_usage_error(Question::of({{at(3), at(4)}, {at(1), at(2)}}, 1)));
  CHECK(is_usage_error(Question::range(at(2), at(1), 1)));

  std::vector<Address> many;
  for (std::size_t i = 0; i < limits::kQuestionIntervals; ++i) {
    many.push_back(at(static_cast<unsigned char>(i / 4), static_cast<unsigned char>(i % 4)));
  }
  CHECK(Question::several(many).ok());
  many.push_back(at(1, 0));
  CHECK(Question::several(many).ok());  // again the same one
  many.push_back(at(1, 9));
  CHECK(is_usage_error(Question::several(many)));
  CHECK(is_usage_error(Question::several({})));
}

TEST_CASE("several keys are asked for in order, whatever order they are given in") {
  const Question question = Question::several({at(3), at(1), at(3)}).value();
  CHECK(question.intervals() == std::vector<Interval>{{at(1), at(1)}, {at(3), at(3)}});
  CHECK(question.limit() == 2);
}

TEST_CASE("what is left of a question behind an answer") {
  const Question question =
      Question::of({{at(1), at(3)}, {at(5), at(5)}, {at(7), kLastAddress}}, 9).value();
  const auto rest = question.behind(at(2, 0xff));
  REQUIRE(rest.has_value());
  CHECK(rest->limit() == 9);
  Address next = at(2);
  next.data[30] = 1;  // the carry
  CHECK(rest->intervals().front() == Interval{next, at(3)});
  CHECK(rest->intervals().size() == 3);
  CHECK(question.behind(at(3))->intervals().size() == 2);
  CHECK(question.behind(at(5))->intervals() == std::vector<Interval>{{at(7), kLastAddress}});
  CHECK(question.behind(at(6))->intervals().size() == 1);
  CHECK_FALSE(question.behind(kLastAddress).has_value());
  CHECK_FALSE(Question::get(at(4)).behind(at(4)).has_value());
}

TEST_CASE("the leaf that reaches the limit ends the question") {
  const Question question = Question::of({{at(1), at(3)}, {at(5), at(9)}}, 2).value();
  Asked asked(question);
  CHECK(asked.touches({at(3), at(4)}));
  CHECK_FALSE(asked.touches({at(4), at(4)}));
  CHECK(asked.take(at(2)));
  CHECK_FALSE(asked.take(at(4)));
  CHECK(asked.touches({at(9), at(9)}));
  CHECK(asked.take(at(6)));
  CHECK_FALSE(asked.touches({at(7), at(9)}));
  CHECK_FALSE(asked.take(at(7)));
  CHECK(asked.touches({at(5), at(5)}));
  CHECK(asked.touches({at(6), at(7)}));
}

}  // namespace kvswarm::state
