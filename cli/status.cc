#include "output.h"
#include "session.h"
#include "verb.h"

namespace kvswarm::cli {

namespace {

class StatusVerb final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe("says how a data directory's node stands, and why it is not syncing", "",
                   "kvswarm status -d /tmp/x");
    declare_node(flags, &node_, "give up getting hold of the directory after this time (10s)");
  }

  Status run(const Arguments&) override {
    Result<std::unique_ptr<Session>> session = Session::open(node_);
    if (!session.ok()) return session.status();
    const Result<StatusReport> report = (*session)->client().status();
    if (!report.ok()) return report.status();
    if (node_.json) return print_line(report->json);
    return report->text.ends_with('\n') ? print(report->text) : print_line(report->text);
  }

 private:
  NodeFlags node_;
};

}  // namespace

std::unique_ptr<Verb> make_status() { return std::make_unique<StatusVerb>(); }

}  // namespace kvswarm::cli
