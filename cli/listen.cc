#include "run_node.h"
#include "text.h"
#include "verb.h"

namespace kvswarm::cli {

namespace {

class Listen final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe("runs a node that others can reach, until SIGINT or SIGTERM", "",
                   "kvswarm listen -d /tmp/a -c config.json\n"
                   "kvswarm listen -d /tmp/a -c config.json --bind 0.0.0.0 --port 4711");
    declare_run(flags, &run_);
    flags.text("--bind", "ADDRESS", &bind_, "address to listen on (127.0.0.1)");
    flags.text("--port", "N", &port_, "port; 0: a free one (the one it had last, else a free one)");
  }

  Status run(const Arguments&) override {
    NodeOptions options;
    options.listen = true;
    options.bind = bind_;
    if (!port_.empty()) {
      const auto port = parse_number(port_);
      if (!port || *port > 65535) {
        return Status(StatusCode::usage, "--port: " + shown(port_) + " is no port (0 to 65535)");
      }
      options.port = static_cast<int>(*port);
    }
    return run_node(run_, options);
  }

 private:
  RunFlags run_;
  std::string bind_ = "127.0.0.1";
  std::string port_;
};

}  // namespace

std::unique_ptr<Verb> make_listen() { return std::make_unique<Listen>(); }

}  // namespace kvswarm::cli
