// Messages over five lanes: cut into pieces by priority and credit on the one side, put together
// again within a budget on the other (docs/formats/wire.md, "Records").
//
// Credit is counted in payload bytes per lane and direction. The receiver's sum for a lane,
//   allowance (granted, not yet arrived) + held (arrived, not yet released)
// stays within the lane's window, plus the whole size of a message that is larger than the window
// once the node's reassembly budget has room for it. The share of the budget is given back when the
// owner releases the message, so memory per peer is bounded by its windows and
// limits::kPeerReassemblyBytes, and what is large over all peers by the budget. A message gets its
// whole share at once or waits: two half-finished ones never wait for each other. The control lane
// is exempt from the bound per peer, as what waits in other lanes may wait for an announcement.
// Thread: the session's.
#pragma once

#include <array>
#include <deque>
#include <limits>
#include <optional>

#include "base/limits.h"
#include "swarm/records.h"
#include "swarm/session.h"

namespace kvswarm::swarm {

inline constexpr std::uint64_t kMostCreditBytes = std::uint64_t{1} << 32;
inline constexpr unsigned kMostPassedOver = 32;  // records, before a lower lane gets its turn
inline constexpr std::size_t kQueuedMessageBytes = 64;  // what a queued message costs besides

// Where a wait stands that began at `since_ms`, after `bytes` of a message moved: each thousand of
// them buys a second, so that who goes on byte by byte is not for ever on time.
std::uint64_t paid_until_ms(std::uint64_t since_ms, std::size_t bytes, std::uint64_t now_ms);

// The window of a lane, in payload bytes, for a peer that the document lists or does not list.
std::size_t window_bytes(Lane lane, bool listed);

class SendLanes {
 public:
  SendLanes();

  void push(Message message);
  std::size_t queued_bytes() const { return queued_bytes_; }  // payloads and their overhead
  // What the peer has not taken yet of the lanes that it should read at once: all but blocks and
  // movement, which wait for its disk.
  std::size_t unread_bytes() const { return unread_bytes_; }
  void drop_all_but_control();

  // `corruption` when no honest peer would grant so much.
  Status add_credit(Lane lane, std::uint64_t bytes);

  bool ready() const;
  bool ready(Lane lane) const;
  // The plaintext of the next data record; asserts ready(). Control first, then by priority.
  Bytes next_record();

 private:
  struct SendLane {
    std::deque<Message> queue;
    std::size_t sent_bytes = 0;  // of the front message
    bool begun = false;          // its first piece is out
    std::uint64_t credit_bytes = limits::kInitialCreditBytes;
    unsigned passed_over = 0;
  };

  std::size_t choose();
  Bytes cut(SendLane& lane, Lane number);

  std::array<SendLane, kLanes> lanes_;
  std::size_t queued_bytes_ = 0;
  std::size_t unread_bytes_ = 0;
};

class ReceiveLanes {
 public:
  // `budget` may be null (no bound beyond the windows); it outlives this object.
  explicit ReceiveLanes(ReassemblyBudget* budget) : budget_(budget) {}
  ~ReceiveLanes();
  ReceiveLanes(const ReceiveLanes&) = delete;
  ReceiveLanes& operator=(const ReceiveLanes&) = delete;

  // Until it is called a peer has the small window, and messages too large for an unlisted peer
  // wait in it. Corruption when one of those is under way and the answer is no.
  Status set_listed(bool listed);

  // The message, when the piece completes it. `corruption` ends the session.
  Result<std::optional<Message>> take(const DataRecord& record, std::uint64_t now_ms);

  // The owner is done with a message. More than was delivered is our own mistake (asserted). The
  // control lane releases by itself, and ignores this.
  void release(Lane lane, std::size_t payload_bytes);

  // Credit to grant now, by lane; 0 for none. Tries again to get a share of the budget.
  std::array<std::uint64_t, kLanes> take_grants(std::uint64_t now_ms);
  bool waits_for_budget() const;

  // When the oldest unfinished message that could advance last did; nullopt if there is none.
  std::optional<std::uint64_t> oldest_progress_ms() const;

 private:
  struct ReceiveLane {
    std::optional<Message> partial;
    std::size_t total_bytes = 0;     // of the partial message
    std::size_t reserved_bytes = 0;  // of the budget: all of the partial message, or nothing
    std::size_t kept_bytes = 0;      // of the budget: for delivered messages
    std::size_t delivered_bytes = 0;
    std::uint64_t allowance_bytes = limits::kInitialCreditBytes;
    std::uint64_t progress_ms = 0;

    std::size_t held_bytes() const {
      return delivered_bytes + (partial ? partial->payload.size() : 0);
    }
    std::size_t missing_bytes() const {
      return partial ? total_bytes - partial->payload.size() : 0;
    }
  };

  std::size_t window(std::size_t lane) const;
  bool wants_budget(std::size_t lane) const;
  void try_reserve(std::size_t lane);
  bool has_share_for(std::size_t lane) const;
  void give_back(std::size_t bytes);
  Status begin(ReceiveLane& lane, const DataRecord& record, std::uint64_t now_ms);

  ReassemblyBudget* budget_;
  std::optional<bool> listed_;
  std::array<ReceiveLane, kLanes> lanes_;
};

}  // namespace kvswarm::swarm
