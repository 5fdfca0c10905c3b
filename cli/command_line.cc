#include "command_line.h"

#include <algorithm>
#include <utility>

#include "nearest.h"
#include "output.h"
#include "text.h"
#include "verb.h"

namespace kvswarm::cli {

namespace {

struct Entry {
  std::string name;
  std::unique_ptr<Verb> verb;
  std::unique_ptr<Flags> flags;
};

std::vector<Entry> all_verbs() {
  using Maker = std::unique_ptr<Verb> (*)();
  const std::vector<std::pair<const char*, Maker>> makers = {
      {"id", make_id},         {"init", make_init},         {"config", make_config},
      {"map", make_map},       {"listen", make_listen},     {"connect", make_connect},
      {"write", make_write},   {"get", make_get},           {"import", make_import},
      {"export", make_export}, {"status", make_status},     {"receipt", make_receipt},
      {"verify", make_verify}, {"evidence", make_evidence}, {"restore", make_restore},
      {"audit", make_audit},   {"backup", make_backup},     {"version", make_version},
  };
  std::vector<Entry> entries;
  for (const auto& [name, make] : makers) {
    Entry entry;
    entry.name = name;
    entry.verb = make();
    entry.flags = std::make_unique<Flags>(name);
    entry.verb->declare(*entry.flags);
    entries.push_back(std::move(entry));
  }
  return entries;
}

const Entry* find(const std::vector<Entry>& entries, const std::string& name) {
  for (const Entry& entry : entries) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

std::string general_help(const std::vector<Entry>& entries) {
  std::string text =
      "kvswarm: a key-value store that a group of people run together\n\n"
      "usage: kvswarm VERB [flags] ...\n\n";
  for (const Entry& entry : entries) {
    std::string line = "  " + entry.name;
    line.resize(12, ' ');
    text += line + entry.flags->summary() + "\n";
  }
  text +=
      "\nkvswarm VERB --help explains a verb. Flags may stand before or behind the verb.\n"
      "exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 unauthorised, 5 conflict,\n"
      "  6 unavailable or timed out, 7 corruption, 8 data directory in use or of a newer\n"
      "  version, 9 disk full, 130 interrupted\n"
      "\nexample:\n"
      "  kvswarm id -d /tmp/x\n"
      "  kvswarm -c config.json -d /tmp/x write --put.greeting=hi\n"
      "  kvswarm -c config.json -d /tmp/x get greeting\n";
  return text;
}

// Takes the verb out of `arguments`: the first that is neither a flag nor a flag's value. What a
// flag takes is asked of all verbs, as it may stand before its own. Empty: there is none.
std::string take_verb(const std::vector<Entry>& entries, std::vector<std::string>& arguments) {
  const auto takes_value = [&](const std::string& flag) {
    return std::any_of(entries.begin(), entries.end(),
                       [&](const Entry& entry) { return entry.flags->takes_value(flag); });
  };
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    const std::string argument = arguments[i];
    if (looks_like_flag(argument)) {
      if (takes_value(argument)) ++i;
      continue;
    }
    arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(i));
    return argument;
  }
  return "";
}

// Whether one of these flags is given (before a lone "--").
bool asks_for(const std::vector<std::string>& arguments, const std::vector<std::string>& flags) {
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    if (std::find(flags.begin(), flags.end(), argument) != flags.end()) return true;
  }
  return false;
}

Status unknown_verb(const std::vector<Entry>& entries, const std::string& name) {
  std::vector<std::string> names = {"help"};
  for (const Entry& entry : entries) names.push_back(entry.name);
  const std::string near = nearest(name, names);
  return Status(StatusCode::usage,
                "unknown verb " + shown(name) +
                    (near.empty() ? "; see kvswarm --help" : "; did you mean " + near + "?"));
}

Status help(const std::vector<Entry>& entries, const std::string& name) {
  if (name.empty()) return print(general_help(entries));
  const Entry* entry = find(entries, name);
  if (entry == nullptr) return unknown_verb(entries, name);
  return print(entry->flags->help());
}

Status no_verb(const std::vector<Entry>& entries, const std::vector<std::string>& arguments) {
  if (asks_for(arguments, {"--help", "-h"})) return help(entries, "");
  if (asks_for(arguments, {"--version"})) return make_version()->run({});
  return Status(StatusCode::usage, "no verb; see kvswarm --help");
}

Status dispatch(const std::vector<std::string>& arguments) {
  const std::vector<Entry> entries = all_verbs();
  Result<SplitArguments> split = take_dynamic_flags(arguments);
  // Asked for help, nobody wants to hear of a flag that is not finished.
  const bool wants_help = asks_for(arguments, {"--help", "-h"});
  if (!split.ok() && !wants_help) return split.status();
  std::vector<std::string> rest = arguments;
  if (split.ok()) rest = std::move(split->rest);
  const std::string name = take_verb(entries, rest);
  if (name.empty()) return no_verb(entries, rest);
  if (name == "help") return help(entries, take_verb(entries, rest));
  const Entry* entry = find(entries, name);
  if (entry == nullptr) return unknown_verb(entries, name);
  if (wants_help) return help(entries, name);

  Arguments parsed;
  parsed.dynamic = std::move(split->dynamic);
  for (const DynamicFlag& flag : parsed.dynamic) {
    if (!entry->verb->accepts(flag.kind)) {
      return Status(StatusCode::usage, name + " takes no flag " + prefix(flag.kind) +
                                           flag.name.substr(0, 64) + "; see kvswarm " + name +
                                           " --help");
    }
  }
  Result<std::vector<std::string>> words = entry->flags->parse(rest);
  if (!words.ok()) return words.status();
  parsed.words = std::move(*words);
  return entry->verb->run(parsed);
}

}  // namespace

int run_command_line(const std::vector<std::string>& arguments) {
  const Status status = dispatch(arguments);
  if (!status.ok()) say(status.message());
  return exit_code(status.code());
}

}  // namespace kvswarm::cli
