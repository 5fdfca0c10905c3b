#include <fcntl.h>
#include <kvswarm/config.h>
#include <kvswarm/json.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

#include "nearest.h"
#include "output.h"
#include "session.h"
#include "text.h"
#include "verb.h"

namespace kvswarm::cli {

namespace {

// Keeps a second `config update` in the same folder waiting, so that two never make two different
// documents of one number. The folder is locked, not the file, which is replaced. Where it cannot
// be locked, the update goes on without.
class FolderLock {
 public:
  explicit FolderLock(const std::string& file) {
    const auto slash = file.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : file.substr(0, slash + 1);
    fd_ = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd_ >= 0) static_cast<void>(flock(fd_, LOCK_EX));
  }
  ~FolderLock() {
    if (fd_ >= 0) close(fd_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_ = -1;
};

class ConfigVerb final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe(
        "config update: makes the next document from a file and puts it in the file's place",
        "update",
        "kvswarm config update -c config.json --capacity.$D=8 --writer=$Z --dry-run\n"
        "kvswarm config update -c config.json --capacity.$D=8 --writer=$Z");
    flags.words(1, 1);
    flags.text("-c,--config", "FILE", &config_, "document to change (else $KVSWARM_CONFIG)");
    flags.note("--capacity.ID=N", "a storage node's new share; 0 takes its slices away");
    flags.list("--writer", "ID", &writers_, "a node that may write from now on");
    flags.list("--remove-writer", "ID", &removed_, "a node that may write no more");
    flags.toggle("--dry-run", &dry_run_, "only say what each node would gain or lose");
    declare_json(flags, &json_);
  }

  bool accepts(DynamicFlag::Kind kind) const override {
    return kind == DynamicFlag::Kind::capacity;
  }

  Status run(const Arguments& arguments) override {
    const std::string& action = arguments.words.front();
    if (action != "update") {
      const bool near = !nearest(action, {"update"}).empty();
      return Status(StatusCode::usage, "unknown config verb " + shown(action) +
                                           (near ? "; did you mean update?"
                                                 : "; there is only kvswarm config update"));
    }
    const std::string path = config_path(config_);
    if (path.empty()) {
      return Status(StatusCode::usage, "config update needs -c FILE (or KVSWARM_CONFIG)");
    }
    const Result<Capacities> capacities = capacities_of(arguments.dynamic);
    if (!capacities.ok()) return capacities.status();
    ConfigUpdate changes;
    changes.capacities = *capacities;
    changes.add_writers = writers_;
    changes.remove_writers = removed_;
    if (changes.capacities.empty() && writers_.empty() && removed_.empty()) {
      return Status(StatusCode::usage,
                    "config update: nothing to change; give --capacity.ID=N, --writer=ID or "
                    "--remove-writer=ID");
    }
    return update(path, changes);
  }

 private:
  Status update(const std::string& path, const ConfigUpdate& changes) const {
    std::error_code error;
    const auto canonical = std::filesystem::canonical(path, error);  // a link goes on leading there
    const std::string target = error ? path : canonical.string();
    const FolderLock lock(target);
    const Result<Config> before = Config::load(path);
    if (!before.ok()) return before.status();
    const Result<Config> after = before->update(changes);
    if (!after.ok()) return after.status();
    if (dry_run_) {
      if (json_) return print_line(before->changes_json(*after));
      return print(before->changes_text(*after));
    }
    if (Status saved = after->save(target); !saved.ok()) return saved;
    say(path + " is now document " + std::to_string(after->number()) + " (" +
        short_id(after->hash()) +
        "); what was written under an older one is verified with a copy " + "of that one");
    if (!changes.capacities.empty()) {
      say("data does not move yet: every key, new ones too, stays with the node that document 1 "
          "gave it to");
    }
    if (!json_) return Status();
    return print_line(JsonObject()
                          .add("file", path)
                          .add("number", after->number())
                          .add("hash", after->hash())
                          .add("swarm", after->swarm_id())
                          .text());
  }

  std::string config_;
  std::vector<std::string> writers_;
  std::vector<std::string> removed_;
  bool dry_run_ = false;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_config() { return std::make_unique<ConfigVerb>(); }

}  // namespace kvswarm::cli
