#include "flags.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>

#include "nearest.h"
#include "text.h"

namespace kvswarm::cli {

namespace {

Status usage(std::string message) { return Status(StatusCode::usage, std::move(message)); }

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool looks_like_flag(const std::string& argument) {
  return argument.size() > 1 && argument[0] == '-';
}

std::string flag_name(const std::string& argument) {
  if (argument.starts_with("--")) return argument.substr(0, argument.find('='));
  return argument.substr(0, 2);
}

Flags::Flags(std::string verb) : verb_(std::move(verb)), app_(std::make_unique<CLI::App>()) {
  app_->set_help_flag();  // --help is answered before anything is parsed
  app_->allow_extras();
}

Flags::~Flags() = default;

void Flags::describe(std::string summary, std::string words, std::string example) {
  summary_ = std::move(summary);
  words_ = std::move(words);
  example_ = std::move(example);
}

void Flags::words(std::size_t least, std::size_t most) {
  least_words_ = least;
  most_words_ = most;
}

void Flags::note(std::string name, std::string help) {
  Row row;
  row.name = std::move(name);
  row.help = std::move(help);
  rows_.push_back(std::move(row));
}

void Flags::add_row(const std::string& name, const std::string& value, const std::string& help,
                    bool takes_value) {
  const auto comma = name.find(',');
  const std::string last = comma == std::string::npos ? name : name.substr(comma + 1);
  names_.push_back(last);
  if (takes_value) with_value_.push_back(last);
  if (comma != std::string::npos) {
    names_.push_back(name.substr(0, comma));
    if (takes_value) with_value_.push_back(names_.back());
  }
  const std::string spelt = comma == std::string::npos ? name : name.substr(0, comma) + ", " + last;
  note(value.empty() ? spelt : spelt + " " + value, help);
}

void Flags::text(const std::string& name, const std::string& value, std::string* out,
                 const std::string& help) {
  app_->add_option(name, *out);
  add_row(name, value, help, true);
}

void Flags::list(const std::string& name, const std::string& value, std::vector<std::string>* out,
                 const std::string& help) {
  app_->add_option(name, *out)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  add_row(name, value, help + " (may be repeated)", true);
}

void Flags::toggle(const std::string& name, bool* out, const std::string& help) {
  app_->add_flag(name, *out);
  add_row(name, "", help, false);
}

void Flags::duration(const std::string& name, std::optional<std::uint64_t>* out_ms,
                     const std::string& help) {
  auto entry = std::make_unique<Duration>();
  entry->name = name;
  entry->out_ms = out_ms;
  app_->add_option(name, entry->text);
  durations_.push_back(std::move(entry));
  add_row(name, "TIME", help, true);
}

bool Flags::takes_value(const std::string& name) const { return contains(with_value_, name); }

std::string Flags::help() const {
  std::string text = "kvswarm " + verb_ + ": " + summary_ + "\n\nusage: kvswarm " + verb_ +
                     " [flags]" + (words_.empty() ? "" : " " + words_) + "\n\n";
  constexpr std::size_t kColumn = 28;
  for (const Row& row : rows_) {
    std::string line = "  " + row.name;
    if (line.size() >= kColumn) {
      text += line + "\n";
      line.clear();
    }
    line.resize(kColumn, ' ');
    text += line + row.help + "\n";
  }
  text += "  -h, --help                this text\n\nexample:\n";
  std::size_t start = 0;
  while (start < example_.size()) {
    const auto end = std::min(example_.find('\n', start), example_.size());
    text += "  " + example_.substr(start, end - start) + "\n";
    start = end + 1;
  }
  return text;
}

Status Flags::unknown(const std::string& argument) const {
  // A dynamic flag is known by what stands up to its dot.
  const auto stem = [](const std::string& name) {
    const auto dot = name.find('.');
    return dot == std::string::npos ? name : name.substr(0, dot + 1);
  };
  std::vector<std::string> known = names_;
  for (const Row& row : rows_) {
    if (row.name.starts_with("--") && row.name.find('.') != std::string::npos) {
      known.push_back(stem(row.name));
    }
  }
  std::string near = nearest(stem(flag_name(argument)), known);
  if (near.ends_with('.')) {
    const auto same = [&](const Row& row) { return row.name.starts_with(near); };
    near = std::find_if(rows_.begin(), rows_.end(), same)->name;
  }
  return usage(
      "unknown flag " + shown(argument) + " for " + verb_ +
      (near.empty() ? "; see kvswarm " + verb_ + " --help" : "; did you mean " + near + "?"));
}

Result<Flags::Split> Flags::split(const std::vector<std::string>& arguments) const {
  Split split;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--") {
      split.words.insert(split.words.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i + 1),
                         arguments.end());
      break;
    }
    if (!looks_like_flag(argument)) {
      split.words.push_back(argument);
      continue;
    }
    const std::string name = flag_name(argument);
    if (!takes_value(name)) {
      split.flags.push_back(argument);
      continue;
    }
    std::string value = argument.substr(name.size());
    const bool attached = !value.empty();
    if (value.starts_with('=')) value.erase(0, 1);
    if (!attached && i + 1 < arguments.size() && !looks_like_flag(arguments[i + 1])) {
      value = arguments[++i];
    }
    if (value.empty()) return usage(name + " has no value");
    // One argument each, so that nothing in a value can be taken for a flag.
    split.flags.push_back(name + (name.starts_with("--") ? "=" : "") + value);
  }
  return split;
}

