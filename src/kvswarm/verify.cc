#include <kvswarm/verify.h>

#include "base/file.h"
#include "base/limits.h"
#include "crypto/hash.h"
#include "kvswarm/config_access.h"
#include "kvswarm/saved_text.h"
#include "node/verification.h"

namespace kvswarm {

static_assert(kSavedFileBytes == limits::kSavedBytes);

Result<Verification> verify(std::string_view saved, const std::vector<Config>& documents) noexcept {
  crypto::initialise();
  const auto find = [&documents](const log::DocumentRef& ref) -> std::optional<config::Document> {
    for (const Config& config : documents) {
      const config::Document& document = ConfigAccess::document(config);
      if (document.number() == ref.number && document.hash() == ref.hash) return document;
    }
    return std::nullopt;
  };
  KVSWARM_ASSIGN_OR_RETURN(const node::VerifiedFacts facts, node::verify_saved(saved, find));
  if (const auto* receipt = std::get_if<log::ReceiptFacts>(&facts)) {
    return Verification{receipt_text(*receipt), receipt_json(*receipt)};
  }
  const auto& evidence = std::get<log::EvidenceFacts>(facts);
  return Verification{evidence_text(evidence), evidence_json(evidence)};
}

Status save_file(const std::string& path, std::string_view saved) noexcept {
  KVSWARM_ASSIGN_OR_RETURN(NewFile file, NewFile::create(path, 0644));
  KVSWARM_RETURN_IF_ERROR(file.append(saved));
  return file.commit();
}

}  // namespace kvswarm
