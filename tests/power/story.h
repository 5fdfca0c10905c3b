// A run of a writer and a storage node, each with its own simulated disk, and what is owed to the
// world once the power went: the promises D1, D2, D3, X1, X2 and C3 as one check.
//
// The run is made once; before each call that changes a disk both disks are copied, together with
// what had left the two machines by then (Told). Each copy is then cut, opened again and checked.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "disk/simulated_disk.h"
#include "disk/simulated_env.h"
#include "node/backend.h"

namespace kvswarm::power {

inline constexpr std::size_t kOps = 50;

enum class Side { writer, storage };
const char* to_string(Side side);
const char* to_string(test::Kept kept);

// Identities and documents: the same for every cut of a story.
struct Setting {
  explicit Setting(std::uint64_t seed);
  const crypto::SigningKey& key(Side side) const { return side == Side::writer ? writer : storage; }

  SeededRandom random;
  crypto::SigningKey writer;
  crypto::SigningKey storage;
  config::Document first;
  config::Document second;  // adopted half-way
};

test::SimulatedDisk empty_disk();  // with the folder of the data directory

node::WriteOp op_of(std::size_t number);  // 1 .. kOps: puts, overwrites, deletes

// What somebody outside was told, and so must hold for ever.
struct Told {
  std::uint64_t document[2] = {0, 0};               // in force (C3)
  std::uint64_t flushed = 0;                        // ops 1 to this one (D1)
  std::uint64_t incarnation = 0;                    // of the blocks
  std::map<std::uint64_t, Hash> blocks;             // sent, by number: there is no other of it (D2)
  std::map<std::uint64_t, log::Head> heads;         // published, by length (D2)
  std::map<std::uint64_t, std::uint64_t> receipts;  // record index by block number (D3)
  std::uint64_t wall_ms = 1000;                     // a clock that no cut sets back
  std::uint64_t settled = 0;                        // the user was told the outcome up to here (D3)
};

class Machine {
 public:
  Machine(const Setting& setting, Side side, test::SimulatedDisk from);
  // Without a document when the directory was said to have one.
  Status open(const Told& told);
  template <class Body>
  node::StoreReply ask(Body request) {
    return backend->execute(node::StoreRequest(std::move(request)), wall_ms);
  }

  const Setting& setting;
  const Side side;
  test::SimulatedDisk disk;
  test::SimulatedEnv env{&disk};
  std::uint64_t wall_ms = 0;
  std::unique_ptr<node::Backend> backend;
};

// A promise that does not hold ends a story: its text is the result.
using Problem = std::optional<std::string>;

class Story {
 public:
  Story(const Setting& setting, Told told, test::SimulatedDisk writer, test::SimulatedDisk storage);

  Problem open();
  // Everything that was told is still so. Delivers what the writer's outbox holds.
  Problem check();
  // The ops that are left, one block each, or all in one.
  Problem go_on(bool one_block);
  // Every key, as a reader checks it; and the log holds each block once.
  Problem read_everything();
  // Every block that was sent.
  Problem read_outbox();
  // Of the request that the last problem is about.
  const Status& last_error() const { return last_error_; }

  const Setting& setting() const { return setting_; }
  std::string step;  // which request is being executed

  Told told;
  Machine writer;
  Machine storage;

 private:
  Problem flush(std::size_t first, std::size_t last);
  Problem deliver();
  Problem commit(const log::SignedBlock& block, std::uint64_t* record_index);
  Problem settle(const log::Record& record);
  Problem adopt(Machine& machine);
  Problem publish(const node::Announcement& announcement);
  Problem check_outcomes();
  Problem check_op_numbers();
  Problem check_receipts();
  Problem check_head(const node::Announcement& announcement);

  const Setting& setting_;
  node::rows::SeenHead seen_;  // the newest one
  Status last_error_;
};

// The two machines at one instant.
struct Instant {
  Side side = Side::writer;  // whose disk was about to be called
  test::DiskCall call;
  std::size_t number = 0;
  std::string step;
  Told told;
  test::SimulatedDisk writer;
  test::SimulatedDisk storage;
};

// Copies the story before each call of the two disks from now on, while this lives.
class Recorder {
 public:
  Recorder(Story& story, std::vector<Instant>* instants);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

 private:
  Story& story_;
};

// The whole run from empty disks, every instant of it.
struct Recorded {
  std::vector<Instant> instants;
  Problem problem;
  std::optional<std::size_t> first_lie;  // the instant before it
};
// `lie`: a sync that the disk of `side` pretends to do, by the call and the step it serves.
using Lie = std::function<bool(Side side, const test::DiskCall& call, const std::string& step)>;
Recorded record_story(const Setting& setting, const Lie& lie = {});

// Cuts the power of the side that was about to call, with this policy (the other machine is only
// switched off and on), opens, checks, and goes on to the end. With `inner`: the instants of the
// opening.
Problem after_cut(const Setting& setting, const Instant& instant, test::Kept kept,
                  std::uint64_t seed, std::vector<Instant>* inner = nullptr);

// "cut before call 17 (append /node/db/000003.log) of the writer during flush, keeping none: ..."
std::string describe(const Instant& instant, test::Kept kept, const std::string& problem);

}  // namespace kvswarm::power
