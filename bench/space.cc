// What the disk holds after overwriting the same keys again and again, next to what is live.
//
// A storage node and a writer, in one process. Each round puts every key once, in batches, and
// waits for the receipts; meanwhile another thread gets keys, to show that service goes on. Said
// per round: live bytes (keys and values), what the storage node's store takes on the disk, and
// their ratio; and the ratio that is left when the writing has ended.
//
// usage: bench_space [--keys N] [--rounds N] [--batch N] [--value BYTES] [--directory DIR]
#include <kvswarm/client.h>
#include <kvswarm/config.h>
#include <kvswarm/identity.h>
#include <kvswarm/node.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "program.h"

namespace {

namespace fs = std::filesystem;
using bench::Clock;
using bench::give_up;
using bench::need;
using bench::number_after;
using bench::seconds_since;

struct Sizes {
  std::size_t keys = 100'000;
  std::size_t rounds = 10;
  std::size_t batch = 1000;
  std::size_t value = 100;
};

std::string key(std::size_t i) {
  char text[32];
  std::snprintf(text, sizeof text, "key %012zu", i);
  return text;
}

// The number behind a name of the status.
double member(const std::string& json, const std::string& name) {
  const auto at = json.find("\"" + name + "\":");
  if (at == std::string::npos) give_up("no " + name + " in the status");
  return std::strtod(json.c_str() + at + name.size() + 3, nullptr);
}

void print_row(std::size_t round, double seconds, const Sizes& sizes, const std::string& status,
               double slowest_get_s) {
  const double live = member(status, "bytes");
  const double disk = member(status, "disk_bytes");
  std::printf("%5zu %10.0f %14.0f %14.0f %7.2f %10.0f %10.0f %9.0f\n", round,
              static_cast<double>(sizes.keys) / seconds, live, disk, disk / live,
              member(status, "blocks"), member(status, "blocks_given_back"), slowest_get_s * 1000);
  std::fflush(stdout);
}

// Gets key after key until it is told to stop, and remembers the slowest.
class Reader {
 public:
  Reader(kvswarm::Node& node, const Sizes& sizes)
      : thread_([this, &node, sizes] {
          for (std::size_t i = 0; !stop_; i = (i + 7919) % sizes.keys) {
            const auto start = Clock::now();
            std::atomic<bool> done = false;
            const auto call =
                node.get(key(i), 60'000, [&done](const auto& found) { done = found.ok(); });
            if (!call.ok()) give_up(call.status().message());
            while (!done && seconds_since(start) < 60) {
              std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
            if (!done) give_up("a get failed");
            slowest_ = std::max(slowest_.load(), seconds_since(start));
          }
        }) {}
  ~Reader() {
    stop_ = true;
    thread_.join();
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  double slowest_s() const { return slowest_; }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<double> slowest_ = 0;
  std::thread thread_;
};

void put_all(kvswarm::Client& client, const Sizes& sizes, std::size_t round) {
  using kvswarm::Operation;
  constexpr std::size_t kMostWaiting = 64;  // batches without receipts
  std::size_t waiting = 0;
  std::uint64_t first_operation = 0;  // of those
  for (std::size_t first = 0; first < sizes.keys; first += sizes.batch) {
    std::vector<Operation> batch;
    for (std::size_t i = first; i < std::min(first + sizes.batch, sizes.keys); ++i) {
      std::string value = "round " + std::to_string(round) + " of key " + std::to_string(i);
      value.resize(sizes.value, 'v');
      batch.push_back({Operation::Kind::put, key(i), std::move(value)});
    }
    const auto report = need(client.write(batch, {kvswarm::WriteGoal::queued, 0}));
    if (waiting++ == 0) first_operation = report.first_operation;
    const bool is_last = first + sizes.batch >= sizes.keys;
    if (waiting < kMostWaiting && !is_last) continue;
    const auto done = need(client.await(first_operation, report.last_operation,
                                        {kvswarm::WriteGoal::receipted, 600'000}));
    if (!done.reached) give_up("receipts did not come");
    waiting = 0;
  }
}

// The status once the disk bytes have been the same for 5 s, a minute later at the latest.
std::string at_rest(kvswarm::Client& client) {
  std::string status;
  double disk = 0;
  int same = 0;
  for (int second = 0; second < 60 && same < 5; ++second) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    status = need(client.status()).json;
    same = member(status, "disk_bytes") == disk ? same + 1 : 0;
    disk = member(status, "disk_bytes");
  }
  return status;
}

void run(const fs::path& directory, const Sizes& sizes) {
  ::setenv("KVSWARM_RUNTIME_DIR", (directory / "run").c_str(), 1);
  const std::string storage_id = need(kvswarm::open_identity(directory / "storage"));
  const std::string writer_id = need(kvswarm::open_identity(directory / "writer"));
  const fs::path config = directory / "config.json";
  const auto document = need(kvswarm::Config::create({{storage_id, 1}}, {writer_id}));
  if (!document.save(config).ok()) give_up("no document");
  kvswarm::NodeOptions options;
  options.directory = directory / "storage";
  options.config_path = config;
  options.listen = true;
  options.port = 0;
  const auto storage = need(kvswarm::Node::start(options));
  kvswarm::NodeOptions writing;
  writing.directory = directory / "writer";
  writing.config_path = config;
  writing.peers = {storage->id() + "@" + storage->address()};
  const auto node = need(kvswarm::Node::start(writing));
  std::printf("%zu keys, values of %zu bytes, batches of %zu\n", sizes.keys, sizes.value,
              sizes.batch);
  std::printf(
      "round     puts/s     live bytes     disk bytes   ratio     blocks given back"
      "  slowest get, ms\n");
  for (std::size_t round = 0; round <= sizes.rounds; ++round) {
    const auto start = Clock::now();
    double slowest_s = 0;
    if (round == 0) {
      put_all(node->client(), sizes, round);
    } else {
      const Reader reader(*node, sizes);
      put_all(node->client(), sizes, round);
      slowest_s = reader.slowest_s();
    }
    const double seconds = seconds_since(start);
    print_row(round, seconds, sizes, need(storage->client().status()).json, slowest_s);
  }
  const auto start = Clock::now();
  const std::string status = at_rest(storage->client());
  std::printf("after %.0f s without writes: ratio %.2f\n", seconds_since(start),
              member(status, "disk_bytes") / member(status, "bytes"));
}

}  // namespace

int main(int argc, char** argv) {
  Sizes sizes;
  sizes.keys = std::max(number_after(argc, argv, "--keys", sizes.keys), std::size_t{1});
  sizes.rounds = number_after(argc, argv, "--rounds", sizes.rounds);
  sizes.batch = std::max(number_after(argc, argv, "--batch", sizes.batch), std::size_t{1});
  sizes.value = number_after(argc, argv, "--value", sizes.value);
  const fs::path directory = bench::make_folder(argc, argv);
  run(directory, sizes);
  fs::remove_all(directory);
}
