// Lines become ops in batches; each batch is durable in the outboxes before the next is read, and
// receipts are waited for from the oldest batch on. What is in flight is bounded by kAheadBytes,
// so an import of any size needs little memory here and in the outboxes' way.
#include <kvswarm/json.h>
#include <kvswarm/operation.h>

#include <algorithm>
#include <chrono>
#include <deque>

#include "input.h"
#include "output.h"
#include "progress.h"
#include "session.h"
#include "text.h"
#include "verb.h"
#include "write_report.h"

namespace kvswarm::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatchLines = 1000;
constexpr std::size_t kBatchBytes = 1024 * 1024;
constexpr std::uint64_t kAheadBytes = 64 * 1024 * 1024;
constexpr std::uint64_t kSliceMs = 200;  // how long one wait keeps the progress line waiting
constexpr std::uint64_t kDefaultStallMs = 30'000;
constexpr std::size_t kKeptRefusals = 100;

// One run of `import`.
class Importer {
 public:
  // With `wait` false it does not wait for receipts. `stall_ms`: give up when for so long nothing
  // was receipted.
  Importer(Session& session, LineReader& reader, bool wait, std::uint64_t stall_ms)
      : session_(session), reader_(reader), wait_(wait), stall_ms_(stall_ms) {}

  Status run() {
    Status status = read_lines();
    if (status.ok() && wait_) status = drain(0);
    progress_.clear();
    if (status.ok()) return tell();
    if (status.code() == StatusCode::interrupted) {
      return Status(status.code(), "interrupted; " + in_outbox());
    }
    const bool says_so = queued_ == 0 && status.message().ends_with(in_outbox());
    return says_so ? status : Status(status.code(), status.message() + "; " + in_outbox());
  }

  std::string summary_json() const {
    return JsonObject()
        .add("lines", line_number_)
        .add("operations", queued_)
        .add("receipted", receipted_)
        .add("refused", refused_count_)
        .text();
  }

 private:
  struct Batch {
    std::uint64_t first = 0;  // op numbers
    std::uint64_t last = 0;
    std::uint64_t bytes = 0;
  };

  Status read_lines() {
    std::string line;
    while (true) {
      switch (reader_.next(session_.interruption(), &line)) {
        case LineReader::Event::line:
          if (Status status = take(line); !status.ok()) return status;
          break;
        case LineReader::Event::idle:
          if (Status status = write_batch(); !status.ok()) return status;
          break;
        case LineReader::Event::end: return write_batch();
        case LineReader::Event::interrupted: return interrupted();
        case LineReader::Event::failed: return bad_line(line_number_ + 1, reader_.status());
      }
    }
  }

  Status take(const std::string& line) {
    ++line_number_;
    // An empty line says nothing, and files often end with one.
    if (line.find_first_not_of(" \t\r") == std::string::npos) return Status();
    Result<Operation> operation = parse_operation_line(line);
    if (!operation.ok()) return bad_line(line_number_, operation.status());
    if (Status status = check_operation(*operation); !status.ok()) {
      return bad_line(line_number_, status);
    }
    batch_bytes_ += operation->key.size() + operation->value.size();
    batch_.push_back(std::move(*operation));
    if (batch_.size() < kBatchLines && batch_bytes_ < kBatchBytes) return Status();
    return write_batch();
  }

  // What stood before the bad line is good: it is queued.
  Status bad_line(std::uint64_t number, const Status& why) {
    if (Status status = write_batch(); !status.ok()) return status;
    bad_line_ = true;
    return why.with_context("line " + std::to_string(number));
  }

  Status write_batch() {
    show_progress();
    if (batch_.empty()) return Status();
    WriteOptions only_queue;
    only_queue.goal = WriteGoal::queued;
    only_queue.wait_ms = 0;
    const Result<WriteReport> written = session_.client().write(batch_, only_queue);
    if (!written.ok()) return written.status();
    queued_ += batch_.size();
    Batch batch;
    batch.first = written->first_operation;
    batch.last = written->last_operation;
    batch.bytes = batch_bytes_;
    if (wait_) {
      waiting_.push_back(batch);
      waiting_bytes_ += batch.bytes;
    }
    batch_.clear();
    batch_bytes_ = 0;
    if (session_.interruption().requested()) return interrupted();
    return drain(kAheadBytes);
  }

  // Waits until at most `bytes` have no receipt.
  Status drain(std::uint64_t bytes) {
    last_progress_ = Clock::now();
    while (!waiting_.empty() && (waiting_bytes_ > bytes || bytes == 0)) {
      WriteOptions options;
      options.goal = WriteGoal::receipted;
      options.wait_ms = std::min(kSliceMs, stall_ms_);
      const Batch& oldest = waiting_.front();
      const Result<WriteReport> report =
          session_.client().await(oldest.first, oldest.last, options);
      if (!report.ok()) return report.status();
      if (Status status = look_at(*report); !status.ok()) return status;
      show_progress();
    }
    return Status();
  }

