// Which blocks of the outboxes are on their way: a window per destination, in order.
//
// Pure bookkeeping for the core: it is told what is queued, what was loaded, sent, receipted and
// refused, and says which block to load next. Blocks are sent in order; a new connection starts
// again after the last settled one, which is harmless (promise X3). Loop thread.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "node/events.h"

namespace kvswarm::node {

// A plain sentence, without an end: more may be said of it.
std::string describe(const log::Refusal& refusal);

class Delivery {
 public:
  void add(const QueuedBlock& block);
  void settled(const NodeId& destination, std::uint64_t number);
  // All that waits for the destination from now on.
  void replace(const NodeId& destination, const std::deque<QueuedBlock>& queue);

  // A connection to the destination came up, or the last one went: sending starts anew.
  void restart(const NodeId& destination);

  // The next block to load and send now, if the window has room; it counts as in flight from here.
  std::optional<std::uint64_t> next_to_load(const NodeId& destination, Time now);

  // The destination said no. Temporary reasons pause the stream, longer each time in a row, others
  // halt it until restart(). False: it says so of a block that is not on its way (any more), which
  // means nothing now.
  bool refused(const NodeId& destination, const log::Refusal& refusal, Time now);
  // Nothing of what waits will ever go there.
  void drop(const NodeId& destination) { streams_.erase(destination); }
  // What else is to be said of the refusal that halted the stream.
  void explain(const NodeId& destination, const std::string& problem);
  // The refusal that halted the stream is for now only: tried again after its pause.
  void retry(const NodeId& destination);
  // Anything else that went wrong; tried again after a pause.
  void failed(const NodeId& destination, const std::string& why, Time now);

  std::uint64_t next_tick_ms() const;
  std::vector<NodeId> destinations() const;  // with something queued
  bool has_queued(const NodeId& destination) const;
  std::uint64_t incarnation(const NodeId& destination) const;  // of what is queued; 0: nothing is

  // Ops first .. last that wait in blocks for each destination.
  std::map<NodeId, std::uint64_t> queued_ops(std::uint64_t first, std::uint64_t last) const;
  std::vector<DestinationStatus> statuses() const;  // `why` only where the destination refused
  std::string problem(const NodeId& destination) const;
  // Why nothing goes to the destination until something changes (a document, a connection): the
  // final refusal that it gave; nullopt while the stream is not halted.
  std::optional<log::RefusalReason> halted_by(const NodeId& destination) const;

 private:
  struct Stream {
    std::deque<QueuedBlock> queue;   // not settled, in order
    std::uint64_t next_to_load = 0;  // number; 0: from the front
    std::uint64_t bytes_in_flight = 0;
    std::uint64_t resume_at_ms = 0;  // monotonic; paused until then
    unsigned pauses = 0;             // since the last block was settled; then one at a time goes
    std::optional<log::RefusalReason> halted;
    std::string problem;
  };
  static void pause(Stream& stream, Time now);

  std::map<NodeId, Stream> streams_;
};

}  // namespace kvswarm::node
