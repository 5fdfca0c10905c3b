#include <kvswarm/config.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "output.h"
#include "session.h"
#include "verb.h"

namespace kvswarm::cli {

namespace {

unsigned terminal_columns() {
  constexpr unsigned kDefault = 80;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kDefault;
  return std::clamp<unsigned>(size.ws_col, 40, 500);
}

class Map final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe("prints which part of the key space each storage node should own", "",
                   "kvswarm map -c config.json --svg map.svg");
    declare_directory(flags, &node_.directory);
    declare_config(flags, &node_.config);
    flags.text("--svg", "FILE", &svg_, "write the map as a picture, too (- is standard output)");
    declare_json(flags, &node_.json);
  }

  Status run(const Arguments&) override {
    const Result<Config> config = document();
    if (!config.ok()) return config.status();
    if (!svg_.empty()) {
      Result<Output> file = Output::create(svg_);
      if (!file.ok()) return file.status();
      file->write(config->map_svg());
      if (Status status = file->finish(); !status.ok()) return status;
      if (svg_ == "-") return Status();
    }
    if (node_.json) return print_line(config->map_json());
    return print(config->map_text(terminal_columns()));
  }

 private:
  // The file's, else the one in force in the data directory.
  Result<Config> document() const {
    const std::string path = config_path(node_.config);
    if (!path.empty()) return Config::load(path);
    const Result<std::unique_ptr<Session>> session = Session::open(node_);
    if (!session.ok() && node_.directory.empty()) {
      return Status(StatusCode::usage, "map needs -c FILE (or KVSWARM_CONFIG), or -d DIR");
    }
    if (!session.ok()) return session.status();
    return (*session)->client().document();
  }

  NodeFlags node_;
  std::string svg_;
};

}  // namespace

std::unique_ptr<Verb> make_map() { return std::make_unique<Map>(); }

}  // namespace kvswarm::cli
