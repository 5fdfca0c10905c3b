#include <kvswarm/identity.h>

#include "base/bytes.h"
#include "crypto/identity_file.h"
#include "crypto/keys.h"

namespace kvswarm {

Result<std::string> open_identity(const std::string& directory) noexcept {
  const Result<crypto::SigningKey> key =
      crypto::open_or_create_identity(directory, crypto::system_random());
  if (!key.ok()) return key.status();
  return to_hex(key->id());
}

}  // namespace kvswarm
