// A program of somebody else's: makes a swarm of one node in the folder given, writes and reads.
#include <kvswarm/identity.h>
#include <kvswarm/node.h>
#include <kvswarm/version.h>

#include <cstdio>
#include <string>

int main(int, char** arguments) {
  const std::string folder = arguments[1];
  const auto id = kvswarm::open_identity(folder);
  if (!id.ok()) return 1;
  const auto config = kvswarm::Config::create({{*id, 1}}, {*id});
  if (!config.ok() || !config->save(folder + "/config.json").ok()) return 2;
  kvswarm::NodeOptions options;
  options.directory = folder;
  options.config_path = folder + "/config.json";
  const auto node = kvswarm::Node::start(options);
  if (!node.ok()) return 3;
  const auto written = (*node)->client().write({{kvswarm::Operation::Kind::put, "k", "v"}},
                                               {kvswarm::WriteGoal::receipted, 20'000});
  if (!written.ok() || !written->reached) return 4;
  const auto got = (*node)->client().get("k");
  if (!got.ok() || got->value != "v") return 5;
  std::printf("kvswarm %s\n", kvswarm::version());
}
