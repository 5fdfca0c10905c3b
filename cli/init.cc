#include <kvswarm/config.h>

#include "output.h"
#include "session.h"
#include "verb.h"

namespace kvswarm::cli {

namespace {

class Init final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe("makes a new swarm: prints its first document", "",
                   "kvswarm init --capacity.$A=5 --capacity.$B=10 --writer=$X > config.json");
    flags.note("--capacity.ID=N", "a storage node and its share, an integer from 0 to 2^53");
    flags.list("--writer", "ID", &writers_, "a node that may write");
    declare_json(flags, &json_);
  }

  bool accepts(DynamicFlag::Kind kind) const override {
    return kind == DynamicFlag::Kind::capacity;
  }

  Status run(const Arguments& arguments) override {
    const Result<Capacities> capacities = capacities_of(arguments.dynamic);
    if (!capacities.ok()) return capacities.status();
    const Result<Config> config = Config::create(*capacities, writers_);
    if (!config.ok()) return config.status();
    if (writers_.empty()) {
      say("nobody may write yet: the document has no --writer; kvswarm config update adds some");
    }
    return print(config->serialize());  // JSON, with --json or without
  }

 private:
  std::vector<std::string> writers_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Verb> make_init() { return std::make_unique<Init>(); }

}  // namespace kvswarm::cli
