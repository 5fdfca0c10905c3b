#include "slicing/update.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <tuple>

#include "base/assert.h"

namespace kvswarm::slicing {
namespace {

enum class Role { idle, giver, receiver };

// What one owner still must and still may give (or receive, by its role).
struct Account {
  Role role = Role::idle;
  Measure must = 0;
  Measure may = 0;  // at least `must`
};

// One side of all transfers: the sums over its accounts.
struct Side {
  Measure must = 0;
  Measure may = 0;
};

// How many slices a transfer adds, cheapest first.
enum class Cost : std::uint8_t {
  closes_gap,  // -2: a whole piece between two of the receiver's
  joins,       // -1: a whole piece beside one of the receiver's
  keeps,       //  0: a part beside one of the receiver's, or a whole piece elsewhere
  cuts,        // +1: a part elsewhere
};

// Ranks: few points first, and many points first.
std::uint64_t fewest_first(Measure points) {
  return static_cast<std::uint64_t>(std::min<Measure>(points, UINT64_MAX));
}
std::uint64_t most_first(Measure points) { return UINT64_MAX - fewest_first(points); }

struct Transfer {
  Cost cost = Cost::cuts;
  std::uint64_t rank = 0;  // among equal costs the smallest goes first
  PieceNumber piece = kNoPiece;
  OwnerIndex receiver = 0;
  End end = End::front;
  Measure points = 0;
};

class Reassignment {
 public:
  Reassignment(Strip& strip, const std::vector<Quota>& quotas);
  void run();

 private:
  struct Candidate {
    std::uint64_t rank;
    PieceNumber piece;
    std::uint32_t stamp;  // void unless it is the piece's newest
    Cost cost;
    bool operator<(const Candidate& other) const {  // the queue's top is its greatest
      return std::tie(other.cost, other.rank, other.piece) < std::tie(cost, rank, piece);
    }
  };

  struct Room {
    Measure limit;  // above 0
    OwnerIndex owner;
    bool operator<(const Room& other) const {
      return std::tie(limit, other.owner) < std::tie(other.limit, owner);
    }
  };

  // How much `owner` can give (receive) now in one transfer.
  Measure giving_limit(OwnerIndex owner) const;
  Measure receiving_limit(OwnerIndex owner) const;
  // What the owner of the piece beside this one may give; 0 if it is no giver.
  Measure giver_beside(PieceNumber number, End end) const;
  Measure receiving_limit_beside(PieceNumber number, End end) const;

  std::optional<Transfer> cheapest_transfer(PieceNumber number) const;
  std::optional<Transfer> transfer_to_neighbour(PieceNumber number, Measure giving) const;
  Transfer transfer_elsewhere(PieceNumber number, Measure giving) const;

  void consider(PieceNumber number);
  void execute(const Transfer& transfer);
  void charge(OwnerIndex owner, Side& side, Measure points);
  void find_neediest();
  void add_room(OwnerIndex owner, Measure limit);

