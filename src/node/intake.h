// What peers ask of this node's store, in the order in which it is worked on: blocks that wait for
// a commit and reads that wait for an answer. Everything here has a bound per peer, by its id, so
// that coming again on another connection gets nobody more; and peers that the document does not
// list get a few places between them, so that listed ones do not wait behind them (F4).
//
// Pure bookkeeping for the core, on the loop thread. Iterates by id and connection: one seed, one
// order.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "node/events.h"
#include "swarm/session.h"

namespace kvswarm::node {

// A block message's share of its connection's window, to be given back after the commit.
struct BlockCost {
  ConnectionId connection = 0;  // 0: this node itself
  std::size_t message_bytes = 0;
};

// Blocks in turns: each commit takes one of each writer before a second of any, so a writer that
// floods delays another by one block and not by its whole queue. The order of one sender stays.
class BlockIntake {
 public:
  // False when the sender has more waiting than one may (limits::kUnappliedBytes).
  bool add(request::Commit::Item item, BlockCost cost, bool listed);
  // Blocks of a connection that is gone count against nobody's credit, so they must not pile up.
  void forget(ConnectionId connection);

  bool empty() const { return queues_.empty(); }
  // The next commit and what it costs, item by item.
  std::pair<request::Commit, std::vector<BlockCost>> take();

 private:
  struct Waiting {
    request::Commit::Item item;
    BlockCost cost;
    std::size_t bytes = 0;
  };
  struct Queue {
    std::deque<Waiting> waiting;
    std::size_t bytes = 0;
    bool listed = false;
  };
  std::map<NodeId, Queue> queues_;  // none of them empty
  NodeId last_;                     // whose turn it was
};

// Which requests of peers go to the store now. A request is noted from take() to replied(), also
// when its connection goes meanwhile.
class ReadIntake {
 public:
  struct Waiting {
    StoreRequest request;
    swarm::Lane lane = swarm::Lane::gets;
    std::size_t message_bytes = 0;  // its share of the connection's window
  };

  // False when the peer has as many waiting as one may.
  bool add(ConnectionId connection, const NodeId& peer, bool listed, Waiting waiting);
  void forget(ConnectionId connection) { queues_.erase(connection); }

  // Whether a request of the connection waits and has a place in the store.
  bool can_take(ConnectionId connection) const;
  Waiting take(ConnectionId connection);  // asserts can_take()
  struct Asker {
    ConnectionId connection = 0;  // that the request came on; it may be gone
    NodeId peer;
  };
  // To the oldest request that was taken, as replies come in the order of the requests.
  Asker replied();

  // The connections of peers that are not listed and have requests waiting, in turns; none while
  // their places in the store are taken.
  std::vector<ConnectionId> strangers_in_turn() const;

 private:
  struct Queue {
    NodeId peer;
    bool listed = false;
    std::deque<Waiting> waiting;
  };
  struct InStore {
    ConnectionId connection = 0;
    NodeId peer;
    bool listed = false;
  };

  std::map<ConnectionId, Queue> queues_;
  ConnectionId last_stranger_ = 0;  // whose turn it was
  std::deque<InStore> in_store_;
  std::map<NodeId, std::size_t> in_store_of_;  // none of them 0
  std::size_t strangers_in_store_ = 0;
};

}  // namespace kvswarm::node