Status Flags::parse_flags(const std::vector<std::string>& flags) const {
  // CLI11 takes its arguments from the back.
  std::vector<std::string> reversed(flags.rbegin(), flags.rend());
  try {
    app_->parse(reversed);
  } catch (const CLI::ParseError& error) {
    // The usual one: a flag that holds one value was given two.
    for (const std::string& argument : flags) {
      const auto same = [&](const std::string& other) {
        return flag_name(other) == flag_name(argument);
      };
      if (std::count_if(flags.begin(), flags.end(), same) > 1) {
        return usage(flag_name(argument) + " is given more than once");
      }
    }
    return usage(error.what());
  }
  const std::vector<std::string> left_over = app_->remaining();
  if (!left_over.empty()) return unknown(left_over.front());
  for (const auto& entry : durations_) {
    if (entry->text.empty()) continue;
    const auto parsed = parse_duration(entry->name, entry->text);
    if (!parsed.ok()) return parsed.status();
    *entry->out_ms = *parsed;
  }
  return Status();
}

Status Flags::check_words(const std::vector<std::string>& words) const {
  if (words.size() < least_words_) {
    return usage(verb_ + " needs " + words_ + "; see kvswarm " + verb_ + " --help");
  }
  if (words.size() > most_words_) {
    return usage("unexpected " + shown(words[most_words_]) + "; see kvswarm " + verb_ + " --help");
  }
  for (const std::string& word : words) {
    if (word.empty()) return usage(verb_ + ": an argument is empty");
  }
  return Status();
}

Result<std::vector<std::string>> Flags::parse(const std::vector<std::string>& arguments) const {
  // An unknown flag is the likelier mistake, but where a value is due.
  std::string before;
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    if (looks_like_flag(argument) && !contains(names_, flag_name(argument))) {
      if (!takes_value(before)) return unknown(argument);
      return usage(before + " has no value; one that begins with '-' is written " + before + "=" +
                   argument);
    }
    before = argument;
  }
  Result<Split> parts = split(arguments);
  if (!parts.ok()) return parts.status();
  if (Status status = parse_flags(parts->flags); !status.ok()) return status;
  if (Status status = check_words(parts->words); !status.ok()) return status;
  return std::move(parts->words);
}

}  // namespace kvswarm::cli
