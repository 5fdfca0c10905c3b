#include <kvswarm/identity.h>

#include "base/bytes.h"
#include "crypto/identity_file.h"
#include "crypto/keys.h"
#include "kvswarm/directory.h"

namespace kvswarm {

Result<std::string> open_identity(const std::string& directory) noexcept {
  KVSWARM_RETURN_IF_ERROR(check_identity_not_lost(directory));
  const Result<crypto::SigningKey> key =
      crypto::open_or_create_identity(directory, crypto::system_random());
  if (!key.ok()) return key.status();
  return to_hex(key->id());
}

}  // namespace kvswarm
