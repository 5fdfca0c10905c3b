// The ring cut open at point 0 and laid out as a list of pieces, which an update cuts, hands over
// and joins. Owners are small indices here; the caller knows which node each one is.
//
// Invariant: pieces follow each other without gap from 0 to 2^64, none is empty, and neighbours
// have different owners. A piece keeps its number while it lives; numbers are never used again.
// Thread: any, as a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "slicing/slice_map.h"

namespace kvswarm::slicing {

using OwnerIndex = std::uint32_t;
using PieceNumber = std::uint32_t;
inline constexpr PieceNumber kNoPiece = UINT32_MAX;

enum class End { front, back };  // the side towards point 0, the side towards 2^64

class Strip {
 public:
  struct Piece {
    Point first = 0;
    Measure points = 0;  // 0 once it has been joined to another piece
    OwnerIndex owner = 0;
    PieceNumber previous = kNoPiece;
    PieceNumber next = kNoPiece;
  };

  explicit Strip(std::size_t expected_pieces = 0) { pieces_.reserve(expected_pieces); }

  // Adds a piece behind the last one; joins it when the owner is the same. `points` above 0.
  void append(Measure points, OwnerIndex owner);

  // The first piece; kNoPiece when the strip is empty.
  PieceNumber front() const { return front_; }
  const Piece& operator[](PieceNumber number) const { return pieces_[number]; }

  // Numbers given so far, those of joined pieces included.
  PieceNumber numbers() const { return static_cast<PieceNumber>(pieces_.size()); }

  PieceNumber neighbour(PieceNumber number, End end) const {
    return end == End::front ? pieces_[number].previous : pieces_[number].next;
  }

  // Gives the whole piece to another owner and joins it to neighbours of that owner. Returns the
  // piece that now contains it.
  PieceNumber give(PieceNumber number, OwnerIndex owner);

  // Gives `points` of the piece, more than 0 and fewer than all, from one end. Returns the piece
  // that now contains them: the neighbour at that end if it has this owner, else a new one.
  PieceNumber give_part(PieceNumber number, End end, Measure points, OwnerIndex owner);

 private:
  void join_with_next(PieceNumber number);

  std::vector<Piece> pieces_;
  PieceNumber front_ = kNoPiece;
  PieceNumber back_ = kNoPiece;
};

}  // namespace kvswarm::slicing
