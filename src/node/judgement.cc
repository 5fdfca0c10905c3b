#include "node/judgement.h"

namespace kvswarm::node {
namespace {

// The newest known document up to that of the refusal, not older than the block's, that does not
// list the writer. None: `missing` is the newest one between the two that is not known, if any.
Judged find_revocation(const log::Refusal& refusal, const log::BlockHeader& header,
                       const KnownDocuments& documents) {
  Judged out;
  for (auto at = documents.upper_bound(refusal.document.number); at != documents.begin();) {
    --at;
    if (at->first < header.document.number) break;
    if (!at->second.lists_writer) {
      out.refused_up_to = at->first;
      return out;
    }
  }
  std::uint64_t number = refusal.document.number;
  while (number > header.document.number && documents.count(number) > 0) --number;
  if (number > header.document.number) out.missing = number;
  return out;
}

}  // namespace

Judged judge(const log::Refusal& refusal, const log::BlockHeader& header, std::uint64_t settled,
             const KnownDocuments& documents) {
  using log::RefusalReason;
  if (log::is_temporary(refusal.reason)) return {Judgement::temporary};
  if (refusal.reason == RefusalReason::already_applied) return {Judgement::applied_before};
  const std::uint64_t number = refusal.document.number;
  const auto named = documents.find(number);
  if (named != documents.end() && named->second.hash != refusal.document.hash) {
    return {Judgement::other_document};
  }
  const bool unlisted = refusal.reason == RefusalReason::unauthorised;
  if (!unlisted && refusal.reason != RefusalReason::earlier_grant) return {Judgement::lasting};
  if (number < header.document.number) return {Judgement::behind};
  if (documents.empty() || number > documents.rbegin()->first) return {Judgement::later_document};
  if (named == documents.end()) return {Judgement::missing_document, number};
  if (unlisted == named->second.lists_writer) return {Judgement::contradicted};
  Judged out = find_revocation(refusal, header, documents);
  if (out.refused_up_to == 0) {
    out.judgement = out.missing == 0 ? Judgement::contradicted : Judgement::missing_document;
    return out;
  }
  // It knows of a later incarnation than this one, the last: another copy wrote, or it lies.
  if (refusal.cursor_incarnation > header.incarnation) return {Judgement::lasting};
  const std::uint64_t committed =
      refusal.cursor_incarnation == header.incarnation ? refusal.cursor_number : 0;
  if (committed >= header.number) return {Judgement::contradicted};
  out.judgement = committed > settled ? Judgement::before_receipts : Judgement::final_refusal;
  return out;
}

}  // namespace kvswarm::node
