#include "integration/swarm_fixture.h"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "support/catch.h"

namespace kvswarm::test {

namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF.
std::size_t utf8_length(const std::string& bytes, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U;
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (first == 0xE0 && byte(1) < 0xA0) return 0;
    if (first == 0xED && byte(1) > 0x9F) return 0;
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (first == 0xF0 && byte(1) < 0x90) return 0;
    if (first == 0xF4 && byte(1) > 0x8F) return 0;
    return follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

bool is_utf8(const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = utf8_length(bytes, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (character == '"' || character == '\\') {
      out += '\\';
      out += character;
    } else if (character == '\n') {
      out += "\\n";
    } else if (byte < 0x20) {
      constexpr char kHex[] = "0123456789abcdef";
      out += "\\u00";
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    } else {
      out += character;
    }
  }
  return out + "\"";
}

std::string encoded_base64(const std::string& bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group <<= 8U;
      if (at + i < bytes.size()) group |= static_cast<unsigned char>(bytes[at + i]);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out += i <= bytes.size() - at ? kBase64[(group >> (18 - 6 * i)) & 63U] : '=';
    }
  }
  return out;
}

std::string decoded_base64(const std::string& text) {
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char character : text) {
    if (character == '=') break;
    const auto digit = kBase64.find(character);
    if (digit == std::string_view::npos) FAIL(character << " is no digit of base64");
    bits = (bits << 6U) | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>((bits >> count) & 0xFFU);
  }
  return out;
}

std::string member(const std::string& name, const std::string& bytes) {
  if (is_utf8(bytes)) return "\"" + name + "\":" + quoted(bytes);
  return "\"" + name + "_base64\":\"" + encoded_base64(bytes) + "\"";
}

std::string member_of(const nlohmann::json& line, const std::string& name) {
  if (line.contains(name)) return line.at(name).get<std::string>();
  return decoded_base64(line.at(name + "_base64").get<std::string>());
}

void make_private(const std::string& directory) {
  std::filesystem::create_directory(directory);
  std::filesystem::permissions(directory, std::filesystem::perms::owner_all);
}

}  // namespace

Swarm::Swarm() { make_private(path("run")); }

Swarm::Swarm(const std::map<std::string, int>& capacities, const std::vector<std::string>& writers)
    : Swarm() {
  init(capacities, writers);
}

const std::string& Swarm::id(const std::string& name) {
  std::string& id = ids_[name];
  if (id.empty()) {
    const Outcome outcome = run({"id", "-d", name});
    INFO(outcome.errors);
    REQUIRE(outcome.exit_code == 0);
    REQUIRE(outcome.output.size() == 65);
    id = outcome.output.substr(0, 64);
  }
  return id;
}

std::string Swarm::name_of(const std::string& id) const {
  for (const auto& [name, known] : ids_) {
    if (known == id) return name;
  }
  return id;
}

void Swarm::init(const std::map<std::string, int>& capacities,
                 const std::vector<std::string>& writers, const std::string& file) {
  std::vector<std::string> arguments = {"init"};
  for (const auto& [name, capacity] : capacities) {
    arguments.push_back("--capacity." + id(name) + "=" + std::to_string(capacity));
  }
  for (const std::string& name : writers) arguments.push_back("--writer=" + id(name));
  const Outcome outcome = run(arguments);
  INFO(outcome.errors);
  REQUIRE(outcome.exit_code == 0);
  write_file(path(file), outcome.output);
}

void Swarm::set_apart(const std::string& name) {
  make_private(path("run-" + name));
  apart_.insert(name);
}

void Swarm::set_runner(const std::string& name, std::vector<std::string> runner) {
  runners_[name] = std::move(runner);
}

Command Swarm::command(std::vector<std::string> arguments) const {
  Command command;
  command.arguments = std::move(arguments);
  command.directory = folder_.path();
  command.environment["KVSWARM_RUNTIME_DIR"] = path("run");
  return command;
}

