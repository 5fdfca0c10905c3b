// What a node keeps about others that contradicted themselves (promises F1, C3), and the newest
// heads that third parties told, which are compared with what the node shows to us.
//
// Pure bookkeeping for the core, bounded: one piece per subject, a proof in the place of what was
// only observed. What is kept has been checked before. Loop thread.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "log/saved.h"
#include "node/rows.h"

namespace kvswarm::node {

struct KeptEvidence {
  std::uint64_t noticed_ms = 0;  // wall clock
  NodeId from;                   // who handed it on; zero: noticed here
  Bytes saved;                   // the file of docs/formats/saved.md
  log::EvidenceFacts facts;
};

class EvidenceBook {
 public:
  // False: known already, or there is no room for it.
  bool add(KeptEvidence evidence);
  // Whether add() would take such evidence, of so many bytes: to ask before anything is encoded.
  bool wants(const log::EvidenceFacts& facts, std::size_t bytes = 0) const;
  bool has(BytesView saved) const;
  // The one about that; null: there is none.
  const KeptEvidence* find(const Hash& subject) const;

  std::vector<KeptEvidence> newest_first() const;

  // What became of writing a piece to the disk, by subject.
  void stored(const Hash& subject, bool is_stored);
  std::vector<KeptEvidence> take_not_stored();  // to be written now
  std::size_t size() const { return kept_.size(); }

  // A checked head of a third party's log. Returns an earlier one of the same epoch and length that
  // somebody told and that is not the same; nullopt: there is none.
  std::optional<log::SignedHead> add_hint(const log::Head& head,
                                          const log::SignedHead& signed_head);
  std::optional<log::SignedHead> hint(const log::Head& head) const;  // of its epoch and length

 private:
  using Place = std::pair<std::uint64_t, std::uint64_t>;  // epoch, length
  std::map<Hash, KeptEvidence> kept_;                     // by subject
  std::set<Hash> not_stored_;                             // subjects
  std::map<NodeId, std::map<Place, log::SignedHead>> hints_;
};

// Evidence in the order that its form asks for, whichever of the two was there first.
log::Evidence two_heads(log::SignedHead one, log::SignedHead other);
log::Evidence two_blocks(log::SavedHeader one, log::SavedHeader other);
log::Evidence two_documents(log::TwoDocuments::Text one, log::TwoDocuments::Text other);

}  // namespace kvswarm::node
