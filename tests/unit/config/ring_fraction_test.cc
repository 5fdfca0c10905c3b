#include "config/ring_fraction.h"

#include <boost/multiprecision/cpp_int.hpp>

#include "base/random.h"
#include "support/catch.h"

namespace kvswarm::config {
namespace {

using boost::multiprecision::cpp_int;
using slicing::Measure;

std::string decimal(Measure value) {
  const cpp_int high = static_cast<std::uint64_t>(value >> 64);
  return cpp_int((high << 64) + static_cast<std::uint64_t>(value)).str();
}

std::string nearest_by_oracle(const std::string& numerator, const std::string& denominator) {
  const cpp_int n(numerator);
  const cpp_int d(denominator);
  return cpp_int(((n << 65) + d) / (2 * d)).str();
}

std::string random_digits(SeededRandom& random, std::size_t count) {
  std::string digits(1, static_cast<char>('1' + random.below(9)));
  while (digits.size() < count) digits += static_cast<char>('0' + random.below(10));
  return digits;
}

TEST_CASE("a bound goes to the nearest point of the ring, halves upwards") {
  const std::string ring = decimal(Measure{1} << 64);
  CHECK(decimal(*nearest_bound("0", "1")) == "0");
  CHECK(decimal(*nearest_bound("0", "99")) == "0");
  CHECK(decimal(*nearest_bound("1", "1")) == ring);
  CHECK(decimal(*nearest_bound("7", "7")) == ring);
  CHECK(decimal(*nearest_bound(ring, ring)) == ring);
  CHECK(decimal(*nearest_bound("1", "2")) == "9223372036854775808");
  CHECK(decimal(*nearest_bound("1", "3")) == "6148914691236517205");
  CHECK(decimal(*nearest_bound("2", "3")) == "12297829382473034411");
  CHECK(decimal(*nearest_bound("1", "36893488147419103232")) == "1");  // exactly half a point
  CHECK(decimal(*nearest_bound("1", "36893488147419103233")) == "0");
}

TEST_CASE("fractions of any size agree with an exact oracle") {
  SeededRandom random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string denominator = random_digits(random, 1 + random.below(round % 50 == 0 ? 400 : 50));
    std::string numerator = random_digits(random, 1 + random.below(denominator.size()));
    if (cpp_int(numerator) > cpp_int(denominator)) std::swap(numerator, denominator);
    INFO(numerator << " / " << denominator);
    const auto bound = nearest_bound(numerator, denominator);
    REQUIRE(bound.ok());
    CHECK(decimal(*bound) == nearest_by_oracle(numerator, denominator));
  }
}

TEST_CASE("limits of a fraction") {
  const std::string longest(4096, '9');
  CHECK(decimal(*nearest_bound(longest, longest)) == decimal(Measure{1} << 64));
  CHECK_FALSE(nearest_bound("1", "1" + std::string(4096, '0')).ok());
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "01", "00", "1.0", "1e3", "0x1", "a"}) {
    CHECK_FALSE(nearest_bound(bad, "5").ok());
    CHECK_FALSE(nearest_bound("0", bad).ok());
  }
  CHECK_FALSE(nearest_bound("0", "0").ok());
  CHECK_FALSE(nearest_bound("1", "0").ok());
  CHECK_FALSE(nearest_bound("6", "5").ok());
}

TEST_CASE("what is written in lowest terms is read as the same point") {
  SeededRandom random(8);
  const auto check_bound = [](Measure bound) {
    const RingFraction fraction = lowest_terms(bound);
    CHECK(decimal(*nearest_bound(fraction.numerator, fraction.denominator)) == decimal(bound));
    CHECK(boost::multiprecision::gcd(cpp_int(fraction.numerator), cpp_int(fraction.denominator)) ==
          1);
  };
  for (int shift = 0; shift <= 64; ++shift) check_bound(Measure{1} << shift);
  for (int round = 0; round < 500; ++round) check_bound(random.next_u64() >> random.below(64));
  CHECK(lowest_terms(0).denominator == "1");
  CHECK(lowest_terms(Measure{1} << 64).numerator == "1");
  CHECK(lowest_terms(Measure{1} << 64).denominator == "1");
  CHECK(lowest_terms(1).denominator == "18446744073709551616");
}

}  // namespace
}  // namespace kvswarm::config
