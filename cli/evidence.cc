#include <kvswarm/verify.h>
#include <sys/stat.h>

#include <cerrno>

#include "output.h"
#include "session.h"
#include "text.h"
#include "verb.h"

namespace kvswarm::cli {

namespace {

class Evidence final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe("shows who contradicted itself, as this node noticed or was told", "",
                   "kvswarm evidence -d /tmp/x\n"
                   "kvswarm evidence -d /tmp/x --save found");
    flags.text("--save", "FOLDER", &folder_,
               "save each as a file for kvswarm verify; those that are there stay");
    declare_node(flags, &node_, "give up getting hold of the directory after this time (10s)");
  }

  Status run(const Arguments&) override {
    Result<std::unique_ptr<Session>> session = Session::open(node_);
    if (!session.ok()) return session.status();
    const Result<std::vector<EvidenceItem>> items = (*session)->client().evidence();
    if (!items.ok()) return items.status();
    for (const EvidenceItem& item : *items) {
      if (Status status = print_line(node_.json ? item.json : item.line); !status.ok()) {
        return status;
      }
    }
    if (items->empty()) say("no evidence against anybody");
    return folder_.empty() ? Status() : save(*items);
  }

 private:
  Status save(const std::vector<EvidenceItem>& items) const {
    if (mkdir(folder_.c_str(), 0777) != 0 && errno != EEXIST) {
      return system_error("cannot make " + folder_, errno);
    }
    for (const EvidenceItem& item : items) {
      const std::string path = folder_ + "/" + item.name;
      if (!check_new_file(path).ok()) continue;
      if (Status status = save_file(path, item.file); !status.ok()) return status;
    }
    return Status();
  }

  NodeFlags node_;
  std::string folder_;
};

}  // namespace

std::unique_ptr<Verb> make_evidence() { return std::make_unique<Evidence>(); }

}  // namespace kvswarm::cli
