// The identity of a data directory: its ed25519 key in the file `<directory>/identity`. Format:
// docs/formats/identity.md.
//
// The file is made once and never written again. It appears whole or not at all: it is written
// under another name, synced, and linked into place, which fails if a file is there; so of
// several processes that create at the same time one wins and all return the winner's key. No
// key is returned before its file, the directory and the directory's own entry are on disk.
//
// Read is refused (`failure`, naming the file) for anything but a regular file of this user that
// neither group nor others can read or write; links are not followed. Bytes that do not verify
// are `corruption`, a later format is `newer_version`, a missing file is `not_found`, a full disk
// `disk_full`. Thread: any; blocks on the disk.
#pragma once

#include <string>

#include "base/random.h"
#include "base/status.h"
#include "crypto/keys.h"

namespace kvswarm::crypto {

inline constexpr char kIdentityFileName[] = "identity";

// The directory's key. Where there is none, makes one (from `random`), and the directory and its
// missing parents with mode 0700. The mode of a directory that exists is left alone.
Result<SigningKey> open_or_create_identity(const std::string& directory, Random& random);

// The directory's key; creates nothing.
Result<SigningKey> read_identity(const std::string& directory);

// Gives a directory that exists this key, durably. conflict when it has another.
Status write_identity(const std::string& directory, const SigningKey& key, Random& random);

}  // namespace kvswarm::crypto
