// kvswarm audit of one's own directory, without a node.
#include <kvswarm/verify.h>

#include <filesystem>

#include "crypto/hash.h"
#include "kvswarm/directory.h"
#include "node/directory_audit.h"
#include "store/level_db_store.h"

namespace kvswarm {
namespace {

const char* name_of(node::AuditProgress::Stage stage) {
  switch (stage) {
    case node::AuditProgress::Stage::log: return "records of the log";
    case node::AuditProgress::Stage::state: return "keys";
    case node::AuditProgress::Stage::blocks: return "blocks";
    case node::AuditProgress::Stage::replay: return "records computed anew";
    case node::AuditProgress::Stage::rows: return "rows";
  }
  return "rows";
}

}  // namespace

Result<DirectoryAuditReport> audit_directory(
    const std::string& directory,
    const std::function<void(const char* what, std::uint64_t done)>& each) noexcept {
  crypto::initialise();
  std::error_code ignored;
  if (!std::filesystem::is_directory(store_path(directory), ignored)) {
    return Status(StatusCode::not_found, directory + " holds no data of a node (no folder `db`)");
  }
  KVSWARM_ASSIGN_OR_RETURN(const auto lock, store::DataDirectoryLock::acquire(directory));
  const auto key = read_key(directory);
  // A copy that somebody else looks at may have another owner or mode: whose it is stays open then.
  const bool has_other_mode =
      key.status().code() == StatusCode::failure && check_identity_not_lost(directory).ok();
  if (!has_other_mode) KVSWARM_RETURN_IF_ERROR(key.status());
  // What may be damaged is looked at, and stays as it is.
  const auto opened = store::LevelDbStore::open_for_reading(store_path(directory));
  if (!opened.ok()) return with_damage_advice(opened.status());
  const auto& store = *opened;
  const auto tell = [&each](const node::AuditProgress& progress) {
    if (each) each(name_of(progress.stage), progress.done);
  };
  const auto found = node::audit_directory(*store, limits::kStateMemoryBytes, tell);
  if (!found.ok()) return with_damage_advice(found.status());
  if (key.ok() && found->node != key->id()) {
    return corrupt("the file `identity` is of node " + to_hex(key->id()) +
                   ", and the data are those of node " + to_hex(found->node));
  }
  return DirectoryAuditReport{to_hex(found->node), found->head.epoch, found->head.length,
                              found->keys,         found->blocks,     found->replayed};
}

}  // namespace kvswarm
