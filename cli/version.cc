#include <kvswarm/json.h>
#include <kvswarm/version.h>

#include "output.h"
#include "session.h"
#include "verb.h"

namespace kvswarm::cli {

namespace {

class Version final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe("prints the version of this program", "", "kvswarm version");
    declare_json(flags, &json_);
  }

  Status run(const Arguments&) override {
    if (json_) return print_line(JsonObject().add("version", version()).text());
    return print_line(std::string("kvswarm ") + version());
  }

 private:
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_version() { return std::make_unique<Version>(); }

}  // namespace kvswarm::cli
