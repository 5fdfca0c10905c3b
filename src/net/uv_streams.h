// What TCP connections and control sockets have in common: numbered libuv streams with reading,
// queued writing, accepting and one way to end (inside src/net only).
//
// A connection lives in the table from its begin until libuv's close callback, which is where
// on_closed comes from: that makes it come once and never from inside a call. A stream whose owner
// is gone, or that a dial gave up, is closed without a word. Thread: the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/network.h"
#include "net/uv_handle.h"
#include "net/uv_loop.h"

namespace kvswarm::net {

class UvStreams;

// A libuv stream with its memory; libuv's close callback frees it.
struct UvStream {
  union {
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } handle;
  UvLoop* loop = nullptr;
  UvStreams* owner = nullptr;  // nullptr: nobody wants to hear of it any more
  ConnectionId id = 0;         // 0: not a connection, or not yet
};

class UvStreams {
 public:
  UvStreams(UvLoop& loop, NetworkListener& listener, std::size_t most_connections);
  virtual ~UvStreams();
  UvStreams(const UvStreams&) = delete;
  UvStreams& operator=(const UvStreams&) = delete;

  void send(ConnectionId id, Bytes bytes);
  void close(ConnectionId id);
  void stop_serving();
  std::size_t connections() const { return connections_.size(); }

 protected:
  enum class Phase { dialling, open, closing };
  struct Connection {
    UvStream* stream = nullptr;
    Phase phase = Phase::open;
    std::vector<Bytes> waiting;  // sent while dialling
    Status why;                  // of the closing
  };
  // Makes a stream that accepts connections; called again when accepting has failed.
  using OpenServer = std::function<Result<UvStream*>()>;

  // A stream of the subclass's kind, initialised on the loop.
  virtual UvStream* make_stream() = 0;
  // Who is at the other end of an accepted stream; nullopt to close it unseen.
  virtual std::optional<std::string> admit(UvStream& stream) = 0;
  // A connection begins to close.
  virtual void on_failing(ConnectionId) {}

  Status serve(OpenServer open);
  // Starts libuv's listening; the stream is given up on an error.
  Result<UvStream*> listen_on(UvStream* stream, const std::string& what);
  ConnectionId add(UvStream* stream, Phase phase);
  Connection* find(ConnectionId id);  // nullptr when closing or gone
  bool full() const { return connections_.size() >= most_connections_; }
  // A dialled connection stands.
  void established(ConnectionId id);
  void fail(ConnectionId id, Status why);
  // Closes a stream that is no connection's.
  static void give_up(UvStream* stream);

  UvLoop& loop_;
  NetworkListener& listener_;

 private:
  struct Server {
    OpenServer open;
    UvStream* stream;  // nullptr while accepting pauses
  };
  struct WriteRequest;

  static void on_connection(uv_stream_t* server, int status);
  static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer);
  static void on_written(uv_write_t* request, int status);
  static void close_stream(UvStream* stream);
  void accept_from(uv_stream_t* server);
  void pause(UvStream* server);
  void reopen_servers();
  void start_reading(ConnectionId id, UvStream& stream);
  void write(ConnectionId id, UvStream& stream, Bytes bytes);
  void stream_closed(ConnectionId id);

  const std::size_t most_connections_;
  ConnectionId next_id_ = 1;
  std::map<ConnectionId, Connection> connections_;
  std::vector<Server> servers_;
  UvTimer reopen_timer_;
  std::unique_ptr<char[]> read_buffer_;
};

}  // namespace kvswarm::net
