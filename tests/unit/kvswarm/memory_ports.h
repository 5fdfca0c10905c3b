// Ports of a test's own: a clock that it moves, chance from a seed, a disk and a network in memory.
#pragma once

#include <kvswarm/ports.h>

#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "base/random.h"

namespace kvswarm::test {

class ManualClock final : public ports::Clock {
 public:
  Reading now() override { return {ms_, 1'700'000'000'000 + ms_}; }
  void move(std::uint64_t ms) { ms_ += ms; }

 private:
  std::atomic<std::uint64_t> ms_ = 1'000'000;
};

class SeededRandomness final : public ports::Randomness {
 public:
  explicit SeededRandomness(std::uint64_t seed) : random_(seed) {}
  void fill(void* out, std::size_t size) override {
    bytes += size;
    random_.fill(out, size);
  }
  std::size_t bytes = 0;

 private:
  SeededRandom random_;
};

// What outlives a MemoryStorage, as a disk outlives a process.
struct MemoryDisk {
  std::map<std::string, std::string, std::less<>> rows;
  bool full = false;
  int openings = 0;
};

class MemoryStorage final : public ports::Storage {
 public:
  explicit MemoryStorage(std::shared_ptr<MemoryDisk> disk) : disk_(std::move(disk)) {}
  Result<std::optional<std::string>> get(std::string_view key) override {
    const auto found = disk_->rows.find(key);
    if (found == disk_->rows.end()) return std::optional<std::string>();
    return std::optional(found->second);
  }
  Status write(const std::vector<Change>& changes, bool) override {
    if (disk_->full) return {StatusCode::disk_full, "the memory disk is full"};
    for (const Change& change : changes) {
      disk_->rows.erase(std::string(change.key));
      if (change.value) disk_->rows.emplace(change.key, *change.value);
    }
    return {};
  }
  std::unique_ptr<Cursor> cursor() override { return std::make_unique<Walk>(disk_->rows); }

  static ports::StorageOpener opener(const std::shared_ptr<MemoryDisk>& disk) {
    return [disk]() -> Result<std::unique_ptr<ports::Storage>> {
      ++disk->openings;
      return std::unique_ptr<ports::Storage>(std::make_unique<MemoryStorage>(disk));
    };
  }

 private:
  using Rows = std::map<std::string, std::string, std::less<>>;
  class Walk final : public Cursor {
   public:
    explicit Walk(Rows rows) : rows_(std::move(rows)), at_(rows_.end()) {}
    void seek(std::string_view at_or_after) override { at_ = rows_.lower_bound(at_or_after); }
    void seek_last_before(std::string_view bound) override {
      at_ = rows_.lower_bound(bound);
      at_ = at_ == rows_.begin() ? rows_.end() : std::prev(at_);
    }
    bool valid() const override { return at_ != rows_.end(); }
    void next() override { ++at_; }
    std::string_view key() const override { return at_->first; }
    std::string_view value() const override { return at_->second; }
    Status status() const override { return {}; }

   private:
    const Rows rows_;
    Rows::const_iterator at_;
  };

  std::shared_ptr<MemoryDisk> disk_;
};

// Streams between nodes on one loop; examples/custom_transport.cc is the one for several threads.
class MemoryNetwork final : public ports::Network {
 public:
  using Listeners = std::map<std::string, MemoryNetwork*>;
  explicit MemoryNetwork(std::shared_ptr<Listeners> listeners) : listeners_(std::move(listeners)) {}

  void attach(Listener& listener, Post post) override {
    listener_ = &listener;
    post_ = std::move(post);
  }
  void detach() override {
    stop_listening();
    while (!ends_.empty()) close(ends_.begin()->first);
    listener_ = nullptr;
  }
  Result<std::uint16_t> listen(const std::string& host, std::uint16_t port) override {
    port = port == 0 ? 1 : port;
    (*listeners_)[host + ":" + std::to_string(port)] = this;
    return port;
  }
  void stop_listening() override {
    std::erase_if(*listeners_, [this](const auto& entry) { return entry.second == this; });
  }
  Connection dial(const std::string& address, std::uint64_t) override {
    const Connection mine = next_++;
    const auto found = listeners_->find(address);
    if (found == listeners_->end()) {
      tell([mine](Listener& node) {
        node.on_closed(mine, {StatusCode::unavailable, "nobody listens"});
      });
      return mine;
    }
    MemoryNetwork* const far = found->second;
    const Connection theirs = far->next_++;
    ends_[mine] = {far, theirs};
    far->ends_[theirs] = {this, mine};
    far->tell([theirs](Listener& node) { node.on_accepted(theirs, "memory"); });
    tell([mine](Listener& node) { node.on_connected(mine); });
    return mine;
  }
  void send(Connection mine, std::string bytes) override {
    const auto end = ends_.find(mine);
    if (end == ends_.end()) return;
    const std::size_t size = bytes.size();
    const Connection theirs = end->second.second;
    end->second.first->tell(
        [theirs, bytes = std::move(bytes)](Listener& node) { node.on_bytes(theirs, bytes); });
    tell([mine, size](Listener& node) { node.on_sent(mine, size); });
  }
  void close(Connection mine) override {
    const auto end = ends_.find(mine);
    if (end == ends_.end()) return;
    const auto far = end->second;
    ends_.erase(end);
    tell([mine](Listener& node) { node.on_closed(mine, {}); });
    if (far.first->ends_.erase(far.second) == 0) return;
    far.first->tell([theirs = far.second](Listener& node) {
      node.on_closed(theirs, {StatusCode::unavailable, "the peer closed"});
    });
  }

 private:
  void tell(std::function<void(Listener& node)> event) {
    static_cast<void>(post_([this, event = std::move(event)] {
      if (listener_ != nullptr) event(*listener_);
    }));
  }

  std::shared_ptr<Listeners> listeners_;
  Listener* listener_ = nullptr;
  Post post_;
  Connection next_ = 1;
  std::map<Connection, std::pair<MemoryNetwork*, Connection>> ends_;
};

}  // namespace kvswarm::test
