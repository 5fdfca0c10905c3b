// Makes the proof that a view's root and a question have. Grammar: docs/formats/state.md, Proof.
#pragma once

#include "state/question.h"
#include "state/trie.h"

namespace kvswarm::state {

// The cursor shows the leaves of the view's moment. corruption when its rows are not those under
// the root, with where; usage when the proof would have more than limits::kProofBytes; errors of
// the cursor. What comes out verifies. Thread: any; the cursor is the caller's.
Result<Bytes> make_proof(const View& view, const Question& question, LeafCursor& leaves);

}  // namespace kvswarm::state
