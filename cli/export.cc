#include "output.h"
#include "progress.h"
#include "session.h"
#include "text.h"
#include "verb.h"

namespace kvswarm::cli {

namespace {

class Export final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe(
        "writes every key of the swarm, one JSON object per line, as import reads it; takes the "
        "place of an earlier FILE once it is whole",
        "[FILE|-]", "kvswarm -d /tmp/x export swarm.ndjson");
    flags.words(0, 1);
    declare_node(flags, &node_, "limits each read (10s)");
  }

  Status run(const Arguments& arguments) override {
    Result<std::unique_ptr<Session>> session = Session::open(node_);
    if (!session.ok()) return session.status();
    // An earlier export stays until this one is whole.
    Result<Output> output = Output::create(arguments.words.empty() ? "-" : arguments.words[0]);
    if (!output.ok()) return output.status();

    Progress progress;
    std::uint64_t keys = 0;
    const Result<ExportReport> report = (*session)->client().export_all([&](const Operation& put) {
      output->write(operation_line(put));
      output->write("\n");
      progress.show("export: " + counted(++keys, "key"));
      return output->ok();
    });
    progress.clear();
    if (!output->ok() || (!report.ok() && output->has_its_name())) {
      if (const Status written = output->finish(); !written.ok()) return written;
    }
    if (!report.ok()) return report.status();
    const bool leaves_older = !report->missing.empty() && output->takes_a_place();
    if (!leaves_older) {
      if (const Status written = output->finish(); !written.ok()) return written;
    }
    say("exported " + counted(report->keys, "key") +
        (leaves_older ? ", and left " + output->name() + " as it was" : ""));
    for (const ExportReport::Missing& missing : report->missing) {
      say("missing: the keys of " + missing.node + " (" + missing.why + ")");
    }
    if (report->missing.empty()) return Status();
    return Status(StatusCode::unavailable,
                  "the export is not whole: " + counted(report->missing.size(), "storage node") +
                      " could not be read");
  }

 private:
  NodeFlags node_;
};

}  // namespace

std::unique_ptr<Verb> make_export() { return std::make_unique<Export>(); }

}  // namespace kvswarm::cli
