#include "run_node.h"
#include "verb.h"

namespace kvswarm::cli {

namespace {

class Connect final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe("runs a node that reaches others but is not reached, until SIGINT or SIGTERM",
                   "", "kvswarm -c config.json -d /tmp/x connect");
    declare_run(flags, &run_);
  }

  Status run(const Arguments&) override { return run_node(run_, NodeOptions()); }

 private:
  RunFlags run_;
};

}  // namespace

std::unique_ptr<Verb> make_connect() { return std::make_unique<Connect>(); }

}  // namespace kvswarm::cli
