// The verbs of a node as values: what a client asks and what comes back, whether the node runs in
// this process (runtime.h) or behind a control socket (control_client.h).
#pragma once

#include <atomic>
#include <variant>
#include <vector>

#include "node/events.h"

namespace kvswarm {

struct GetRequest {
  Bytes key;
  std::uint64_t timeout_ms = 0;
  bool proof = false;                    // as event::Get
  std::vector<log::SignedHead> after{};  // likewise
};
struct ScanRequest {
  NodeId holder;
  Address from;
  std::uint64_t timeout_ms = 0;
  bool for_audit = false;  // as event::Scan
};
struct WriteRequest {
  std::vector<node::WriteOp> ops;
  node::Goal goal = node::Goal::receipted;
  std::uint64_t wait_ms = 0;
};
struct AwaitRequest {
  std::uint64_t first_op = 0;
  std::uint64_t last_op = 0;
  node::Goal goal = node::Goal::receipted;
  std::uint64_t wait_ms = 0;
};
struct StatusRequest {};
struct EvidenceRequest {};
struct ReceiptRequest {
  std::uint64_t first_op = 0;
  std::uint64_t last_op = 0;
};
struct AuditRequest {  // as node::event::Audit
  NodeId node;
  node::Outbox::OpPlace from;
  std::uint64_t timeout_ms = 0;
  std::optional<std::uint64_t> records_from{};
  Bytes evidence{};
};
struct BackupRequest {  // as node::request::ReadBackup
  std::uint64_t number = 0;
  bool ends = false;
};

using Request = std::variant<GetRequest, ScanRequest, WriteRequest, AwaitRequest, StatusRequest,
                             ReceiptRequest, EvidenceRequest, BackupRequest, AuditRequest>;

struct EvidenceTexts {
  struct Item {
    std::string line;
    std::string json;
    std::string name;  // for a file
    Bytes saved;
  };
  std::vector<Item> items;  // newest first
};

struct AuditPart {  // as node::AuditOutcome
  std::uint64_t ops = 0;
  std::uint64_t as_applied = 0;
  std::uint64_t replaced = 0;
  std::uint64_t absent = 0;
  std::uint64_t unknown = 0;
  std::uint64_t false_ones = 0;
  std::string line;  // of the first false one; empty: none
  Bytes saved;       // the file that proves it
  std::optional<node::Outbox::OpPlace> next;
  std::vector<Bytes> records;
  std::optional<log::Head> head;
};

struct StatusTexts {
  std::string text;
  std::string json;
  std::string document;         // JSON
  std::vector<NodeId> holders;  // of the swarm
};

using Response = std::variant<node::GetOutcome, node::ScanOutcome, node::WriteOutcome, StatusTexts,
                              node::SavedFile, EvidenceTexts, node::BackupPart, AuditPart>;

class Gateway {
 public:
  virtual ~Gateway() = default;

  // Blocks until the response is there. `interrupted` soon after the flag is raised.
  virtual Result<Response> call(Request request, const std::atomic<bool>& interrupt) = 0;
};

}  // namespace kvswarm
