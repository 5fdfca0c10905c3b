// The rules of docs/ARCHITECTURE.md and of the style that a program can check, as pure functions of
// a file's path and text, so that each rule can be seen to fail on a small bad example.
//
// How: comments and the insides of string and character literals are blanked out first (so words
// in them do not count, and braces in them do not either); then lines are searched for whole
// words. This is no parser. It relies on what clang-format makes of the code: one statement's head
// per opening brace, and no space before the brace of an initialiser.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace kvswarm::style {

inline constexpr std::size_t kMaxFileLines = 600;
inline constexpr std::size_t kMaxFunctionLines = 70;
inline constexpr std::size_t kMaxColumns = 100;
inline constexpr std::size_t kMaxPublicHeaders = 12;

struct Violation {
  std::size_t line = 0;  // from 1
  std::string rule;      // what was broken, in a few words
};

// The text with comments and the insides of literals replaced by blanks; lines stay where they are.
std::string blanked(std::string_view text);

// A function's length: from the first line of its declaration to its closing brace. A function is
// the outermost braces whose head (what stands since the last `;` or brace) holds a parenthesis
// and does not begin with class, namespace, enum and the like; lambdas belong to what holds them.
struct FunctionLength {
  std::size_t line = 0;  // where it begins, from 1
  std::size_t lines = 0;
};
std::vector<FunctionLength> function_lengths(std::string_view text);

// All rules for one file. `path` is relative to the repository, with slashes.
std::vector<Violation> check_file(std::string_view path, std::string_view text);

}  // namespace kvswarm::style
