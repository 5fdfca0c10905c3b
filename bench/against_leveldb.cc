// kvswarm next to plain LevelDB, on the same keys and values, with the same LevelDB options.
//
// One run alternates between the two, each sample in processes and a directory of its own, so that
// whatever else the machine does falls on both. What is timed: puts in batches of 1,000 (LevelDB:
// one synced write each; kvswarm: until the receipt of the last op was checked and stored), gets of
// random keys one after the other and (kvswarm) with 64 in flight, the bytes that one of these
// brings over the connection, and single puts with receipt, next to fdatasync of as many bytes on
// the same disk. kvswarm runs a storage node in one process and the writer in another, on loopback.
//
// usage: bench_against_leveldb [--keys N] [--rounds N] [--directory DIR]
// Prints one line per figure: median, least and greatest of the rounds, and the ratio of the
// medians.
#include <fcntl.h>
#include <kvswarm/client.h>
#include <kvswarm/config.h>
#include <kvswarm/identity.h>
#include <kvswarm/node.h>
#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "program.h"

namespace {

namespace fs = std::filesystem;
using bench::Clock;
using bench::give_up;
using bench::need;
using bench::number_after;
using bench::seconds_since;

constexpr std::size_t kBatch = 1000;
constexpr std::size_t kValueBytes = 100;
constexpr std::size_t kSinglePuts = 200;
constexpr std::size_t kInFlight = 64;

struct Sizes {
  std::size_t keys = 100'000;
  std::size_t gets = 10'000;
};

// What one process measured, sent to the parent as it is.
struct Sample {
  double puts_per_s = 0;
  double gets_per_s = 0;
  double gets_in_flight_per_s = 0;  // with kInFlight of them; kvswarm only
  double bytes_per_get = 0;         // read from the connection, likewise
  double single_put_ms = 0;         // median
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string key(std::size_t number) {
  char text[24];
  std::snprintf(text, sizeof text, "key-%012zu", number * 2654435761U % 1'000'000'007);
  return text;
}

std::string value(std::size_t number) {
  std::mt19937_64 random(number);
  std::string out(kValueBytes, '\0');
  for (char& byte : out) byte = static_cast<char>(random());
  return out;
}

// Runs `work` in a child and returns what it sent.
Sample in_a_process(const std::function<Sample()>& work) {
  int ends[2];
  if (::pipe(ends) != 0) give_up("no pipe");
  const pid_t child = ::fork();
  if (child < 0) give_up("no process");
  if (child == 0) {
    ::close(ends[0]);
    const Sample sample = work();
    const bool sent = ::write(ends[1], &sample, sizeof sample) == sizeof sample;
    ::_exit(sent ? 0 : 1);
  }
  ::close(ends[1]);
  Sample sample;
  const bool came = ::read(ends[0], &sample, sizeof sample) == sizeof sample;
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!came || status != 0) give_up("a measuring process failed");
  return sample;
}

double read_random_keys(const Sizes& sizes, const std::function<bool(std::size_t)>& read) {
  std::mt19937_64 random(1);
  const auto start = Clock::now();
  for (std::size_t i = 0; i < sizes.gets; ++i) {
    if (!read(random() % sizes.keys)) give_up("a get failed");
  }
  return static_cast<double>(sizes.gets) / seconds_since(start);
}

double median_ms_of_singles(const std::function<bool(std::size_t)>& put) {
  std::vector<double> times;
  for (std::size_t i = 0; i < kSinglePuts; ++i) {
    const auto start = Clock::now();
    if (!put(i)) give_up("a single put failed");
    times.push_back(seconds_since(start) * 1000);
  }
  return median(std::move(times));
}

// --- plain LevelDB -------------------------------------------------------------------------------

Sample plain_leveldb(const fs::path& directory, const Sizes& sizes) {
  // As src/store/level_db_store.cc opens it.
  leveldb::Options options;
  options.create_if_missing = true;
  options.paranoid_checks = true;
  options.write_buffer_size = 16 * 1024 * 1024;
  options.block_cache = leveldb::NewLRUCache(32 * 1024 * 1024);
  options.filter_policy = leveldb::NewBloomFilterPolicy(10);
  options.compression = leveldb::kNoCompression;
  leveldb::DB* database = nullptr;
  if (!leveldb::DB::Open(options, directory, &database).ok()) give_up("LevelDB does not open");
  leveldb::WriteOptions synced;
  synced.sync = true;
  leveldb::ReadOptions checked;
  checked.verify_checksums = true;

  Sample sample;
  const auto start = Clock::now();
  for (std::size_t first = 0; first < sizes.keys; first += kBatch) {
    leveldb::WriteBatch batch;
    for (std::size_t i = first; i < first + kBatch; ++i) batch.Put(key(i), value(i));
    if (!database->Write(synced, &batch).ok()) give_up("LevelDB does not write");
  }
  sample.puts_per_s = static_cast<double>(sizes.keys) / seconds_since(start);
  std::string found;
  sample.gets_per_s = read_random_keys(sizes, [&](std::size_t i) {
    return database->Get(checked, key(i), &found).ok() && found.size() == kValueBytes;
  });
  delete database;

  // What one synced write costs at the least: a small append and fdatasync.
  const int file = ::open((directory / "fdatasync").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  const std::string bytes(kValueBytes, 'x');
  sample.single_put_ms = median_ms_of_singles([&](std::size_t) {
    return ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
           ::fdatasync(file) == 0;
  });
  ::close(file);
  return sample;
}

// --- kvswarm -------------------------------------------------------------------------------------

// A storage node in a process of its own, until it is destroyed.
class StorageProcess {
 public:
  StorageProcess(const fs::path& directory, const fs::path& config) {
    int ready[2];
    int stop[2];
    if (::pipe(ready) != 0 || ::pipe(stop) != 0) give_up("no pipe");
    child_ = ::fork();
    if (child_ < 0) give_up("no process");
    if (child_ == 0) {
      ::close(stop[1]);
      kvswarm::NodeOptions options;
      options.directory = directory;
      options.config_path = config;
      options.listen = true;
      options.port = 0;
      const auto node = need(kvswarm::Node::start(options));
      const std::string line = node->id() + "@" + node->address() + "\n";
      if (::write(ready[1], line.data(), line.size()) < 0) ::_exit(1);
      char byte;
      if (::read(stop[0], &byte, 1) < 0) ::_exit(1);  // ends when the parent lets go
      node->stop();
      ::_exit(node->wait().ok() ? 0 : 1);
    }
    ::close(stop[0]);
    stop_ = stop[1];
    char byte = 0;
    while (::read(ready[0], &byte, 1) == 1 && byte != '\n') peer_.push_back(byte);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~StorageProcess() {
    ::close(stop_);
    ::waitpid(child_, nullptr, 0);
  }
  StorageProcess(const StorageProcess&) = delete;
  StorageProcess& operator=(const StorageProcess&) = delete;

  const std::string& peer() const { return peer_; }

 private:
  pid_t child_ = 0;
  int stop_ = -1;
  std::string peer_;
};

// What this process has read so far with read(2), sockets included.
double bytes_read() {
  std::ifstream io("/proc/self/io");
  std::string name;
  double bytes = 0;
  io >> name >> bytes;
  return name == "rchar:" ? bytes : 0;
}

// Gets of random keys, each asked when another one is answered.
class ManyGets : public std::enable_shared_from_this<ManyGets> {
 public:
  ManyGets(kvswarm::Node& node, const Sizes& sizes) : node_(node), sizes_(sizes) {}

  void run(Sample& sample) {
    const double bytes = bytes_read();
    const auto start = Clock::now();
    for (std::size_t i = 0; i < kInFlight; ++i) ask();
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return answered_ == sizes_.gets || !failure_.empty(); });
    if (!failure_.empty()) give_up("a get failed: " + failure_);
    sample.gets_in_flight_per_s = static_cast<double>(sizes_.gets) / seconds_since(start);
    sample.bytes_per_get = (bytes_read() - bytes) / static_cast<double>(sizes_.gets);
  }

 private:
  void ask() {
    std::size_t wanted = 0;
    {
      const std::lock_guard lock(mutex_);
      if (asked_ == sizes_.gets) return;
      ++asked_;
      wanted = random_() % sizes_.keys;
    }
    const auto call = node_.get(
        key(wanted), 60'000, [self = shared_from_this()](const auto& found) { self->on(found); });
    if (!call.ok()) fail(call.status().message());
  }
  void on(const kvswarm::Result<kvswarm::GetResult>& found) {
    if (!found.ok()) return fail(found.status().message());
    if (!found->found || found->value.size() != kValueBytes) return fail("another value");
    {
      const std::lock_guard lock(mutex_);
      if (++answered_ == sizes_.gets) done_.notify_one();
    }
    ask();
  }
  void fail(const std::string& why) {
    const std::lock_guard lock(mutex_);
    failure_ = why;
    done_.notify_one();
  }

  kvswarm::Node& node_;
  const Sizes& sizes_;
  std::mutex mutex_;
  std::condition_variable done_;
  std::mt19937_64 random_{2};
  std::size_t asked_ = 0;
  std::size_t answered_ = 0;
  std::string failure_;
};

Sample kvswarm_pair(const fs::path& directory, const Sizes& sizes) {
  ::setenv("KVSWARM_RUNTIME_DIR", (directory / "run").c_str(), 1);
  const std::string storage = need(kvswarm::open_identity(directory / "storage"));
  const std::string writer = need(kvswarm::open_identity(directory / "writer"));
  const fs::path config = directory / "config.json";
  const auto document = need(kvswarm::Config::create({{storage, 1}}, {writer}));
  if (!document.save(config).ok()) give_up("no document");
  const StorageProcess node(directory / "storage", config);

  kvswarm::NodeOptions options;
  options.directory = directory / "writer";
  options.config_path = config;
  options.peers = {node.peer()};
  const auto own = need(kvswarm::Node::start(options));
  kvswarm::Client* const client = &own->client();
  using kvswarm::Operation;
  using kvswarm::WriteGoal;

  Sample sample;
  const auto start = Clock::now();
  std::uint64_t last = 0;
  for (std::size_t first = 0; first < sizes.keys; first += kBatch) {
    std::vector<Operation> batch;
    for (std::size_t i = first; i < first + kBatch; ++i) {
      batch.push_back({Operation::Kind::put, key(i), value(i)});
    }
    last = need(client->write(batch, {WriteGoal::queued, 0})).last_operation;
  }
  if (!need(client->await(1, last, {WriteGoal::receipted, 600'000})).reached) {
    give_up("receipts did not come");
  }
  sample.puts_per_s = static_cast<double>(sizes.keys) / seconds_since(start);
  sample.gets_per_s = read_random_keys(sizes, [&](std::size_t i) {
    const auto found = client->get(key(i));
    return found.ok() && found->found && found->value.size() == kValueBytes;
  });
  std::make_shared<ManyGets>(*own, sizes)->run(sample);
  sample.single_put_ms = median_ms_of_singles([&](std::size_t i) {
    const std::vector<Operation> one = {{Operation::Kind::put, key(i), value(i + 1)}};
    const auto report = client->write(one, {WriteGoal::receipted, 10'000});
    return report.ok() && report->reached;
  });
  return sample;
}

// --- report --------------------------------------------------------------------------------------

using Figure = double Sample::*;

std::vector<double> values_of(const std::vector<Sample>& samples, Figure figure) {
  std::vector<double> values;
  for (const Sample& sample : samples) values.push_back(sample.*figure);
  std::sort(values.begin(), values.end());
  return values;
}

void print(const char* name, const std::vector<Sample>& plain, const std::vector<Sample>& ours,
           Figure figure, const char* plain_name = "LevelDB") {
  const std::vector<double> theirs = values_of(plain, figure);
  const std::vector<double> own = values_of(ours, figure);
  std::printf("%-28s %-10s %12.2f (%.2f to %.2f)\n", name, plain_name, median(theirs),
              theirs.front(), theirs.back());
  std::printf("%-28s %-10s %12.2f (%.2f to %.2f)   kvswarm / %s: %.2f\n", "", "kvswarm",
              median(own), own.front(), own.back(), plain_name, median(own) / median(theirs));
}

}  // namespace

int main(int argc, char** argv) {
  Sizes sizes;
  sizes.keys =
      std::max(number_after(argc, argv, "--keys", sizes.keys) / kBatch, std::size_t{1}) * kBatch;
  const std::size_t rounds = std::max(number_after(argc, argv, "--rounds", 5), std::size_t{1});
  const fs::path directory = bench::make_folder(argc, argv);

  std::vector<Sample> plain;
  std::vector<Sample> ours;
  for (std::size_t round = 0; round < rounds; ++round) {
    const fs::path here = directory / std::to_string(round);
    fs::create_directories(here / "plain");
    plain.push_back(in_a_process([&] { return plain_leveldb(here / "plain", sizes); }));
    ours.push_back(in_a_process([&] { return kvswarm_pair(here, sizes); }));
    fs::remove_all(here);
  }
  fs::remove_all(directory);
  std::printf("%zu keys, values of %zu bytes, batches of %zu, %zu rounds; median (range)\n",
              sizes.keys, kValueBytes, kBatch, rounds);
  print("puts/s (with receipts)", plain, ours, &Sample::puts_per_s);
  print("gets/s, one at a time", plain, ours, &Sample::gets_per_s);
  std::printf("%-28s %-10s %12.2f\n", "gets/s, 64 in flight", "kvswarm",
              median(values_of(ours, &Sample::gets_in_flight_per_s)));
  std::printf("%-28s %-10s %12.0f\n", "bytes read per such get", "kvswarm",
              median(values_of(ours, &Sample::bytes_per_get)));
  print("one put with receipt, ms", plain, ours, &Sample::single_put_ms, "fdatasync");
}
