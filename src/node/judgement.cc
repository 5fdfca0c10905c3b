#include "node/judgement.h"

#include "base/assert.h"

namespace kvswarm::node {

Judgement judge(const log::Refusal& refusal, const log::BlockHeader& header, std::uint64_t settled,
                const config::Document* named) {
  using log::RefusalReason;
  if (log::is_temporary(refusal.reason)) return Judgement::temporary;
  const bool unlisted = refusal.reason == RefusalReason::unauthorised;
  if (!unlisted && refusal.reason != RefusalReason::earlier_grant) return Judgement::lasting;
  if (refusal.document.number < header.document.number) return Judgement::behind;
  if (named == nullptr) return Judgement::unknown_document;
  KVSWARM_ASSERT(named->number() == refusal.document.number &&
                 named->hash() == refusal.document.hash);
  // No grant is newer than the document in force.
  const bool may_be_earlier = refusal.document.number > header.document.number;
  const bool listed = named->is_writer(header.writer);
  if (unlisted ? listed : !listed || !may_be_earlier) return Judgement::contradicted;
  // It knows of a later incarnation than this one, the last: another copy wrote, or it lies.
  if (refusal.cursor_incarnation > header.incarnation) return Judgement::lasting;
  const std::uint64_t committed =
      refusal.cursor_incarnation == header.incarnation ? refusal.cursor_number : 0;
  if (committed >= header.number) return Judgement::contradicted;
  return committed > settled ? Judgement::before_receipts : Judgement::final_refusal;
}

}  // namespace kvswarm::node
