// What a node asks of the outside: time, chance, a network and a disk. Each is a small class that a
// program may implement: a transport of its own, a store of its own, a clock that a test moves. A
// node without ports uses the system's clock and random numbers, TCP, and LevelDB in its directory.
//
// Rules for all four. They are the program's objects; the node shares them from Node::start()
// until it has ended (close()'s callback, or the destructor of a node on its own thread). No
// function of theirs may throw: std::terminate() is called if one does. None may call back into
// the node that calls it, but for post(). The rules of each port are binding: a node asserts what
// is cheap to assert and relies on the rest, for its promises and for its safety.
#pragma once

#include <kvswarm/export.h>
#include <kvswarm/status.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvswarm::ports {

// Time. Thread: now() is called from the node's thread, its store's thread and others, several at
// once. A clock need not follow the real one, but the node's sleeps do: it computes how long to
// sleep from this clock and sleeps in real time. Who moves a clock by hand calls post() with an
// empty task afterwards, so that the node looks at it again.
class KVSWARM_EXPORT Clock {
 public:
  struct Reading {
    std::uint64_t monotonic_ms = 0;  // never goes back; only differences mean anything
    std::uint64_t wall_ms = 0;       // Unix time; may jump either way
  };
  virtual ~Clock();
  virtual Reading now() = 0;
};

// Chance. Must be cryptographically strong and not predictable by anybody: from it come the keys of
// every connection. Anything else (a seeded generator, say) is for tests only, whose data may
// become public. The identity does not come from here but from open_identity(). Thread: the
// node's.
class KVSWARM_EXPORT Randomness {
 public:
  virtual ~Randomness();
  virtual void fill(void* out, std::size_t size) = 0;  // writes `size` bytes, always
};

// Byte streams between nodes. The node encrypts and authenticates above it, so that a transport may
// lose a connection at any time, and even lie, without harm; but it must not reorder or repeat the
// bytes of a connection, which would end it.
//
// An address is text of the form "host:port" (a name, a numeric IPv4 address, or a numeric IPv6
// address in brackets; port 1 to 65535). What a host name means is the transport's own affair.
// Nodes of a program with its own network find each other by NodeOptions::peers and by the
// addresses in the document, not by the local registry, which is about TCP.
//
// Thread: the node calls everything here on its thread, and the listener is called only there: a
// transport with threads of its own hands over through the `post` that attach() gives it.
class KVSWARM_EXPORT Network {
 public:
  // Names one connection of this object for ever: never 0, never used twice.
  using Connection = std::uint64_t;

  // What happens on connections: the node. Never call it from inside a function of the Network (nor
  // from inside `post`): always on a later turn of the node's loop.
  class KVSWARM_EXPORT Listener {
   public:
    virtual ~Listener();
    // A connection from outside; `remote` describes the peer to people.
    virtual void on_accepted(Connection connection, const std::string& remote) = 0;
    // A dialled connection stands.
    virtual void on_connected(Connection connection) = 0;
    // Bytes in the order they were sent, never empty. They need only live until the call returns.
    virtual void on_bytes(Connection connection, std::string_view bytes) = 0;
    // So many more of the bytes given to send() have left. The node sends on when they do; a
    // transport that never says so stalls after 256 KiB.
    virtual void on_sent(Connection connection, std::size_t bytes) = 0;
    // Exactly once for each connection that was accepted or dialled, and the last word on it. `why`
    // is ok after close(); else timed_out (a dial) or unavailable, naming what went wrong.
    virtual void on_closed(Connection connection, const Status& why) = 0;
  };

  // Runs a task on the node's loop, on a later turn, tasks in order. Thread: any. False, and the
  // task is dropped, when the node has ended. May outlive the node.
  using Post = std::function<bool(std::function<void()> task)>;

  virtual ~Network();

  // The node begins: once, before any other function. An object serves one node at a time.
  virtual void attach(Listener& listener, Post post) = 0;
  // The node ends: everything is to be closed, and the listener not called any more, from now on.
  virtual void detach() = 0;

  // Accepts connections for an address; port 0 takes a free one. Returns the port. in_use when
  // somebody has it. May be called for several addresses.
  virtual Result<std::uint16_t> listen(const std::string& host, std::uint16_t port) = 0;
  // Accepts no further ones; those that stand go on.
  virtual void stop_listening() = 0;
  // on_connected or on_closed follows, within `timeout_ms`.
  virtual Connection dial(const std::string& address, std::uint64_t timeout_ms) = 0;
  // Takes bytes to send, in order; on_sent follows. Before on_connected they wait for it. The node
  // bounds what it has not heard of by on_sent. Bytes for a closed connection are dropped.
  virtual void send(Connection connection, std::string bytes) = 0;
  // Ends a connection: on_closed follows, and nothing else does. The peer should get what was sent
  // before, as far as that is easy. Harmless on a connection that is closed or unknown.
  virtual void close(Connection connection) = 0;
};

// An ordered key-value store. Keys sort as unsigned bytes; keys and values are any bytes; a key may
// have some 100 bytes and a value some 10 MiB. Thread: one at a time, the node's store thread (and
// the opening one, before that thread exists).
//
// The node's durability is what this gives: with `sync`, a batch is durable when write() returns,
// and with it every batch before; after a crash, what is found is a prefix of the batches written,
// each whole or not at all. After a write that failed, this object must take no further one (it
// may go on reading): the node opens the storage again, and then a failed batch may be there or
// not. Errors: disk_full when there is no room, corruption for bytes that do not verify, else
// failure.
class KVSWARM_EXPORT Storage {
 public:
  struct Change {
    std::string_view key;
    std::optional<std::string_view> value;  // nullopt: delete, harmless when there is none
  };

  // Walks keys in ascending order over the state at its creation, whatever is written meanwhile.
  // Invalid until the first seek. Destroyed before the storage.
  class KVSWARM_EXPORT Cursor {
   public:
    virtual ~Cursor();
    virtual void seek(std::string_view at_or_after) = 0;
    virtual void seek_last_before(std::string_view bound) = 0;  // the greatest key below `bound`
    virtual bool valid() const = 0;
    virtual void next() = 0;
    virtual std::string_view key() const = 0;  // valid() only; until the next move
    virtual std::string_view value() const = 0;
    virtual Status status() const = 0;  // a read fault ends the walk and shows here
  };

  virtual ~Storage();
  virtual Result<std::optional<std::string>> get(std::string_view key) = 0;
  // All of the changes, in order (a later one for the same key wins), or none.
  virtual Status write(const std::vector<Change>& changes, bool sync) = 0;
  virtual std::unique_ptr<Cursor> cursor() = 0;
};

// Opens the storage: when a node starts, and again after a write failed, when the object before has
// been destroyed. Each opening finds what was written before. Thread: as Storage.
using StorageOpener = std::function<Result<std::unique_ptr<Storage>>()>;

// Which ports a node gets. What is left empty is the system's.
struct Ports {
  std::shared_ptr<Clock> clock;
  std::shared_ptr<Randomness> randomness;
  std::shared_ptr<Network> network;
  StorageOpener open_storage;
};

}  // namespace kvswarm::ports
