#include "kvswarm/gateway_client.h"

#include "kvswarm/backup.h"
#include "kvswarm/network_audit.h"
#include "kvswarm/reports.h"
#include "net/network.h"

namespace kvswarm {

namespace {

const std::atomic<bool> kNever = false;

// What only queues is answered as soon as the disk has it. That answer says whether the ops are
// safe, so an interrupt does not leave it behind.
bool only_queues(const Request& request) {
  const auto* write = std::get_if<WriteRequest>(&request);
  return write != nullptr && write->goal == node::Goal::queued;
}

}  // namespace

template <class Kind>
Result<Kind> GatewayClient::call(Request request) {
  const std::atomic<bool>& interrupt = only_queues(request) ? kNever : interrupt_;
  KVSWARM_ASSIGN_OR_RETURN(Response response, gateway_->call(std::move(request), interrupt));
  auto* kind = std::get_if<Kind>(&response);
  if (kind == nullptr) return Status(StatusCode::corruption, "an answer to another question");
  return std::move(*kind);
}

Result<WriteReport> GatewayClient::write(const std::vector<Operation>& operations,
                                         const WriteOptions& options) noexcept {
  WriteRequest request;
  request.goal = to_goal(options.goal);
  request.wait_ms = options.wait_ms;
  request.ops.reserve(operations.size());
  for (const Operation& operation : operations) {
    KVSWARM_RETURN_IF_ERROR(check_operation(operation));
    request.ops.push_back(to_write_op(operation));
  }
  if (request.ops.empty()) return Status(StatusCode::usage, "nothing to write");
  KVSWARM_ASSIGN_OR_RETURN(const auto outcome, call<node::WriteOutcome>(std::move(request)));
  return to_report(outcome, options.goal);
}

Result<WriteReport> GatewayClient::await(std::uint64_t first_operation,
                                         std::uint64_t last_operation,
                                         const WriteOptions& options) noexcept {
  AwaitRequest request{first_operation, last_operation, to_goal(options.goal), options.wait_ms};
  KVSWARM_ASSIGN_OR_RETURN(const auto outcome, call<node::WriteOutcome>(request));
  return to_report(outcome, options.goal);
}

Result<std::string> GatewayClient::receipt(std::uint64_t first_operation,
                                           std::uint64_t last_operation) noexcept {
  KVSWARM_ASSIGN_OR_RETURN(auto file,
                           call<node::SavedFile>(ReceiptRequest{first_operation, last_operation}));
  return std::move(file.bytes);
}

Result<GetResult> GatewayClient::get(const std::string& key, const GetOptions& options) noexcept {
  KVSWARM_ASSIGN_OR_RETURN(GetRequest request, to_get_request(key, timeout_ms_, options));
  KVSWARM_ASSIGN_OR_RETURN(auto outcome, call<node::GetOutcome>(std::move(request)));
  return to_get_result(std::move(outcome));
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
    const std::function<bool(const Operation& put)>& each) noexcept {
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

Result<std::vector<EvidenceItem>> GatewayClient::evidence() noexcept {
  KVSWARM_ASSIGN_OR_RETURN(auto texts, call<EvidenceTexts>(EvidenceRequest{}));
  std::vector<EvidenceItem> out;
  for (auto& item : texts.items) {
    out.push_back(
        {std::move(item.line), std::move(item.json), std::move(item.name), std::move(item.saved)});
  }
  return out;
}

// Of many steps that come too fast for call() to look at the interruption.
template <class Kind, class Asked>
Result<Kind> GatewayClient::audit_step(Asked request) {
  if (interrupt_) return Status(StatusCode::interrupted, "interrupted");
  request.timeout_ms = timeout_ms_;
  return call<Kind>(std::move(request));
}

Result<AuditReport> GatewayClient::audit(const std::string& node, const AuditEach& each) noexcept {
  const auto id = fixed_from_hex<NodeId>(node);
  if (!id) return Status(StatusCode::usage, "not the id of a node: " + node);
  NetworkAudit::Calls calls;
  calls.audit = [this](AuditRequest request) { return audit_step<AuditPart>(std::move(request)); };
  calls.scan = [this](ScanRequest request) {
    return audit_step<node::ScanOutcome>(std::move(request));
  };
  calls.get = [this](GetRequest request) {
    return audit_step<node::GetOutcome>(std::move(request));
  };
  return NetworkAudit(*id, std::move(calls), each).run();
}

Result<BackupReport> GatewayClient::backup(
    const std::string& path, const std::function<void(const BackupReport&)>& each) noexcept {
  return take_backup({directory_, path, each},
                     [this](BackupRequest request) -> Result<node::BackupPart> {
                       // The parts come too fast for call() to look at it.
                       if (interrupt_ && !request.ends) {
                         return Status(StatusCode::interrupted, "interrupted");
                       }
                       return call<node::BackupPart>(request);
                     });
}

Result<StatusReport> GatewayClient::status() noexcept {
  KVSWARM_ASSIGN_OR_RETURN(const auto texts, call<StatusTexts>(StatusRequest{}));
  return StatusReport{texts.text, texts.json};
}

Result<Config> GatewayClient::document() noexcept {
  KVSWARM_ASSIGN_OR_RETURN(const auto texts, call<StatusTexts>(StatusRequest{}));
  return Config::parse(texts.document);
}

Status check_port(int port) {
  if (port >= -1 && port <= 0xffff) return {};
  return {StatusCode::usage, "port " + std::to_string(port) + " is out of range"};
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
