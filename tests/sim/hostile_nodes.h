// Who is hostile in one run: strangers, and nodes that the document lists as a writer, as a storage
// node, as a reader. Each comes in some of the seeds. Thread: one.
#pragma once

#include <functional>
#include <optional>

#include "sim/hostile.h"
#include "sim/hostile_reader.h"
#include "sim/hostile_storage.h"
#include "sim/hostile_writer.h"

namespace kvswarm::sim {

class HostileNodes {
 public:
  HostileNodes(World& world, History& history) : world_(world), history_(history) {}

  // Before the document is made: who is to be listed, beside those that are there.
  struct Listed {
    std::map<NodeIndex, std::uint64_t> capacities;
    std::vector<NodeIndex> writers;
    std::vector<NodeIndex> readers;  // none: everybody may read
  };
  void draw_listed(std::size_t nodes, std::size_t storage, Listed& listed);
  // Strangers need no document; then it is there.
  void draw_strangers(std::size_t nodes);
  void begin();

  bool is_anybody() const { return strangers_ || writer_ || storage_ || reader_; }
  std::optional<NodeIndex> writer() const;
  std::optional<NodeIndex> storage() const;

  void strike();
  // A user of an honest node asks the one that stores for what no other user does.
  void use();
  void stop();
  void hear_document(const config::Document& document);
  void watch(NodeIndex index, const node::StoreRequest& request);
  void watch_reply(NodeIndex index, const node::StoreReply& reply);
  void goes_down(NodeIndex index);
  void is_back(NodeIndex index);

  // What is to hold at any time: F3, F4.
  Status check();
  // At the end: what readers took from the one that stores (A2, A3), and who keeps what about whom
  // (F1).
  Status check_reads() const;
  Status check_reported();
  bool may_be_accused(const NodeId& node) const;
  void add_counts(std::map<std::string, std::uint64_t>& faults) const;

 private:
  struct Asked {
    NodeIndex by = 0;
    std::uint64_t due_ms = 0;     // by the world's time, while the node is not paused
    std::uint64_t paused_ms = 0;  // that it had been before
    World::Ask ask;
  };
  void each(const std::function<void(HostileNode&)>& visit);
  Status check_asked();
  Status check_outcome(const Asked& asked) const;

  World& world_;
  History& history_;
  std::size_t nodes_ = 0;
  std::uint64_t values_ = 0;
  std::vector<Asked> asked_;
  std::optional<Hostile> strangers_;
  std::optional<HostileWriter> writer_;
  std::optional<HostileStorage> storage_;
  std::optional<HostileReader> reader_;
};

}  // namespace kvswarm::sim
