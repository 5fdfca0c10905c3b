// An audit of another node, put together from what one's own node was asked for and has checked:
// every key of the state, every record of the log, and the ops with a receipt (promise A4).
//
// Happy path: the state's pages come first, then the log, so that every leaf's record is in it;
// each record is compared with its leaves as it comes, and the fold of the records as far as it
// goes. Then the ops that this writer has receipts for. Failure modes: a state that changes while
// it is read is read again, a few times, then every key is compared but not the whole; of more
// leaves than are held at once the log is read once for each lot; a key that its record does not
// account for is shown to anybody by a get of it and an inclusion proof of the record, which takes
// one more reading of the log.
//
// Blocking; thread: the client's. Memory: limits::kAuditLeaves, and a page.
#pragma once

#include <kvswarm/client.h>

#include <functional>

#include "base/limits.h"
#include "kvswarm/gateway.h"
#include "node/log_checker.h"
#include "node/state_audit.h"

namespace kvswarm {

class NetworkAudit {
 public:
  struct Calls {
    std::function<Result<AuditPart>(AuditRequest)> audit;
    std::function<Result<node::ScanOutcome>(ScanRequest)> scan;
    std::function<Result<node::GetOutcome>(GetRequest)> get;
  };
  // `leaves_at_once`: at least a page of them.
  NetworkAudit(const NodeId& node, Calls calls,
               const std::function<void(const AuditReport& so_far)>& each,
               std::size_t leaves_at_once = limits::kAuditLeaves)
      : node_(node), calls_(std::move(calls)), each_(each), leaves_at_once_(leaves_at_once) {}

  Result<AuditReport> run();

 private:
  using EachRecord = std::function<Status(std::uint64_t index, BytesView encoded,
                                          const node::LogChecker::Added& added)>;

  Status begin();
  Status read_state();
  Result<bool> read_state_once(bool may_stop);
  Result<std::optional<Address>> read_page(const Address& from, node::PagedState& state,
                                           node::LeafFold& fold);
  Status compare(node::LeafFold& fold, const node::PagedState& state, bool are_all);
  Status read_log(std::optional<log::Head> head, std::optional<std::uint64_t> epoch,
                  const EachRecord& each_record);
  Status show_unfounded();
  Result<log::FalseTransition> transition_of(const state::Leaf& leaf);
  Status put_record(log::FalseTransition& transition, const log::Head& head, std::uint64_t index);
  Status ask_for_ops();
  void note(AuditPart& part);
  void tell() const {
    if (each_) each_(report_);
  }

  NodeId node_;
  Calls calls_;
  const std::function<void(const AuditReport& so_far)>& each_;
  std::size_t leaves_at_once_;
  SwarmId swarm_;
  AuditReport report_;
  std::optional<state::Leaf> unfounded_;  // the first one
};

}  // namespace kvswarm
