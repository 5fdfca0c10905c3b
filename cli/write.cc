// Two steps, so that what is said after Ctrl-C is true: first the ops become durable in the
// outboxes, then this waits to see them delivered.
#include <kvswarm/operation.h>
#include <kvswarm/verify.h>

#include "input.h"
#include "output.h"
#include "session.h"
#include "text.h"
#include "verb.h"
#include "write_report.h"

namespace kvswarm::cli {

namespace {

constexpr std::uint64_t kDefaultWaitMs = 3000;
constexpr std::size_t kValueBytes = 4 * 1024 * 1024;

Result<std::vector<Operation>> operations_of(const std::vector<DynamicFlag>& flags) {
  std::vector<Operation> operations;
  for (const DynamicFlag& flag : flags) {
    Operation operation;
    operation.key = flag.name;
    if (flag.kind == DynamicFlag::Kind::del) {
      operation.kind = Operation::Kind::del;
    } else if (flag.kind == DynamicFlag::Kind::put_file) {
      Result<std::string> bytes = read_whole_file(flag.value, kValueBytes);
      if (!bytes.ok()) return bytes.status().with_context("key " + shown(flag.name));
      operation.value = std::move(*bytes);
    } else {
      operation.value = flag.value;
    }
    if (Status status = check_operation(operation); !status.ok()) return status;
    operations.push_back(std::move(operation));
  }
  return operations;
}

class Write final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe("queues puts and deletes durably, then tries to deliver them", "",
                   "kvswarm -c config.json -d /tmp/x write --put.greeting=hi\n"
                   "kvswarm -d /tmp/x write --put-file.logo=logo.png --del.greeting --receipt");
    flags.note("--put.KEY=VALUE", "write a value; KEY ends at the first '=' and may hold dots");
    flags.note("--put.KEY VALUE", "the same; VALUE must not begin with '-'");
    flags.note("--put-file.KEY=PATH", "write what a file holds, byte for byte");
    flags.note("--del.KEY", "delete; KEY is everything behind the dot");
    flags.toggle("--ack", &ack_, "exit 6 unless the storage nodes have it within --timeout");
    flags.toggle("--receipt", &receipt_, "exit 6 unless receipts are here within --timeout");
    flags.text("--receipt-file", "FILE", &receipt_file_,
               "--receipt, and save what anyone can check with kvswarm verify");
    flags.duration("--wait", &wait_ms_, "without these: try to deliver for so long (3s)");
    flags.toggle("--queue", &queue_, "only queue: the same as --wait 0");
    declare_node(flags, &node_, "limits --ack and --receipt (10s)");
  }

  bool accepts(DynamicFlag::Kind kind) const override {
    return kind != DynamicFlag::Kind::capacity;
  }

  Status run(const Arguments& arguments) override {
    if (arguments.dynamic.empty()) {
      return Status(StatusCode::usage, "nothing to write; give --put.KEY=VALUE or --del.KEY");
    }
    if (queue_ && (ack_ || receipt_ || !receipt_file_.empty())) {
      return Status(StatusCode::usage, "--queue does not wait: it excludes --ack and --receipt");
    }
    if (node_.timeout_ms && !ack_ && !receipt_ && receipt_file_.empty()) {
      return Status(StatusCode::usage, "--timeout limits --ack and --receipt; otherwise --wait");
    }
    if (wait_ms_ && (ack_ || receipt_ || !receipt_file_.empty())) {
      return Status(StatusCode::usage,
                    "--wait is for writes without --ack and --receipt; --timeout limits these");
    }
    if (!receipt_file_.empty()) {
      receipt_ = true;
      if (Status status = check_new_file(receipt_file_); !status.ok()) return status;
    }
    // All of them, before anything is written.
    const Result<std::vector<Operation>> operations = operations_of(arguments.dynamic);
    if (!operations.ok()) return operations.status();
    Result<std::unique_ptr<Session>> session = Session::open(node_);
    if (!session.ok()) return session.status();
    return write(**session, *operations);
  }

