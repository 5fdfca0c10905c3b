#include <kvswarm/json.h>

#include "output.h"
#include "progress.h"
#include "session.h"
#include "text.h"
#include "verb.h"

namespace kvswarm::cli {

namespace {

class Backup final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe(
        "copies a node, its secret key included, into one new file, also while it runs", "FILE",
        "kvswarm backup -d /tmp/a a.backup\nkvswarm restore -d /tmp/new --from a.backup");
    flags.words(1, 1);
    declare_node(flags, &node_, "give up getting hold of the directory after this time (10s)");
  }

  Status run(const Arguments& arguments) override {
    const std::string& path = arguments.words.front();
    if (Status status = check_new_file(path); !status.ok()) return status;
    Result<std::unique_ptr<Session>> session = Session::open(node_);
    if (!session.ok()) return session.status();
    Progress progress;
    const Result<BackupReport> report =
        (*session)->client().backup(path, [&progress](const BackupReport& so_far) {
          progress.show("backup: " + counted(so_far.rows, "row") + ", " +
                        counted(so_far.bytes, "byte"));
        });
    progress.clear();
    if (!report.ok()) return report.status();
    if (node_.json) {
      JsonObject out;
      out.add("file", path).add("bytes", report->bytes).add("rows", report->rows);
      out.add("epoch", report->epoch).add("length", report->length);
      return print_line(out.text());
    }
    std::string line = "backup: " + counted(report->rows, "row") + " in " +
                       counted(report->bytes, "byte") + ", the secret key among them";
    if (report->length > 0) line += "; the log has " + counted(report->length, "record");
    say(line);
    return Status();
  }

 private:
  NodeFlags node_;
};

}  // namespace

std::unique_ptr<Verb> make_backup() { return std::make_unique<Backup>(); }

}  // namespace kvswarm::cli
