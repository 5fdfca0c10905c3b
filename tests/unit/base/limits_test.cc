// docs/OPERATING.md shows every limit of src/base/limits.h, with its value. The test reads both, as
// a user and a compiler would, so that neither can change alone.
#include "base/limits.h"

#include <cctype>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "support/catch.h"
#include "support/paths.h"
#include "support/process.h"

namespace {

using Limits = std::map<std::string, std::uint64_t>;

// The value of an expression as limits.h has them: sums, products and shifts of literals and of
// limits that stand before.
class Expression {
 public:
  Expression(std::string text, const Limits& known) : text_(std::move(text)), known_(known) {}

  std::uint64_t value() {
    const std::uint64_t out = shifted();
    INFO(text_);
    REQUIRE(at_ == text_.size());
    return out;
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool take(const std::string& mark) {
    skip_space();
    if (text_.compare(at_, mark.size(), mark) != 0) return false;
    at_ += mark.size();
    skip_space();
    return true;
  }
  std::uint64_t shifted() {
    std::uint64_t out = sum();
    while (take("<<")) out <<= sum();
    return out;
  }
  std::uint64_t sum() {
    std::uint64_t out = product();
    while (take("+")) out += product();
    return out;
  }
  std::uint64_t product() {
    std::uint64_t out = term();
    while (true) {
      if (take("*")) {
        out *= term();
      } else if (take("/")) {
        out /= term();
      } else {
        return out;
      }
    }
  }
  std::uint64_t term() {
    for (const char* type : {"std::uint64_t{", "std::size_t{"}) {
      if (!take(type)) continue;
      const std::uint64_t out = shifted();
      REQUIRE(take("}"));
      return out;
    }
    std::string word;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '\'')) {
      if (text_[at_] != '\'') word += text_[at_];
      ++at_;
    }
    INFO(text_ << " at " << at_);
    REQUIRE_FALSE(word.empty());
    skip_space();
    if (std::isdigit(static_cast<unsigned char>(word[0]))) return std::stoull(word);
    REQUIRE(known_.count(word) == 1);
    return known_.at(word);
  }

  std::string text_;
  const Limits& known_;
  std::size_t at_ = 0;
};

// Every constant of limits.h in its order, with its value.
std::vector<std::pair<std::string, std::uint64_t>> limits_of(const std::string& header) {
  std::vector<std::pair<std::string, std::uint64_t>> out;
  Limits known;
  const std::string mark = "inline constexpr std::";
  for (std::size_t at = header.find(mark); at != std::string::npos; at = header.find(mark, at)) {
    const std::size_t equals = header.find('=', at);
    const std::size_t name = header.rfind(' ', equals - 2) + 1;
    const std::size_t end = header.find(';', equals);
    REQUIRE(end != std::string::npos);
    out.emplace_back(header.substr(name, equals - 1 - name), 0);
    out.back().second = Expression(header.substr(equals + 1, end - equals - 1), known).value();
    known.insert(out.back());
    at = end;
  }
  return out;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string with_commas(std::uint64_t value) {
  std::string out = std::to_string(value);
  for (std::size_t at = out.size(); at > 3;) out.insert(at -= 3, ",");
  return out;
}

// As people read it: 4 KiB, 30 s, 7 days, 4,096.
std::string shown(const std::string& name, std::uint64_t value) {
  using Units = std::vector<std::pair<std::uint64_t, const char*>>;
  static const Units bytes = {{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}, {1, "bytes"}};
  static const Units times = {{86'400'000, "days"}, {60'000, "min"}, {1000, "s"}, {1, "ms"}};
  const Units* units = ends_with(name, "Bytes") ? &bytes : ends_with(name, "Ms") ? &times : nullptr;
  if (units != nullptr) {
    for (const auto& [size, unit] : *units) {
      if (value % size == 0) return with_commas(value / size) + " " + unit;
    }
  }
  if (ends_with(name, "Percent")) return std::to_string(value) + " %";
  return value == std::uint64_t{1} << 53 ? "2^53" : with_commas(value);
}

}  // namespace

TEST_CASE("every limit stands in docs/OPERATING.md with its value") {
  const std::string root = kvswarm::test::source_directory();
  const std::string header = kvswarm::test::read_file(root + "/src/base/limits.h");
  const std::string manual = kvswarm::test::read_file(root + "/docs/OPERATING.md");
  const auto limits = limits_of(header);
  REQUIRE(limits.size() > 60);
  CHECK(limits.front() == std::pair<std::string, std::uint64_t>("kKeyBytes", 4096));
  std::size_t rows = 0;
  for (const auto& [name, value] : limits) {
    const std::string row = "| `" + name + "` | " + shown(name, value) + " | ";
    UNSCOPED_INFO("expected a row that begins: " << row);
    CHECK(manual.find("\n" + row) != std::string::npos);
  }
  for (std::size_t at = manual.find("\n| `k"); at != std::string::npos;
       at = manual.find("\n| `k", at + 1)) {
    ++rows;
  }
  CHECK(rows == limits.size());  // none that is no limit any more
}
