#include <kvswarm/verify.h>

#include <algorithm>

#include "base/file.h"
#include "base/limits.h"
#include "crypto/hash.h"
#include "kvswarm/config_access.h"
#include "kvswarm/read_text.h"
#include "kvswarm/saved_text.h"
#include "kvswarm/text.h"
#include "node/verification.h"

namespace kvswarm {

static_assert(kSavedFileBytes == limits::kSavedBytes);

namespace {

// Whether the holder signed this state, by its clock, at most so long ago.
Status check_age(const node::ReadFacts& read, const VerifyOptions& options) {
  const std::uint64_t then_ms = stated_ms(read);
  if (then_ms > options.now_ms && then_ms - options.now_ms > limits::kClockAheadMs) {
    return {StatusCode::unavailable, "its time, " + utc(then_ms) + ", is still to come"};
  }
  if (then_ms >= options.now_ms || options.now_ms - then_ms <= *options.max_age_ms) return {};
  return {StatusCode::unavailable,
          "it is too old: its holder signed that state as its newest at " + utc(then_ms)};
}

// Documents of another swarm have none of the right hash.
Status with_swarm(const Status& failed, std::string_view saved,
                  const std::vector<Config>& documents) {
  if (failed.code() != StatusCode::unavailable) return failed;
  KVSWARM_ASSIGN_OR_RETURN(const log::Saved decoded, log::decode_saved(saved));
  const bool has_one = std::any_of(documents.begin(), documents.end(), [&](const Config& config) {
    return ConfigAccess::document(config).swarm() == decoded.swarm;
  });
  if (has_one) return failed;
  return {failed.code(),
          "it is of swarm " + to_hex(decoded.swarm) + ", and no document of that swarm was given"};
}

}  // namespace

Result<Verification> verify(std::string_view saved, const std::vector<Config>& documents,
                            const VerifyOptions& options) noexcept {
  crypto::initialise();
  const auto find = [&documents](const log::DocumentRef& ref) -> std::optional<config::Document> {
    for (const Config& config : documents) {
      const config::Document& document = ConfigAccess::document(config);
      if (document.number() == ref.number && document.hash() == ref.hash) return document;
    }
    return std::nullopt;
  };
  const auto verified = node::verify_saved(saved, find);
  if (!verified.ok()) return with_swarm(verified.status(), saved, documents);
  const node::VerifiedFacts& facts = *verified;
  if (const auto* read = std::get_if<node::ReadFacts>(&facts)) {
    if (options.max_age_ms) KVSWARM_RETURN_IF_ERROR(check_age(*read, options));
    return Verification{read_text(*read), read_json(*read)};
  }
  if (options.max_age_ms) {
    return Status(StatusCode::usage, "only a read (get --proof) has a greatest age");
  }
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
