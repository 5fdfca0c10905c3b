// Three nodes in one program, on the program's own libuv loop, with callbacks: a storage node, a
// writer and a reader that find each other through the local registry.
//
//   three_nodes DIRECTORY
#include <kvswarm/config.h>
#include <kvswarm/identity.h>
#include <kvswarm/node.h>
#include <uv.h>

#include <iostream>
#include <string>

namespace {

constexpr std::uint64_t kTimeoutMs = 20'000;

struct Swarm {
  std::unique_ptr<kvswarm::Node> storage, writer, reader;
  bool worked = false;
};

bool failed(const kvswarm::Status& status) {
  if (!status.ok()) std::cerr << status.message() << '\n';
  return !status.ok();
}

std::unique_ptr<kvswarm::Node> start(uv_loop_t& loop, const std::string& directory,
                                     const std::string& config, bool listen) {
  kvswarm::NodeOptions options;
  options.directory = directory;
  options.config_path = config;
  options.listen = listen;
  options.loop = &loop;
  auto node = kvswarm::Node::start(options);
  return failed(node.status()) ? nullptr : std::move(node).value();
}

// Without the nodes nothing is left on the loop, and uv_run() returns.
void finish(Swarm& swarm) {
  swarm.storage.reset();
  swarm.writer.reset();
  swarm.reader.reset();
}

void read(Swarm& swarm) {
  const auto call =
      swarm.reader->get("greeting", kTimeoutMs, [&swarm](kvswarm::Result<kvswarm::GetResult> got) {
        if (!failed(got.status())) {
          std::cout << "read: " << got->value << '\n';
          swarm.worked = got->value == "hello";
        }
        finish(swarm);
      });
  if (failed(call.status())) finish(swarm);
}

void write(Swarm& swarm) {
  kvswarm::WriteOptions options;
  options.wait_ms = kTimeoutMs;
  if (failed(swarm.writer->put("greeting", "hello"))) return finish(swarm);
  const auto call =
      swarm.writer->flush(options, [&swarm](kvswarm::Result<kvswarm::WriteReport> report) {
        if (failed(report.status())) return finish(swarm);
        std::cout << (report->reached ? "written\n" : "queued\n");
        read(swarm);
      });
  if (failed(call.status())) finish(swarm);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: three_nodes DIRECTORY\n";
    return 2;
  }
  const std::string directory = arguments[1];
  const auto storage = kvswarm::open_identity(directory + "/storage");
  const auto writer = kvswarm::open_identity(directory + "/writer");
  const auto reader = kvswarm::open_identity(directory + "/reader");
  if (failed(storage.status()) || failed(writer.status()) || failed(reader.status())) return 1;
  const std::string path = directory + "/config.json";
  const auto config = kvswarm::Config::create({{*storage, 1}}, {*writer});
  if (failed(config.status()) || failed(config->save(path))) return 1;

  uv_loop_t loop;
  uv_loop_init(&loop);
  Swarm swarm;
  swarm.storage = start(loop, directory + "/storage", path, true);
  swarm.writer = start(loop, directory + "/writer", path, false);
  swarm.reader = start(loop, directory + "/reader", path, false);
  if (swarm.storage && swarm.writer && swarm.reader) {
    write(swarm);
  } else {
    finish(swarm);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  const bool clean = uv_loop_close(&loop) == 0;
  std::cout << (clean ? "the loop is free\n" : "handles are left\n");
  return swarm.worked && clean ? 0 : 1;
}