Outcome Swarm::run(std::vector<std::string> arguments) const {
  return kvswarm::test::run(command(std::move(arguments)), 60'000);
}

Command Swarm::command_as(const std::string& name, std::vector<std::string> arguments) const {
  std::vector<std::string> who = {"-d", name};
  const bool chosen = std::find(arguments.begin(), arguments.end(), "-c") != arguments.end();
  if (!chosen) who.insert(who.end(), {"-c", "config.json"});
  arguments.insert(arguments.begin(), who.begin(), who.end());
  Command command = this->command(std::move(arguments));
  if (apart_.count(name) == 1) command.environment["KVSWARM_RUNTIME_DIR"] = path("run-" + name);
  if (const auto runner = runners_.find(name); runner != runners_.end()) {
    std::vector<std::string> program = runner->second;
    if (program.empty()) return command;
    program.push_back(command.program);
    command.program = program.front();
    command.arguments.insert(command.arguments.begin(), program.begin() + 1, program.end());
  }
  return command;
}

Outcome Swarm::as(const std::string& name, std::vector<std::string> arguments) const {
  return kvswarm::test::run(command_as(name, std::move(arguments)), 60'000);
}

std::unique_ptr<Process> Swarm::start(const std::string& name, const std::string& verb,
                                      std::vector<std::string> flags) const {
  flags.insert(flags.begin(), verb);
  return std::make_unique<Process>(command_as(name, std::move(flags)));
}

Process& Swarm::listen(const std::string& name, std::vector<std::string> flags) {
  auto& process = nodes_[name];
  process = start(name, "listen", std::move(flags));
  const bool ready = process->wait_for_error("listening on ");
  INFO(name + ": " + process->errors());
  REQUIRE(ready);
  return *process;
}

Process& Swarm::connect(const std::string& name, std::vector<std::string> flags) {
  auto& process = nodes_[name];
  process = start(name, "connect", std::move(flags));
  const bool ready = process->wait_for_error(" running");
  INFO(name + ": " + process->errors());
  REQUIRE(ready);
  return *process;
}

Process& Swarm::node(const std::string& name) {
  REQUIRE(nodes_.count(name) == 1);
  return *nodes_[name];
}

void Swarm::stop(const std::string& name) {
  const Outcome outcome = node(name).stop(SIGTERM);
  INFO(name + ": " + outcome.errors);
  REQUIRE(outcome.exit_code == 0);
  nodes_.erase(name);
}

void Swarm::kill(const std::string& name) {
  const Outcome outcome = node(name).stop(SIGKILL);
  INFO(name + ": " + outcome.errors);
  REQUIRE(outcome.signal == SIGKILL);
  nodes_.erase(name);
}

int Swarm::port(const std::string& name) {
  REQUIRE(node(name).wait_for_error("listening on 127.0.0.1:"));
  const std::string said = node(name).errors();
  const std::string mark = "listening on 127.0.0.1:";
  return std::stoi(said.substr(said.find(mark) + mark.size()));
}

nlohmann::json Swarm::status(const std::string& name) const {
  Command command = this->command({"-d", name, "status", "--json"});
  if (apart_.count(name) == 1) command.environment["KVSWARM_RUNTIME_DIR"] = path("run-" + name);
  const Outcome outcome = kvswarm::test::run(std::move(command), 60'000);
  INFO(name + ": " + outcome.errors);
  REQUIRE(outcome.exit_code == 0);
  return nlohmann::json::parse(outcome.output);
}

std::uint64_t Swarm::outstanding(const std::string& writer, const std::string& destination) const {
  const nlohmann::json status = this->status(writer);
  std::uint64_t operations = 0;
  for (const auto& row : status.at("destinations")) {
    if (name_of(row.at("node").get<std::string>()) != destination) continue;
    operations += row.at("operations").get<std::uint64_t>();
  }
  return operations;
}

std::uint64_t Swarm::outstanding(const std::string& writer) const {
  const nlohmann::json status = this->status(writer);
  auto operations = status.at("pending").get<std::uint64_t>();
  for (const auto& row : status.at("destinations")) {
    operations += row.at("operations").get<std::uint64_t>();
  }
  return operations;
}

std::uint64_t Swarm::length(const std::string& storage_node) const {
  return status(storage_node).at("length").get<std::uint64_t>();
}

std::vector<nlohmann::json> Swarm::answers(const std::string& name,
                                           const std::vector<std::string>& keys) const {
  std::vector<nlohmann::json> answers;
  // In several commands, as there is an end to what a command line holds.
  constexpr std::size_t kAtOnce = 1000;
  for (std::size_t at = 0; at < keys.size(); at += kAtOnce) {
    std::vector<std::string> arguments = {"get", "--json", "--"};
    for (std::size_t i = at; i < keys.size() && i < at + kAtOnce; ++i) arguments.push_back(keys[i]);
    const Outcome outcome = as(name, arguments);
    INFO(name + ": " + outcome.errors);
    REQUIRE_FALSE(outcome.timed_out);
    for (const std::string& line : lines_of(outcome.output)) {
      answers.push_back(nlohmann::json::parse(line));
      const nlohmann::json& answer = answers.back();
      if (!answer.contains("found")) continue;
      const bool found = answer.at("found").get<bool>();
      REQUIRE(answer.at("proof") == (found ? "presence" : "absence"));
    }
  }
  REQUIRE(answers.size() == keys.size());
  return answers;
}

Entries Swarm::read(const std::string& name, const std::vector<std::string>& keys) const {
  Entries entries;
  for (const nlohmann::json& answer : answers(name, keys)) {
    INFO(answer.dump());
    REQUIRE(answer.value("found", false));
    entries.insert(entry_of(answer));
  }
  return entries;
}

Entries Swarm::export_all(const std::string& name) const {
  const Outcome outcome = as(name, {"export"});
  INFO(name + ": " + outcome.errors);
  REQUIRE(outcome.exit_code == 0);
  Entries entries;
  for (const std::string& line : lines_of(outcome.output)) {
    const bool fresh = entries.insert(entry_of(nlohmann::json::parse(line))).second;
    INFO(line);
    REQUIRE(fresh);
  }
  return entries;
}

void Swarm::check_audits(const std::vector<std::string>& names) const {
  for (const std::string& name : names) {
    const Outcome audit = as(name, {"audit"});
    INFO(name << ": " << audit.errors);
    CHECK(audit.exit_code == 0);
  }
}

bool eventually(const std::function<bool()>& condition, int deadline_ms) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::milliseconds(deadline_ms);
  while (!condition()) {
    if (Clock::now() >= until) return false;
  }
  return true;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::vector<std::string> keys_of(const Entries& entries) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : entries) keys.push_back(key);
  return keys;
}

std::string import_line(const std::string& key, const std::string& value) {
  return "{" + member("key", key) + "," + member("value", value) + "}\n";
}

std::string import_lines(const Entries& entries) {
  std::string lines;
  for (const auto& [key, value] : entries) lines += import_line(key, value);
  return lines;
}

std::pair<std::string, std::string> entry_of(const nlohmann::json& line) {
  return {member_of(line, "key"), member_of(line, "value")};
}

}  // namespace kvswarm::test
