#include <kvswarm/config.h>
#include <kvswarm/json.h>
#include <kvswarm/verify.h>

#include "output.h"
#include "progress.h"
#include "session.h"
#include "text.h"
#include "verb.h"

namespace kvswarm::cli {

namespace {

class Audit final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe(
        "checks all that a storage node's directory says, or another node's keys, log and receipts",
        "",
        "kvswarm audit -d /tmp/a     # exit 8 while a node runs there\n"
        "kvswarm audit -d /tmp/x --against $A\n"
        "kvswarm audit -d /tmp/x --against $A --save proof && kvswarm verify proof -c config.json");
    flags.text("--against", "ID", &against_,
               "read the keys and the log of this storage node (the first digits of its id will "
               "do), and ask it for every op that it gave this writer a receipt for");
    flags.text(
        "--save", "FILE", &file_,
        "if its state does not follow from its log: a file for kvswarm verify that proves it");
    declare_node(flags, &node_, "give up on a step that takes longer (10s)");
  }

  Status run(const Arguments&) override {
    if (against_.empty()) return audit_own();
    return audit_other();
  }

 private:
  Status audit_other() {
    if (!file_.empty()) {
      if (Status status = check_new_file(file_); !status.ok()) return status;
    }
    Result<std::unique_ptr<Session>> session = Session::open(node_);
    if (!session.ok()) return session.status();
    if (Status status = complete_id((*session)->client()); !status.ok()) return status;
    Progress progress;
    const Result<AuditReport> report =
        (*session)->client().audit(against_, [&progress](const AuditReport& so_far) {
          progress.show("audit: " + counted(so_far.keys, "key") + ", " +
                        counted(so_far.records, "record") + ", " +
                        counted(so_far.operations, "op"));
        });
    progress.clear();
    if (!report.ok()) return report.status();
    if (Status status = show(*report); !status.ok()) return status;
    if (report->contradicted + report->unfounded == 0) return Status();
    if (!file_.empty() && !report->file.empty()) {
      if (Status status = save_file(file_, report->file); !status.ok()) return status;
    }
    return Status(StatusCode::corruption, report->line);
  }

  // status and messages have the first digits of ids.
  Status complete_id(Client& client) {
    constexpr std::size_t kIdDigits = 64;
    if (against_.size() >= kIdDigits) return Status();
    const Result<Config> document = client.document();
    if (!document.ok()) return document.status();
    std::vector<std::string> found;
    for (const auto& [id, capacity] : document->capacities()) {
      if (id.starts_with(against_)) found.push_back(id);
    }
    if (found.size() != 1) {
      return Status(StatusCode::usage, (found.empty() ? "no storage node's id begins with "
                                                      : "several storage nodes' ids begin with ") +
                                           shown(against_));
    }
    against_ = found.front();
    return Status();
  }

  Status audit_own() const {
    if (!file_.empty()) return Status(StatusCode::usage, "--save needs --against ID");
    const Result<std::string> directory = data_directory(node_.directory);
    if (!directory.ok()) return directory.status();
    Interruption interruption;
    Progress progress;
    const Result<DirectoryAuditReport> report =
        audit_directory(*directory, [&progress](const char* what, std::uint64_t done) {
          progress.show("audit: " + with_commas(done) + " " + what);
        });
    progress.clear();
    if (report.status().code() == StatusCode::not_found) {
      return Status(StatusCode::failure, report.status().message());  // exit code 3 is for keys
    }
    if (!report.ok()) return report.status();
    if (node_.json) {
      JsonObject out;
      out.add("node", report->node).add("epoch", report->epoch).add("length", report->length);
      out.add("keys", report->keys).add("blocks", report->blocks);
      return print_line(out.add("replayed", report->replayed).text());
    }
    if (report->length == 0) {
      say("this directory keeps no log, as a storage node's does: there is nothing to audit; "
          "--against ID checks what a writer has from a storage node");
      return Status();
    }
    std::string line = counted(report->length, "record") + " of the log, " +
                       counted(report->keys, "key") + " and " + counted(report->blocks, "block") +
                       " are as they were signed; ";
    if (report->replayed == report->length) {
      line += "the state of every record was computed anew";
    } else {
      line += "from record " + with_commas(report->replayed) +
              " on the state could not be computed anew but for the last one, because ops of then "
              "were overwritten or deleted";
    }
    say(line);
    return Status();
  }

  Status show(const AuditReport& report) const {
    if (node_.json) {
      JsonObject out;
      out.add("node", against_).add("records", report.records).add("keys", report.keys);
      out.add("unfounded", report.unfounded).add("one_state", report.is_one_state);
      out.add("replayed", report.replayed).add("operations", report.operations);
      out.add("as_applied", report.as_applied).add("replaced", report.replaced);
      out.add("absent", report.absent).add("unknown", report.unknown);
      out.add("contradicted", report.contradicted).add("message", report.line);
      return print_line(out.text());
    }
    say(counted(report.records, "record") + " of its log are in order; " + of_keys(report));
    say(counted(report.operations, "op") + " with a receipt: " + with_commas(report.as_applied) +
        " as applied, " + with_commas(report.replaced) + " replaced by a later op, " +
        with_commas(report.absent) + " not there any more, " + with_commas(report.unknown) +
        " of an earlier epoch of its log, " + with_commas(report.contradicted) + " contradicted");
    return Status();
  }
  static std::string of_keys(const AuditReport& report) {
    std::string line = counted(report.keys, "key") + " with the signatures of their writers, " +
                       with_commas(report.unfounded) + " without a record that applied it; ";
    line += report.is_one_state
                ? "they are all that its state has; "
                : "its state changed while it was read, so that they may not be all; ";
    if (report.replayed >= report.records) {
      return line + "the state of every record was computed anew";
    }
    return line + "from record " + with_commas(report.replayed) +
           " on the state could not be computed anew" +
           (report.is_one_state ? " but for the last one" : "") +
           ", because ops of then were overwritten or deleted, or there are too many keys";
  }

  NodeFlags node_;
  std::string against_;
  std::string file_;
};

}  // namespace

std::unique_ptr<Verb> make_audit() { return std::make_unique<Audit>(); }

}  // namespace kvswarm::cli
