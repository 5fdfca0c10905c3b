// What `write` and `import` tell about ops: refused ones, and what the rest wait for.
#pragma once

#include <kvswarm/operation.h>
#include <kvswarm/status.h>

#include <string>
#include <vector>

namespace kvswarm::cli {

// Durable at the storage node, but without a receipt yet.
std::uint64_t stored(const DestinationReport& destination);

// What was awaited says which ops have not reached the goal and which are refused; together with
// the report of the write itself that says what became of the others.
WriteReport merged(const WriteReport& written, const WriteReport& awaited, WriteGoal goal);

// Ops that wait, numbered and durable, for an earlier one before they go to a node.
std::uint64_t without_destination(const WriteReport& report);

// "2 ops to 3f2a91bc: 1 applied, 1 queued (the node is out of reach)"
std::string describe(const DestinationReport& destination);

std::string report_json(const WriteReport& report, WriteGoal goal);

// Says each refused op on standard error. ok when there is none; unauthorised when that is why;
// else failure.
Status say_refused(const std::vector<RefusedOperation>& refused, std::uint64_t count);

}  // namespace kvswarm::cli
