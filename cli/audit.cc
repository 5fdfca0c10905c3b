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
        "asks a storage node for every op that it gave this writer a receipt for", "",
        "kvswarm audit -d /tmp/x --against $A\n"
        "kvswarm audit -d /tmp/x --against $A --save proof && kvswarm verify proof -c config.json");
    flags.text("--against", "ID", &against_, "the storage node");
    flags.text(
        "--save", "FILE", &file_,
        "if its state does not follow from its log: a file for kvswarm verify that proves it");
    declare_node(flags, &node_, "give up on a step that takes longer (10s)");
  }

  Status run(const Arguments&) override {
    if (against_.empty()) return Status(StatusCode::usage, "audit needs --against ID");
    if (!file_.empty()) {
      if (Status status = check_new_file(file_); !status.ok()) return status;
    }
    Result<std::unique_ptr<Session>> session = Session::open(node_);
    if (!session.ok()) return session.status();
    Progress progress;
    const Result<AuditReport> report =
        (*session)->client().audit(against_, [&progress](const AuditReport& so_far) {
          progress.show("audit: " + counted(so_far.operations, "op"));
        });
    progress.clear();
    if (!report.ok()) return report.status();
    if (Status status = show(*report); !status.ok()) return status;
    if (report->contradicted == 0) return Status();
    if (!file_.empty()) {
      if (Status status = save_file(file_, report->file); !status.ok()) return status;
    }
    return Status(StatusCode::corruption, report->line);
  }

 private:
  Status show(const AuditReport& report) const {
    if (node_.json) {
      JsonObject out;
      out.add("node", against_).add("operations", report.operations);
      out.add("as_applied", report.as_applied).add("replaced", report.replaced);
      out.add("absent", report.absent).add("unknown", report.unknown);
      out.add("contradicted", report.contradicted).add("message", report.line);
      return print_line(out.text());
    }
    say(counted(report.operations, "op") + " with a receipt: " + with_commas(report.as_applied) +
        " as applied, " + with_commas(report.replaced) + " replaced by a later op, " +
        with_commas(report.absent) + " not there any more, " + with_commas(report.unknown) +
        " of an earlier epoch, " + with_commas(report.contradicted) + " contradicted");
    return Status();
  }

  NodeFlags node_;
  std::string against_;
  std::string file_;
};

}  // namespace

std::unique_ptr<Verb> make_audit() { return std::make_unique<Audit>(); }

}  // namespace kvswarm::cli
