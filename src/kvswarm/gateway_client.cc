#include "kvswarm/gateway_client.h"

#include "net/network.h"

namespace kvswarm {
namespace {

constexpr std::size_t kRefusedListed = 100;

node::Goal to_goal(WriteGoal goal) {
  switch (goal) {
    case WriteGoal::queued: return node::Goal::queued;
    case WriteGoal::stored: return node::Goal::stored;
    case WriteGoal::receipted: return node::Goal::receipted;
  }
  return node::Goal::receipted;
}

WriteReport to_report(const node::WriteOutcome& outcome) {
  WriteReport report;
  report.first_operation = outcome.first_op;
  report.last_operation = outcome.last_op;
  report.reached = outcome.reached;
  for (const auto& destination : outcome.destinations) {
    DestinationReport entry;
    entry.node = to_hex(destination.node);
    entry.operations = destination.ops;
    entry.queued = destination.queued;
    entry.refused = destination.refused;
    const std::uint64_t open = destination.queued + destination.refused;
    entry.applied = destination.ops > open ? destination.ops - open : 0;
    entry.why = destination.why;
    entry.refusal = destination.refusal;
    report.destinations.push_back(std::move(entry));
  }
  for (const auto& op : outcome.refused) {
    if (report.refused.size() == kRefusedListed) break;
    report.refused.push_back({op.key, log::to_string(op.outcome)});
  }
  return report;
}

}  // namespace

template <class Kind>
Result<Kind> GatewayClient::call(Request request) {
  KVSWARM_ASSIGN_OR_RETURN(Response response, gateway_->call(std::move(request), interrupt_));
  auto* kind = std::get_if<Kind>(&response);
  if (kind == nullptr) return Status(StatusCode::corruption, "an answer to another question");
  return std::move(*kind);
}

Result<WriteReport> GatewayClient::write(const std::vector<Operation>& operations,
                                         const WriteOptions& options) {
  WriteRequest request;
  request.goal = to_goal(options.goal);
  request.wait_ms = options.wait_ms;
  request.ops.reserve(operations.size());
  for (const Operation& operation : operations) {
    KVSWARM_RETURN_IF_ERROR(check_operation(operation));
    const bool is_put = operation.kind == Operation::Kind::put;
    request.ops.push_back({is_put ? log::OpKind::put : log::OpKind::del, operation.key,
                           is_put ? operation.value : std::string()});
  }
  if (request.ops.empty()) return Status(StatusCode::usage, "nothing to write");
  KVSWARM_ASSIGN_OR_RETURN(const auto outcome, call<node::WriteOutcome>(std::move(request)));
  return to_report(outcome);
}

Result<WriteReport> GatewayClient::await(std::uint64_t first_operation,
                                         std::uint64_t last_operation,
                                         const WriteOptions& options) {
  AwaitRequest request{first_operation, last_operation, to_goal(options.goal), options.wait_ms};
  KVSWARM_ASSIGN_OR_RETURN(const auto outcome, call<node::WriteOutcome>(request));
  return to_report(outcome);
}

Result<std::string> GatewayClient::receipt(std::uint64_t first_operation,
                                           std::uint64_t last_operation) {
  KVSWARM_ASSIGN_OR_RETURN(auto file,
                           call<node::SavedFile>(ReceiptRequest{first_operation, last_operation}));
  return std::move(file.bytes);
}

Result<GetResult> GatewayClient::get(const std::string& key) {
  KVSWARM_RETURN_IF_ERROR(check_operation({Operation::Kind::del, key, {}}));
  KVSWARM_ASSIGN_OR_RETURN(const auto outcome,
                           call<node::GetOutcome>(GetRequest{key, timeout_ms_}));
  GetResult result;
  result.found = outcome.found;
  result.holder = to_hex(outcome.holder);
  result.epoch = outcome.head.epoch;
  result.length = outcome.head.length;
  if (outcome.found) {
    result.value = outcome.value.value;
    result.record = outcome.value.record_index;
    result.writer = to_hex(outcome.value.writer);
    result.operation = outcome.value.op_number;
    result.document = outcome.value.document.number;
  }
  return result;
}

// True: the holder was read to its end; false: `each` said stop.
Result<bool> GatewayClient::export_holder(const NodeId& holder, ExportReport& report,
                                          const std::function<bool(const Operation&)>& each) {
  Address from;
  while (true) {
    KVSWARM_ASSIGN_OR_RETURN(const auto page,
                             call<node::ScanOutcome>(ScanRequest{holder, from, timeout_ms_}));
    for (const node::ProvenValue& value : page.values) {
      ++report.keys;
      if (!each({Operation::Kind::put, value.key, value.value})) return false;
    }
    if (!page.next) return true;
    from = *page.next;
  }
}

Result<ExportReport> GatewayClient::export_all(
    const std::function<bool(const Operation& put)>& each) {
  KVSWARM_ASSIGN_OR_RETURN(const auto texts, call<StatusTexts>(StatusRequest{}));
  ExportReport report;
  for (const NodeId& holder : texts.holders) {
    const auto whole = export_holder(holder, report, each);
    if (whole.ok()) {
      if (!*whole) break;
      continue;
    }
    if (whole.status().code() == StatusCode::interrupted) return whole.status();
    report.missing.push_back({to_hex(holder), whole.status().message()});
  }
  return report;
}

Result<StatusReport> GatewayClient::status() {
  KVSWARM_ASSIGN_OR_RETURN(const auto texts, call<StatusTexts>(StatusRequest{}));
  return StatusReport{texts.text, texts.json};
}

Result<Config> GatewayClient::document() {
  KVSWARM_ASSIGN_OR_RETURN(const auto texts, call<StatusTexts>(StatusRequest{}));
  return Config::parse(texts.document);
}

Result<std::vector<node::PeerAddress>> parse_peers(const std::vector<std::string>& peers) {
  std::vector<node::PeerAddress> out;
  for (const std::string& peer : peers) {
    const std::size_t at = peer.find('@');
    const auto id = fixed_from_hex<NodeId>(peer.substr(0, at));
    if (at == std::string::npos || !id) {
      return Status(StatusCode::usage, "--peer " + peer + ": expected ID@HOST:PORT");
    }
    const auto endpoint = net::Endpoint::parse(peer.substr(at + 1));
    if (!endpoint.ok()) return endpoint.status().with_context("--peer " + peer);
    out.push_back({*id, endpoint->to_string()});
  }
  return out;
}

}  // namespace kvswarm
