// The one verifier of proofs against a state root: a pure function of (bytes, root, question).
//
// Whoever made the root, it has one verifiable answer to a question: two proofs that hold against
// one root agree on every address that both questions ask for. Grammar, what is checked and why
// that follows: docs/formats/state.md, Proof. Thread: any.
#pragma once

#include <vector>

#include "base/status.h"
#include "state/leaf.h"
#include "state/question.h"

namespace kvswarm::state {

inline constexpr std::uint8_t kProofVersion = 1;

// The first byte of a part of a proof: a node's tag holds its skip and which child is a stub.
namespace proof_tag {
inline constexpr std::uint8_t kLeftStub = 0x40;
inline constexpr std::uint8_t kRightStub = 0x80;
inline constexpr std::uint8_t kSkip = 0x3f;  // mask; all ones: a byte that is added follows
inline constexpr std::uint8_t kLeaf = 0xc0;
inline constexpr std::uint8_t kDiverging = 0xc1;
}  // namespace proof_tag

// The leaves that answer the question, ascending and complete up to its limit; corruption, with
// what did not hold, for anything but the one proof that this root and question have.
Result<std::vector<Leaf>> check_proof(const SwarmId& swarm, const Hash& root,
                                      const Question& question, BytesView proof);

// The same for Question::get: the leaf, nullopt when its absence is proven, or corruption.
Result<std::optional<Leaf>> check_get(const SwarmId& swarm, const Hash& root,
                                      const Address& address, BytesView proof);

}  // namespace kvswarm::state
