// A data directory's node for short work: put, delete, get, export, audit, status.
//
// When no process owns the directory, the client opens it itself and runs the node on a thread of
// its own until it is destroyed. When one does (`kvswarm listen` or `connect`, or a Node), the
// client talks to that process through its control socket. Either way the calls block and mean the
// same. Thread: one at a time. Destroying the client stops what it started, in at most 2 s; ops
// that were queued stay in the outbox.
#pragma once

#include <kvswarm/config.h>
#include <kvswarm/export.h>
#include <kvswarm/operation.h>
#include <kvswarm/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace kvswarm {

struct ClientOptions {
  std::string directory;
  std::string config_path;            // empty: the last document that the directory used
  std::vector<std::string> peers;     // "id@host:port"
  std::uint64_t timeout_ms = 10'000;  // to get hold of the directory, and for each read
  bool create_identity = false;       // otherwise a directory without identity is refused
};

struct EvidenceItem {
  std::string line;  // when, and who contradicted itself how
  std::string json;  // one object on one line
  std::string name;  // for a file
  std::string file;  // the bytes that kvswarm/verify.h checks
};

struct BackupReport {
  std::uint64_t bytes = 0;
  std::uint64_t rows = 0;    // of the store
  std::uint64_t epoch = 0;   // of the node's log
  std::uint64_t length = 0;  // of it; 0: the node keeps none, or an empty one
};

// What was found of a storage node: its log, its keys, and what its state has of the ops that its
// receipts say it applied.
struct AuditReport {
  std::uint64_t records = 0;  // of its log, each in its place, under a head that it signed
  // Of its state, each proven by its writer's signature, and compared with the record that it
  // names.
  std::uint64_t keys = 0;
  std::uint64_t unfounded = 0;  // of them, which their records do not account for
  // They are all keys of one state that it signed, which has no others. False: it changed, each
  // time, while it was read.
  bool is_one_state = false;
  // The state that records below this one sign was computed anew. From the first record on of which
  // an op was overwritten or deleted that cannot be done: a storage node keeps none of those.
  std::uint64_t replayed = 0;
  std::uint64_t operations = 0;  // looked at: the sum of the next five
  std::uint64_t as_applied = 0;  // there, or for a del not there
  std::uint64_t replaced = 0;    // a later op is there
  std::uint64_t absent = 0;      // not there; a later op may have deleted it
  std::uint64_t unknown = 0;     // receipted before the node came back from an older copy, or moved
  std::uint64_t contradicted = 0;  // the state does not follow from the log
  std::string line;  // what is wrong with the first of those, or of the unfounded keys; empty: none
  std::string file;  // that kvswarm/verify.h checks: proof of it; empty: there is none for others
};

struct StatusReport {
  std::string text;  // several lines, for people
  std::string json;  // one object on one line
};

class KVSWARM_EXPORT Client {
 public:
  static Result<std::unique_ptr<Client>> open(const ClientOptions& options) noexcept;
  virtual ~Client() = default;

  // Numbers the ops and stores them durably in the outboxes (D1), then waits for the goal.
  // unauthorised when the document does not list this node as a writer: then nothing is queued.
  // A goal that is not reached in time is no error: see WriteReport::reached.
  virtual Result<WriteReport> write(const std::vector<Operation>& operations,
                                    const WriteOptions& options) noexcept = 0;

  // Waits until all ops first .. last reached the goal or `wait_ms` passed. Only `queued`,
  // `refused` and `why` of the destinations are filled in.
  virtual Result<WriteReport> await(std::uint64_t first_operation, std::uint64_t last_operation,
                                    const WriteOptions& options) noexcept = 0;

  // The receipts of the ops first .. last as a file for others (kvswarm/verify.h). unavailable when
  // some have none here yet, were refused without one, or are too old; failure when they are too
  // many for one file.
  virtual Result<std::string> receipt(std::uint64_t first_operation,
                                      std::uint64_t last_operation) noexcept = 0;

  // One key, from the node that holds it: what it has, or that it has nothing, checked against the
  // state that this node signed, a value with its writer's signature too. unavailable, timed_out,
  // moving, corruption; usage.
  virtual Result<GetResult> get(const std::string& key, const GetOptions& options) noexcept = 0;
  Result<GetResult> get(const std::string& key) noexcept { return get(key, {}); }

  // Every key of the swarm, each checked as get does, in no particular order; nothing is left out
  // of the state that a holder signed. `each` returns false to stop early. Holders that cannot be
  // read are listed in the report.
  virtual Result<ExportReport> export_all(
      const std::function<bool(const Operation& put)>& each) noexcept = 0;

  // What proves, or suggests, that somebody contradicted itself, newest first.
  virtual Result<std::vector<EvidenceItem>> evidence() noexcept = 0;

  // Checks a storage node (promise A4): reads all its keys and all records of its log, holds the
  // ones against the others, and asks for every op that it gave this writer a receipt for and that
  // is still kept here (7 days or 256 MiB). `each`, which may be empty, is told how far it is.
  // usage: no storage node; unavailable, timed_out, interrupted; corruption when the records are no
  // log, a writer was not listed, a state that they sign is not what they make, or answers prove
  // nothing.
  virtual Result<AuditReport> audit(
      const std::string& node,
      const std::function<void(const AuditReport& so_far)>& each) noexcept = 0;

  // Makes the file `path` (mode 0600, never in another's place), a copy of the node as it was at
  // one moment after the call: everything acknowledged before is in it. The node goes on meanwhile.
  // **The file holds the node's secret key.** kvswarm/restore.h puts it back. `each`, which may be
  // empty, is told how far it is. After an error there is no such file: usage (the name is taken),
  // disk_full, unavailable (two are being taken, or this one took a break of a minute),
  // interrupted, corruption.
  virtual Result<BackupReport> backup(
      const std::string& path,
      const std::function<void(const BackupReport& so_far)>& each) noexcept = 0;

  virtual Result<StatusReport> status() noexcept = 0;

  // The document in force.
  virtual Result<Config> document() noexcept = 0;

  // Makes a blocked call return `interrupted` soon, unless its answer is there; a write with goal
  // `queued` goes on until the ops are durable. Safe from a signal handler's thread and from
  // the handler itself (it only stores a flag and writes to a pipe).
  virtual void interrupt() noexcept = 0;
};

}  // namespace kvswarm
