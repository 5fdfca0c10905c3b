#include "config/ring_fraction.h"

#include <algorithm>
#include <compare>
#include <cstdint>
#include <vector>

#include "base/assert.h"
#include "base/limits.h"
#include "slicing/apportion.h"

namespace kvswarm::config {
namespace {

using slicing::kRing;
using slicing::Measure;

// As much of a big unsigned integer as long division by bits needs. Invariant: no leading zero
// limbs, least limb first.
class BigUnsigned {
 public:
  explicit BigUnsigned(std::string_view digits) {
    constexpr std::size_t kChunkDigits = 19;  // 10^19 fits in 64 bits
    for (std::size_t at = 0; at < digits.size(); at += kChunkDigits) {
      std::uint64_t scale = 1;
      std::uint64_t chunk = 0;
      for (const char digit : digits.substr(at, kChunkDigits)) {
        scale *= 10;
        chunk = chunk * 10 + static_cast<std::uint64_t>(digit - '0');
      }
      multiply_add(scale, chunk);
    }
  }

  bool is_zero() const { return limbs_.empty(); }
  // The value when it fits into 128 bits with room to spare for a shift by 64.
  bool is_word() const { return limbs_.size() <= 1; }
  std::uint64_t word() const { return limbs_.empty() ? 0 : limbs_.front(); }
  bool is_ring() const { return limbs_.size() == 2 && limbs_[0] == 0 && limbs_[1] == 1; }

  void double_in_place() { multiply_add(2, 0); }

  // Needs *this >= other.
  void subtract(const BigUnsigned& other) {
    std::uint64_t borrow = 0;
    for (std::size_t i = 0; i < limbs_.size(); ++i) {
      const Measure taken = Measure{i < other.limbs_.size() ? other.limbs_[i] : 0} + borrow;
      borrow = limbs_[i] < taken ? 1 : 0;
      limbs_[i] -= static_cast<std::uint64_t>(taken);
    }
    while (!limbs_.empty() && limbs_.back() == 0) limbs_.pop_back();
  }

  friend std::strong_ordering operator<=>(const BigUnsigned& a, const BigUnsigned& b) {
    if (a.limbs_.size() != b.limbs_.size()) return a.limbs_.size() <=> b.limbs_.size();
    return std::lexicographical_compare_three_way(a.limbs_.rbegin(), a.limbs_.rend(),
                                                  b.limbs_.rbegin(), b.limbs_.rend());
  }

 private:
  void multiply_add(std::uint64_t factor, std::uint64_t summand) {
    Measure carry = summand;
    for (std::uint64_t& limb : limbs_) {
      carry += Measure{limb} * factor;
      limb = static_cast<std::uint64_t>(carry);
      carry >>= 64;
    }
    if (carry != 0) limbs_.push_back(static_cast<std::uint64_t>(carry));
  }

  std::vector<std::uint64_t> limbs_;
};

Status check_digits(std::string_view digits, const char* what) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit)) {
    return {StatusCode::usage, std::string("a ") + what + " is not a string of decimal digits"};
  }
  if (digits.size() > 1 && digits.front() == '0') {
    return {StatusCode::usage, std::string("a ") + what + " has a leading zero"};
  }
  if (digits.size() > limits::kFractionDigits) {
    return {StatusCode::usage, std::string("a ") + what + " has more than " +
                                   std::to_string(limits::kFractionDigits) + " digits"};
  }
  return {};
}

std::string decimal(Measure value) {
  std::string out;
  do {
    out.push_back(static_cast<char>('0' + static_cast<int>(value % 10)));
    value /= 10;
  } while (value != 0);
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace

Result<Measure> nearest_bound(std::string_view numerator, std::string_view denominator) {
  KVSWARM_RETURN_IF_ERROR(check_digits(numerator, "numerator"));
  KVSWARM_RETURN_IF_ERROR(check_digits(denominator, "denominator"));
  BigUnsigned rest(numerator);
  const BigUnsigned divisor(denominator);
  if (divisor.is_zero()) return Status(StatusCode::usage, "a denominator is zero");
  if (rest > divisor) return Status(StatusCode::usage, "a bound lies beyond the ring");

  // What our own documents and small configurations consist of needs no big numbers.
  if (rest.is_word() && divisor.is_ring()) return Measure{rest.word()};
  if (rest.is_word() && divisor.is_word()) {
    const Measure scaled = Measure{rest.word()} << 64;
    const Measure quotient = scaled / divisor.word();
    const Measure left = scaled % divisor.word();
    return quotient + (left >= divisor.word() - left ? 1 : 0);
  }

  // One step for each bit before the point: one for the whole ring, 64 below, one to round.
  Measure quotient = 0;
  for (int bit = 0; bit <= 65; ++bit) {
    quotient *= 2;
    if (rest >= divisor) {
      rest.subtract(divisor);
      quotient += 1;
    }
    rest.double_in_place();
  }
  return (quotient + 1) / 2;
}

RingFraction lowest_terms(Measure bound) {
  KVSWARM_ASSERT(bound <= kRing);
  if (bound == 0) return {"0", "1"};
  Measure denominator = kRing;
  while (bound % 2 == 0 && denominator > 1) {
    bound /= 2;
    denominator /= 2;
  }
  return {decimal(bound), decimal(denominator)};
}

}  // namespace kvswarm::config