  Status look_at(const WriteReport& report) {
    std::uint64_t queued = 0;
    std::uint64_t refused = 0;
    std::string why;
    for (const DestinationReport& destination : report.destinations) {
      queued += destination.queued;
      refused += destination.refused;
      if (!destination.why.empty()) why = short_id(destination.node) + ": " + destination.why;
    }
    const auto now = Clock::now();
    if (report.reached) {
      const Batch oldest = waiting_.front();
      receipted_ += oldest.last - oldest.first + 1;
      waiting_bytes_ -= oldest.bytes;
      waiting_.pop_front();
      refused_count_ += std::max<std::uint64_t>(refused, report.refused.size());
      for (const RefusedOperation& operation : report.refused) {
        if (refused_.size() < kKeptRefusals) refused_.push_back(operation);
      }
    }
    if (report.reached || queued < oldest_queued_) last_progress_ = now;
    oldest_queued_ = report.reached ? UINT64_MAX : queued;
    if (now - last_progress_ < std::chrono::milliseconds(stall_ms_)) return Status();
    return Status(StatusCode::timed_out, "no receipt for " + with_commas(stall_ms_) + " ms" +
                                             (why.empty() ? "" : " (" + why + ")"));
  }

  Status tell() const {
    say("imported " + counted(queued_, "op") + ": " +
        (wait_ ? with_commas(receipted_) + " with receipt" : "queued"));
    return say_refused(refused_, refused_count_);
  }

  void show_progress() {
    std::string text = counted(queued_, "op") + " queued";
    if (wait_) text += ", " + with_commas(receipted_) + " with receipt";
    double part = -1;
    if (reader_.total_bytes() > 0) {
      part = static_cast<double>(reader_.bytes_read()) / static_cast<double>(reader_.total_bytes());
      const double done = static_cast<double>(wait_ ? receipted_ : queued_);
      part *= queued_ > 0 ? done / static_cast<double>(queued_) : 0;
    }
    progress_.show("import: " + text, part);
  }

  Status interrupted() const { return Status(StatusCode::interrupted, "interrupted"); }

  std::string in_outbox() const {
    if (queued_ == 0) return "nothing was queued";
    return counted(queued_, "line") + (bad_line_ ? " before it" : "") +
           (queued_ == 1 ? " was" : " were") +
           " queued, safe in the outbox until the storage nodes have them";
  }

  Session& session_;
  LineReader& reader_;
  const bool wait_;
  const std::uint64_t stall_ms_;
  Progress progress_;
  bool bad_line_ = false;
  std::uint64_t line_number_ = 0;  // of the line read last, from 1
  std::vector<Operation> batch_;
  std::uint64_t batch_bytes_ = 0;
  std::deque<Batch> waiting_;  // without all their receipts, oldest first
  std::uint64_t waiting_bytes_ = 0;
  std::uint64_t oldest_queued_ = UINT64_MAX;  // ops of the oldest batch not yet acknowledged
  Clock::time_point last_progress_;
  std::uint64_t queued_ = 0;
  std::uint64_t receipted_ = 0;
  std::uint64_t refused_count_ = 0;
  std::vector<RefusedOperation> refused_;
};

class Import final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe("writes what a file of newline-delimited JSON says, and waits for receipts",
                   "FILE|-",
                   "echo '{\"key\":\"k\",\"value\":\"v\"}' | kvswarm -d /tmp/x import -\n"
                   "kvswarm -c config.json -d /tmp/x import data.ndjson");
    flags.note("lines", "{\"key\":\"k\",\"value\":\"v\"} or {\"key\":\"k\",\"delete\":true}");
    flags.note("", "key_base64, value_base64 for bytes that are not UTF-8");
    flags.words(1, 1);
    flags.toggle("--queue", &queue_, "only queue, do not wait for receipts");
    declare_node(flags, &node_, "exit 6 when no receipt comes for so long (30s)");
  }

  Status run(const Arguments& arguments) override {
    Result<LineReader> reader = LineReader::open(arguments.words[0]);
    if (!reader.ok()) return reader.status();
    Result<std::unique_ptr<Session>> session = Session::open(node_);
    if (!session.ok()) return session.status();
    Importer importer(**session, *reader, !queue_, node_.timeout_ms.value_or(kDefaultStallMs));
    const Status status = importer.run();
    if (node_.json) {
      if (Status printed = print_line(importer.summary_json()); !printed.ok()) return printed;
    }
    return status;
  }

 private:
  NodeFlags node_;
  bool queue_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_import() { return std::make_unique<Import>(); }

}  // namespace kvswarm::cli
