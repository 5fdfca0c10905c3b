#include "slicing/strip.h"

#include "base/assert.h"

namespace kvswarm::slicing {

void Strip::append(Measure points, OwnerIndex owner) {
  KVSWARM_ASSERT(points > 0);
  if (back_ != kNoPiece && pieces_[back_].owner == owner) {
    pieces_[back_].points += points;
    return;
  }
  Piece piece;
  if (back_ != kNoPiece)
    piece.first = static_cast<Point>(pieces_[back_].first + pieces_[back_].points);
  piece.points = points;
  piece.owner = owner;
  piece.previous = back_;
  const PieceNumber number = numbers();
  pieces_.push_back(piece);
  (back_ == kNoPiece ? front_ : pieces_[back_].next) = number;
  back_ = number;
}

PieceNumber Strip::give(PieceNumber number, OwnerIndex owner) {
  KVSWARM_ASSERT(pieces_[number].points > 0 && pieces_[number].owner != owner);
  pieces_[number].owner = owner;
  const PieceNumber next = pieces_[number].next;
  if (next != kNoPiece && pieces_[next].owner == owner) join_with_next(number);
  const PieceNumber previous = pieces_[number].previous;
  if (previous == kNoPiece || pieces_[previous].owner != owner) return number;
  join_with_next(previous);
  return previous;
}

PieceNumber Strip::give_part(PieceNumber number, End end, Measure points, OwnerIndex owner) {
  KVSWARM_ASSERT(points > 0 && points < pieces_[number].points && pieces_[number].owner != owner);
  const Point split = static_cast<Point>(
      pieces_[number].first + (end == End::front ? points : pieces_[number].points - points));
  const Point given = end == End::front ? pieces_[number].first : split;
  pieces_[number].points -= points;
  if (end == End::front) pieces_[number].first = split;

  const PieceNumber beside = neighbour(number, end);
  if (beside != kNoPiece && pieces_[beside].owner == owner) {
    pieces_[beside].points += points;
    if (end == End::back) pieces_[beside].first = given;
    return beside;
  }
  Piece piece;
  piece.first = given;
  piece.points = points;
  piece.owner = owner;
  piece.previous = end == End::front ? beside : number;
  piece.next = end == End::front ? number : beside;
  const PieceNumber created = numbers();
  pieces_.push_back(piece);
  (piece.previous == kNoPiece ? front_ : pieces_[piece.previous].next) = created;
  (piece.next == kNoPiece ? back_ : pieces_[piece.next].previous) = created;
  return created;
}

void Strip::join_with_next(PieceNumber number) {
  const PieceNumber gone = pieces_[number].next;
  pieces_[number].points += pieces_[gone].points;
  pieces_[number].next = pieces_[gone].next;
  (pieces_[gone].next == kNoPiece ? back_ : pieces_[pieces_[gone].next].previous) = number;
  pieces_[gone].points = 0;
}

}  // namespace kvswarm::slicing
