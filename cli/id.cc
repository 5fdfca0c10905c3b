#include <kvswarm/identity.h>
#include <kvswarm/json.h>

#include "output.h"
#include "session.h"
#include "verb.h"

namespace kvswarm::cli {

namespace {

class Id final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe("prints the id of a data directory, making its identity first if there is none",
                   "", "A=$(kvswarm id -d /tmp/a)");
    declare_directory(flags, &directory_);
    declare_json(flags, &json_);
  }

  Status run(const Arguments&) override {
    const Result<std::string> directory = data_directory(directory_);
    if (!directory.ok()) return directory.status();
    const Result<std::string> id = open_identity(*directory);
    if (!id.ok()) return id.status();
    return print_line(json_ ? JsonObject().add("id", *id).text() : *id);
  }

 private:
  std::string directory_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_id() { return std::make_unique<Id>(); }

}  // namespace kvswarm::cli