  Strip& strip_;
  std::vector<Account> accounts_;
  Side giving_;
  Side receiving_;
  Measure to_move_ = 0;         // points that still move: the greater of the two sides' musts
  Measure greatest_room_ = 0;   // the most that one receiver could take at the outset
  OwnerIndex neediest_ = 0;     // the receiver with the greatest limit
  Measure neediest_limit_ = 0;  // 0: no receiver can take anything
  std::vector<Room> rooms_;     // a heap of the receivers that can take anything
  std::vector<std::uint32_t> stamps_;
  std::vector<Candidate> queue_;  // a heap once `ordered_`
  bool ordered_ = false;
};

Reassignment::Reassignment(Strip& strip, const std::vector<Quota>& quotas)
    : strip_(strip), accounts_(quotas.size()), stamps_(strip.numbers(), 0) {
  std::vector<Measure> shares(quotas.size(), 0);
  for (PieceNumber at = strip.front(); at != kNoPiece; at = strip[at].next) {
    shares[strip[at].owner] += strip[at].points;
  }
  for (std::size_t i = 0; i < quotas.size(); ++i) {
    if (shares[i] > quotas[i].highest) giving_.must += shares[i] - quotas[i].highest;
    if (shares[i] < quotas[i].lowest) receiving_.must += quotas[i].lowest - shares[i];
  }
  to_move_ = std::max(giving_.must, receiving_.must);

  // Owners inside their quota stand by on the side that falls short.
  const Role helping = receiving_.must > giving_.must ? Role::giver : Role::receiver;
  for (std::size_t i = 0; i < quotas.size(); ++i) {
    Account& account = accounts_[i];
    const Quota& quota = quotas[i];
    const bool above = shares[i] > quota.highest;
    const bool below = shares[i] < quota.lowest;
    account.role = above ? Role::giver : below ? Role::receiver : helping;
    if (above) account.must = shares[i] - quota.highest;
    if (below) account.must = quota.lowest - shares[i];
    account.may =
        account.role == Role::giver ? shares[i] - quota.lowest : quota.highest - shares[i];
    if (account.may == 0) account.role = Role::idle;
    if (account.role == Role::receiver) greatest_room_ = std::max(greatest_room_, account.may);
    (account.role == Role::giver ? giving_ : receiving_).may += account.may;
  }
}

// Beyond what it must, an owner gives only from what is left when all others have given what they
// must: of the points to move, and of the room at the receivers. That keeps every step finishable.
Measure Reassignment::giving_limit(OwnerIndex owner) const {
  const Account& account = accounts_[owner];
  if (account.role != Role::giver) return 0;
  const Measure spare = std::min(to_move_, receiving_.may) - giving_.must;
  return std::min(account.may, account.must + spare);
}

Measure Reassignment::receiving_limit(OwnerIndex owner) const {
  const Account& account = accounts_[owner];
  if (account.role != Role::receiver) return 0;
  const Measure spare = std::min(to_move_, giving_.may) - receiving_.must;
  return std::min(account.may, account.must + spare);
}

Measure Reassignment::giver_beside(PieceNumber number, End end) const {
  const PieceNumber beside = strip_.neighbour(number, end);
  if (beside == kNoPiece) return 0;
  const Account& account = accounts_[strip_[beside].owner];
  return account.role == Role::giver ? account.may : 0;
}

Measure Reassignment::receiving_limit_beside(PieceNumber number, End end) const {
  const PieceNumber beside = strip_.neighbour(number, end);
  return beside == kNoPiece ? 0 : receiving_limit(strip_[beside].owner);
}

std::optional<Transfer> Reassignment::cheapest_transfer(PieceNumber number) const {
  if (strip_[number].points == 0) return std::nullopt;
  const Measure giving = giving_limit(strip_[number].owner);
  if (giving == 0 || neediest_limit_ == 0) return std::nullopt;
  if (auto transfer = transfer_to_neighbour(number, giving)) return transfer;
  return transfer_elsewhere(number, giving);
}

std::optional<Transfer> Reassignment::transfer_to_neighbour(PieceNumber number,
                                                            Measure giving) const {
  const Measure front = receiving_limit_beside(number, End::front);
  const Measure back = receiving_limit_beside(number, End::back);
  if (front == 0 && back == 0) return std::nullopt;
  const Strip::Piece& piece = strip_[number];
  Transfer transfer;
  transfer.piece = number;
  transfer.end = front >= back ? End::front : End::back;
  transfer.receiver = strip_[strip_.neighbour(number, transfer.end)].owner;
  transfer.points = std::min({piece.points, giving, std::max(front, back)});
  if (transfer.points < piece.points) {
    transfer.cost = Cost::keeps;
    transfer.rank = most_first(
        std::min({piece.points, accounts_[piece.owner].may, accounts_[transfer.receiver].may}));
    return transfer;
  }
  const bool between = piece.previous != kNoPiece && piece.next != kNoPiece &&
                       strip_[piece.previous].owner == strip_[piece.next].owner;
  transfer.cost = between ? Cost::closes_gap : Cost::joins;
  transfer.rank = fewest_first(piece.points);
  return transfer;
}

Transfer Reassignment::transfer_elsewhere(PieceNumber number, Measure giving) const {
  Transfer transfer;
  transfer.piece = number;
  transfer.receiver = neediest_;
  transfer.points = std::min({strip_[number].points, giving, neediest_limit_});

  // A good place is one where the pieces beside it may give to the same receiver, and so join. And
  // a small piece is better cut than a large one: what is left of it soon goes whole.
  const Measure front = giver_beside(number, End::front);
  const Measure back = giver_beside(number, End::back);
  transfer.end = front >= back ? End::front : End::back;
  if (transfer.points == strip_[number].points) {
    transfer.cost = Cost::keeps;
    transfer.rank = most_first(std::min(front + back, greatest_room_));
  } else {
    transfer.cost = Cost::cuts;
    const Measure points = strip_[number].points;
    transfer.rank = fewest_first(points - std::min(points, std::max(front, back)));
  }
  return transfer;
}

void Reassignment::consider(PieceNumber number) {
  if (number == kNoPiece) return;
  if (number >= stamps_.size()) stamps_.resize(number + 1, 0);
  ++stamps_[number];
  const auto transfer = cheapest_transfer(number);
  if (!transfer) return;
  queue_.push_back({transfer->rank, number, stamps_[number], transfer->cost});
  if (ordered_) std::push_heap(queue_.begin(), queue_.end());
}

void Reassignment::charge(OwnerIndex owner, Side& side, Measure points) {
  Account& account = accounts_[owner];
  const Measure forced = std::min(points, account.must);
  account.must -= forced;
  account.may -= points;
  side.must -= forced;
  side.may -= points;
}

// Limits only fall, so the heap's top is the greatest once it is found unchanged.
void Reassignment::find_neediest() {
  neediest_limit_ = 0;
  while (!rooms_.empty()) {
    const Room top = rooms_.front();
    const Measure limit = receiving_limit(top.owner);
    if (limit == top.limit) {
      neediest_ = top.owner;
      neediest_limit_ = limit;
      return;
    }
    std::pop_heap(rooms_.begin(), rooms_.end());
    rooms_.pop_back();
    if (limit > 0) add_room(top.owner, limit);
  }
}

void Reassignment::add_room(OwnerIndex owner, Measure limit) {
  rooms_.push_back({limit, owner});
  std::push_heap(rooms_.begin(), rooms_.end());
}

void Reassignment::execute(const Transfer& transfer) {
  const PieceNumber number = transfer.piece;
  charge(strip_[number].owner, giving_, transfer.points);
  charge(transfer.receiver, receiving_, transfer.points);
  to_move_ -= transfer.points;
  find_neediest();

  const bool whole = transfer.points == strip_[number].points;
  const PieceNumber now =
      whole ? strip_.give(number, transfer.receiver)
            : strip_.give_part(number, transfer.end, transfer.points, transfer.receiver);
  consider(strip_[now].previous);
  consider(strip_[now].next);
}

// A candidate's transfer only gets dearer while others are made, unless a neighbour changed, and
// then it is considered anew: so the queue's top, once found unchanged, is the cheapest of all.
void Reassignment::run() {
  for (OwnerIndex owner = 0; owner < accounts_.size(); ++owner) {
    if (const Measure limit = receiving_limit(owner); limit > 0) add_room(owner, limit);
  }
  find_neediest();
  for (PieceNumber at = strip_.front(); at != kNoPiece; at = strip_[at].next) consider(at);
  std::make_heap(queue_.begin(), queue_.end());
  ordered_ = true;
  while (giving_.must > 0 || receiving_.must > 0) {
    KVSWARM_ASSERT(!queue_.empty());
    std::pop_heap(queue_.begin(), queue_.end());
    const Candidate top = queue_.back();
    queue_.pop_back();
    if (top.stamp != stamps_[top.piece]) continue;
    const auto transfer = cheapest_transfer(top.piece);
    if (!transfer) continue;
    if (transfer->cost == top.cost && transfer->rank == top.rank) {
      execute(*transfer);
    } else {
      consider(top.piece);
    }
  }
}

}  // namespace

void reassign(Strip& strip, const std::vector<Quota>& quotas) { Reassignment(strip, quotas).run(); }

}  // namespace kvswarm::slicing
