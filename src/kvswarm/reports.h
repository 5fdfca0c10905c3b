// Between the public types of reads and writes and the node's own. Thread: any.
#pragma once

#include <kvswarm/operation.h>

#include "kvswarm/gateway.h"

namespace kvswarm {

node::Goal to_goal(WriteGoal goal);
node::WriteOp to_write_op(Operation operation);
WriteReport to_report(const node::WriteOutcome& outcome, WriteGoal goal);
GetResult to_get_result(node::GetOutcome outcome);
// usage: the file of `options` is no receipt that holds.
Result<GetRequest> to_get_request(std::string key, std::uint64_t timeout_ms,
                                  const GetOptions& options);

}  // namespace kvswarm
