// The ordinary flags of one verb: declared by the verb, parsed by CLI11, which is included nowhere
// but in flags.cc.
//
// A flag may stand before or behind the verb, as "--name=value" or "--name value"; what begins
// with '-' counts as a value only in the first form. Words are all arguments that are neither
// flags nor their values, and everything behind a lone "--".
#pragma once

#include <kvswarm/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace kvswarm::cli {

class Flags {
 public:
  explicit Flags(std::string verb);
  ~Flags();
  Flags(const Flags&) = delete;
  Flags& operator=(const Flags&) = delete;

  // Said by --help. `words` is what stands behind the verb, e.g. "KEY..."; `example` one command
  // per line.
  void describe(std::string summary, std::string words, std::string example);
  // How many words the verb takes.
  void words(std::size_t least, std::size_t most);
  // A line of --help that is not parsed here (the dynamic flags).
  void note(std::string name, std::string help);

  // `name` is "--long" or "-s,--long"; `value` what --help calls its value. What is pointed to
  // must live until parse() returned and keeps its value when the flag is absent.
  void text(const std::string& name, const std::string& value, std::string* out,
            const std::string& help);
  void list(const std::string& name, const std::string& value, std::vector<std::string>* out,
            const std::string& help);
  void toggle(const std::string& name, bool* out, const std::string& help);
  void duration(const std::string& name, std::optional<std::uint64_t>* out_ms,
                const std::string& help);

  const std::string& summary() const { return summary_; }
  std::string help() const;

  bool takes_value(const std::string& name) const;

  // Fills in what was declared and returns the words. usage, naming what is wrong, for anything
  // else: an unknown flag (with the nearest known name), a value missing or empty, a flag twice,
  // too few or too many words.
  Result<std::vector<std::string>> parse(const std::vector<std::string>& arguments) const;

 private:
  struct Row {
    std::string name;
    std::string help;
  };
  struct Split {
    std::vector<std::string> flags;  // each with its value in one argument
    std::vector<std::string> words;
  };
  void add_row(const std::string& name, const std::string& value, const std::string& help,
               bool takes_value);
  Result<Split> split(const std::vector<std::string>& arguments) const;
  Status unknown(const std::string& argument) const;
  Status parse_flags(const std::vector<std::string>& flags) const;
  Status check_words(const std::vector<std::string>& words) const;

  std::string verb_;
  std::string summary_;
  std::string words_;
  std::string example_;
  std::size_t least_words_ = 0;
  std::size_t most_words_ = 0;
  std::vector<Row> rows_;
  std::vector<std::string> names_;
  std::vector<std::string> with_value_;
  std::unique_ptr<CLI::App> app_;
  struct Duration {
    std::string name;
    std::string text;
    std::optional<std::uint64_t>* out_ms;
  };
  std::vector<std::unique_ptr<Duration>> durations_;
};

// The name of a flag argument: what stands before '=', or the two characters of a short one.
std::string flag_name(const std::string& argument);
bool looks_like_flag(const std::string& argument);

}  // namespace kvswarm::cli