 private:
  // How far the ops must get, and how long that may take.
  WriteOptions goal() const {
    WriteOptions options;
    options.goal = ack_ && !receipt_ ? WriteGoal::stored : WriteGoal::receipted;
    if (ack_ || receipt_) {
      options.wait_ms = node_.timeout_ms.value_or(kDefaultTimeoutMs);
    } else {
      options.wait_ms = queue_ ? 0 : wait_ms_.value_or(kDefaultWaitMs);
    }
    return options;
  }

  Status write(Session& session, const std::vector<Operation>& operations) const {
    WriteOptions only_queue;
    only_queue.goal = WriteGoal::queued;
    only_queue.wait_ms = 0;
    const Result<WriteReport> written = session.client().write(operations, only_queue);
    if (!written.ok()) return written.status();

    const WriteOptions options = goal();
    const Result<WriteReport> awaited =
        session.interruption().requested()
            ? Result<WriteReport>(Status(StatusCode::interrupted, "interrupted"))
            : session.client().await(written->first_operation, written->last_operation, options);
    if (!awaited.ok()) {
      const std::string safe = "; " + counted(operations.size(), "op") +
                               (operations.size() == 1 ? " is" : " are") +
                               " safe in the outbox, numbered " + range(*written);
      return Status(awaited.status().code(), awaited.status().message() + safe);
    }
    const WriteReport report = merged(*written, *awaited, options.goal);
    const Status told = tell(report, options);
    if (receipt_file_.empty()) return told;
    const Status saved = report.reached ? save_receipt(session, report)
                                        : Status(told.code(), told.message() + later(report));
    return saved.ok() ? told : saved;
  }

  static std::string range(const WriteReport& report) {
    return std::to_string(report.first_operation) + ".." + std::to_string(report.last_operation);
  }
  std::string command(const WriteReport& report) const {
    const std::string directory = node_.directory.empty() ? "" : " -d " + node_.directory;
    return "kvswarm receipt" + directory + " --ops " + range(report) + " " + receipt_file_;
  }
  std::string later(const WriteReport& report) const {
    return "; once they have their receipts: " + command(report);
  }

  Status save_receipt(Session& session, const WriteReport& report) const {
    const Result<std::string> file =
        session.client().receipt(report.first_operation, report.last_operation);
    const Status status = file.ok() ? save_file(receipt_file_, *file) : file.status();
    if (status.ok()) return status;
    return Status(status.code(),
                  status.message() +
                      "; the ops are applied, and their receipts are kept: " + command(report));
  }

  Status tell(const WriteReport& report, const WriteOptions& options) const {
    std::uint64_t refused = 0;
    for (const DestinationReport& destination : report.destinations) {
      say(describe(destination));
      refused += destination.refused;
    }
    if (const std::uint64_t waiting = without_destination(report); waiting > 0) {
      say(counted(waiting, "op") + " queued, for no node yet (the map is changing)");
    }
    if (node_.json) {
      if (Status status = print_line(report_json(report, options.goal)); !status.ok()) {
        return status;
      }
    }
    if (Status status = say_refused(report.refused, refused); !status.ok()) return status;
    if (report.reached || !(ack_ || receipt_)) return Status();
    for (const DestinationReport& destination : report.destinations) {
      if (destination.refusal == StatusCode::ok) continue;
      return Status(destination.refusal, destination.why + "; the ops stay queued");
    }
    return Status(StatusCode::timed_out, std::string(receipt_ ? "no receipt" : "not acknowledged") +
                                             " within " + with_commas(options.wait_ms) +
                                             " ms; the ops stay queued");
  }

  NodeFlags node_;
  bool ack_ = false;
  bool receipt_ = false;
  bool queue_ = false;
  std::string receipt_file_;
  std::optional<std::uint64_t> wait_ms_;
};

}  // namespace

std::unique_ptr<Verb> make_write() { return std::make_unique<Write>(); }

}  // namespace kvswarm::cli
