#include "write_report.h"

#include <kvswarm/json.h>

#include <algorithm>

#include "output.h"
#include "text.h"

namespace kvswarm::cli {

namespace {

const char* name_of(WriteGoal goal) {
  switch (goal) {
    case WriteGoal::queued: return "queued";
    case WriteGoal::stored: return "stored";
    case WriteGoal::receipted: return "receipted";
  }
  return "";
}

}  // namespace

std::uint64_t stored(const DestinationReport& destination) {
  const std::uint64_t known = destination.applied + destination.refused + destination.queued;
  return destination.operations > known ? destination.operations - known : 0;
}

WriteReport merged(const WriteReport& written, const WriteReport& awaited, WriteGoal goal) {
  WriteReport report = awaited;
  report.first_operation = written.first_operation;
  report.last_operation = written.last_operation;
  // A destination that nothing is left to say of need not be in what was awaited.
  for (const DestinationReport& before : written.destinations) {
    const auto same = [&](const DestinationReport& other) { return other.node == before.node; };
    const auto found = std::find_if(report.destinations.begin(), report.destinations.end(), same);
    if (found != report.destinations.end()) {
      found->operations = std::max(found->operations, before.operations);
      continue;
    }
    DestinationReport done;
    done.node = before.node;
    done.operations = before.operations;
    report.destinations.push_back(done);
  }
  for (DestinationReport& destination : report.destinations) {
    const std::uint64_t known = destination.applied + destination.refused + destination.queued;
    destination.operations = std::max(destination.operations, known);
    if (goal == WriteGoal::receipted) destination.applied += stored(destination);
  }
  return report;
}

std::uint64_t without_destination(const WriteReport& report) {
  std::uint64_t elsewhere = report.last_operation - report.first_operation + 1;
  for (const DestinationReport& destination : report.destinations) {
    elsewhere -= std::min(elsewhere, destination.operations);
  }
  return elsewhere;
}

std::string describe(const DestinationReport& destination) {
  std::vector<std::string> parts;
  const auto part = [&](std::uint64_t number, const std::string& what) {
    if (number == 0) return;
    const bool all = number == destination.operations;
    parts.push_back((all ? "" : with_commas(number) + " ") + what);
  };
  part(destination.applied, "applied");
  part(stored(destination), "stored");
  part(destination.refused, "refused");
  part(destination.queued,
       "queued" + (destination.why.empty() ? "" : " (" + destination.why + ")"));
  std::string text =
      counted(destination.operations, "op") + " to " + short_id(destination.node) + ": ";
  for (std::size_t i = 0; i < parts.size(); ++i) text += (i == 0 ? "" : ", ") + parts[i];
  return text;
}

std::string report_json(const WriteReport& report, WriteGoal goal) {
  std::string destinations = "[";
  for (const DestinationReport& destination : report.destinations) {
    JsonObject object;
    object.add("node", destination.node)
        .add("operations", destination.operations)
        .add("applied", destination.applied)
        .add("stored", stored(destination))
        .add("refused", destination.refused)
        .add("queued", destination.queued);
    if (!destination.why.empty()) object.add("why", destination.why);
    destinations += (destinations.size() > 1 ? "," : "") + object.text();
  }
  std::string refused = "[";
  for (const RefusedOperation& operation : report.refused) {
    JsonObject object;
    object.add_bytes("key", operation.key).add("reason", operation.reason);
    refused += (refused.size() > 1 ? "," : "") + object.text();
  }
  return JsonObject()
      .add("first_operation", report.first_operation)
      .add("last_operation", report.last_operation)
      .add("goal", name_of(goal))
      .add("reached", report.reached)
      .add_json("destinations", destinations + "]")
      .add_json("refused", refused + "]")
      .text();
}

Status say_refused(const std::vector<RefusedOperation>& refused, std::uint64_t count) {
  constexpr std::size_t kListed = 20;
  if (refused.empty() && count == 0) return Status();
  count = std::max<std::uint64_t>(count, refused.size());
  bool unauthorised = false;
  for (std::size_t i = 0; i < refused.size(); ++i) {
    unauthorised = unauthorised || refused[i].reason.starts_with("unauthorised");
    if (i < kListed) say("refused " + shown(refused[i].key) + ": " + refused[i].reason);
  }
  return Status(unauthorised ? StatusCode::unauthorised : StatusCode::failure,
                counted(count, "op") + " refused for good");
}

}  // namespace kvswarm::cli
