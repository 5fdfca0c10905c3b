#include "node/evidence.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"

namespace kvswarm::node {

bool EvidenceBook::wants(const log::EvidenceFacts& facts, std::size_t bytes) const {
  const auto known = kept_.find(log::evidence_subject(facts));
  if (known != kept_.end() && (!facts.holds_alone || known->second.facts.holds_alone)) return false;
  // Small ones are bounded by their number: large ones must not keep them out.
  const auto counted = [](std::size_t size) {
    return size > limits::kEvidenceSentBytes ? size : 0;
  };
  std::size_t pieces = 1;
  std::size_t about_it = 1;
  bytes = counted(bytes);
  std::size_t bytes_about_it = bytes;
  for (auto entry = kept_.begin(); entry != kept_.end(); ++entry) {
    if (entry == known) continue;  // goes
    ++pieces;
    bytes += counted(entry->second.saved.size());
    if (entry->second.facts.accused != facts.accused) continue;
    ++about_it;
    bytes_about_it += counted(entry->second.saved.size());
  }
  return pieces <= limits::kEvidence && about_it <= limits::kEvidencePerNode &&
         bytes <= limits::kEvidenceKeptBytes && bytes_about_it <= limits::kEvidencePerNodeBytes;
}

bool EvidenceBook::add(KeptEvidence evidence) {
  if (!wants(evidence.facts, evidence.saved.size())) return false;
  kept_[log::evidence_subject(evidence.facts)] = std::move(evidence);
  return true;
}

bool EvidenceBook::has(BytesView saved) const {
  return std::any_of(kept_.begin(), kept_.end(),
                     [saved](const auto& entry) { return entry.second.saved == saved; });
}

const KeptEvidence* EvidenceBook::find(const Hash& subject) const {
  const auto found = kept_.find(subject);
  return found == kept_.end() ? nullptr : &found->second;
}

std::vector<KeptEvidence> EvidenceBook::newest_first() const {
  std::vector<KeptEvidence> out;
  for (const auto& [subject, evidence] : kept_) out.push_back(evidence);
  std::stable_sort(out.begin(), out.end(), [](const KeptEvidence& a, const KeptEvidence& b) {
    return a.noticed_ms > b.noticed_ms;
  });
  return out;
}

void EvidenceBook::stored(const Hash& subject, bool is_stored) {
  if (is_stored) {
    not_stored_.erase(subject);
  } else if (kept_.count(subject) > 0) {
    not_stored_.insert(subject);
  }
}

std::vector<KeptEvidence> EvidenceBook::take_not_stored() {
  std::vector<KeptEvidence> out;
  for (const Hash& subject : std::exchange(not_stored_, {})) out.push_back(kept_.at(subject));
  return out;
}

std::optional<log::SignedHead> EvidenceBook::hint(const log::Head& head) const {
  const auto node = hints_.find(head.node);
  if (node == hints_.end()) return std::nullopt;
  const auto found = node->second.find({head.epoch, head.length});
  return found == node->second.end() ? std::nullopt : std::optional(found->second);
}

std::optional<log::SignedHead> EvidenceBook::add_hint(const log::Head& head,
                                                      const log::SignedHead& signed_head) {
  const auto earlier = hint(head);
  if (earlier) return *earlier == signed_head ? std::nullopt : earlier;
  auto& hints = hints_[head.node];
  hints[{head.epoch, head.length}] = signed_head;
  if (hints.size() > limits::kHeadHints) hints.erase(hints.begin());
  return std::nullopt;
}

log::Evidence two_heads(log::SignedHead one, log::SignedHead other) {
  if (log::encode(other) < log::encode(one)) std::swap(one, other);
  return log::TwoHeads{std::move(one), std::move(other)};
}

log::Evidence two_blocks(log::SavedHeader one, log::SavedHeader other) {
  if (other.header < one.header) std::swap(one, other);
  return log::TwoBlocks{std::move(one), std::move(other)};
}

log::Evidence two_documents(log::TwoDocuments::Text one, log::TwoDocuments::Text other) {
  if (other.document.hash < one.document.hash) std::swap(one, other);
  for (Bytes* text : {&one.json, &other.json}) {
    if (text->size() > limits::kEvidenceTextBytes) text->clear();
  }
  return log::TwoDocuments{std::move(one), std::move(other)};
}

}  // namespace kvswarm::node
