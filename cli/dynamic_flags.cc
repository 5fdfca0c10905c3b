#include "dynamic_flags.h"

#include <optional>

#include "text.h"

namespace kvswarm::cli {

namespace {

constexpr std::uint64_t kCapacityLimit = std::uint64_t{1} << 53;

std::optional<DynamicFlag::Kind> kind_of(const std::string& argument) {
  for (const DynamicFlag::Kind kind : kDynamicKinds) {
    if (argument.starts_with(prefix(kind))) return kind;
  }
  return std::nullopt;
}

Status no_value(const DynamicFlag& flag) {
  std::string message = shown(prefix(flag.kind) + flag.name) + " has no value";
  if (flag.kind == DynamicFlag::Kind::put) {
    message += " (an empty value can be written with --put-file.KEY=/dev/null)";
  }
  return Status(StatusCode::usage, message);
}

}  // namespace

const std::vector<DynamicFlag::Kind> kDynamicKinds = {
    DynamicFlag::Kind::put, DynamicFlag::Kind::put_file, DynamicFlag::Kind::del,
    DynamicFlag::Kind::capacity};

const char* prefix(DynamicFlag::Kind kind) {
  switch (kind) {
    case DynamicFlag::Kind::put: return "--put.";
    case DynamicFlag::Kind::put_file: return "--put-file.";
    case DynamicFlag::Kind::del: return "--del.";
    case DynamicFlag::Kind::capacity: return "--capacity.";
  }
  return "";
}

Result<SplitArguments> take_dynamic_flags(const std::vector<std::string>& arguments) {
  SplitArguments split;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--") {
      split.rest.insert(split.rest.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i),
                        arguments.end());
      break;
    }
    const auto kind = kind_of(argument);
    if (!kind) {
      split.rest.push_back(argument);
      continue;
    }
    DynamicFlag flag;
    flag.kind = *kind;
    flag.name = argument.substr(std::string(prefix(*kind)).size());
    if (*kind != DynamicFlag::Kind::del) {
      const auto equals = flag.name.find('=');
      if (equals != std::string::npos) {
        flag.value = flag.name.substr(equals + 1);
        flag.name.resize(equals);
      } else if (i + 1 < arguments.size() && !arguments[i + 1].starts_with('-')) {
        flag.value = arguments[++i];
      }
    }
    if (flag.name.empty()) {
      const bool capacity = *kind == DynamicFlag::Kind::capacity;
      return Status(StatusCode::usage,
                    shown(argument) + " has no " + (capacity ? "id" : "key") + " behind the dot");
    }
    if (flag.value.empty() && *kind != DynamicFlag::Kind::del) return no_value(flag);
    split.dynamic.push_back(std::move(flag));
  }
  return split;
}

Result<Capacities> capacities_of(const std::vector<DynamicFlag>& flags) {
  Capacities capacities;
  for (const DynamicFlag& flag : flags) {
    if (flag.kind != DynamicFlag::Kind::capacity) continue;
    const auto number = parse_number(flag.value);
    if (!number || *number > kCapacityLimit) {
      return Status(StatusCode::usage, "capacity of " + shown(flag.name) + ": " +
                                           shown(flag.value) + " is no integer from 0 to " +
                                           std::to_string(kCapacityLimit));
    }
    if (!capacities.emplace(flag.name, *number).second) {
      return Status(StatusCode::usage, "capacity of " + shown(flag.name) + " is given twice");
    }
  }
  return capacities;
}

}  // namespace kvswarm::cli
