// A copy of a node as one file: its bytes (docs/formats/backup.md), and the snapshots of a store
// that they are taken from.
//
// Who has the directory reads rows in parts (Backups), who writes the file puts header and end
// around them (BackupFile), and who reads one checks it with the same object. The secret key is in
// the header only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/status.h"
#include "crypto/hash.h"
#include "crypto/keys.h"
#include "node/standing.h"
#include "store/store.h"

namespace kvswarm::node {

struct BackupHeader {
  NodeId node;
  SwarmId swarm;
  std::uint64_t wall_ms = 0;
  std::uint16_t port = 0;
};

// With the format version of the store that this program knows. The bytes hold the secret.
Bytes encode_backup_header(const BackupHeader& header, const crypto::SigningKey& key);

struct BackupSummary {
  std::uint64_t bytes = 0;
  std::uint64_t rows = 0;
  LogPlace place;  // of the node's log; zeros: it keeps none
};

// The bytes of a file as they come, checked one after the other: what was fed without an error is
// the beginning of a good file. Holds one row at most, and what was fed last. A value with one
// owner; thread: one at a time.
class BackupFile {
 public:
  using EachRow = std::function<Status(BytesView key, BytesView value)>;

  // corruption, newer_version, or what `each` returned; then nothing more may be fed.
  Status feed(BytesView bytes, const EachRow& each = {});
  // The end of a file whose header and rows have been fed; to be fed as well.
  Bytes make_end() const;
  // Ok when everything has come, and fits.
  Status finish() const;

  bool has_header() const { return hasher_.has_value(); }
  // Once it has.
  const BackupHeader& header() const { return header_; }
  const crypto::SigningKey& key() const { return *key_; }
  const BackupSummary& summary() const { return summary_; }

 private:
  enum class Took { something, too_little };
  Result<Took> take(BytesView& rest, const EachRow& each);
  Result<Took> take_header(BytesView& rest);
  Result<Took> take_row(BytesView& rest, const EachRow& each);
  Result<Took> take_end(BytesView& rest);
  Status check_row(BytesView key, BytesView value);
  void count(BytesView taken);

  Bytes buffer_;  // what is not a whole row yet
  BackupHeader header_;
  std::optional<crypto::SigningKey> key_;
  std::optional<crypto::Hasher> hasher_;
  BackupSummary summary_;
  Bytes last_key_;
  unsigned identifying_rows_ = 0;  // that say whose rows these are
  bool ended_ = false;
};

// Some rows of a backup under way.
struct BackupPart {
  std::uint64_t number = 0;  // names the backup, to ask for the next part
  NodeId node;
  SwarmId swarm;
  Bytes rows;  // encoded, whole ones
  bool last = false;
};

// The backups that are being taken of a store: each is a cursor, so that rows written later are not
// in it. Owned by the Backend, on its thread; the store outlives it. A backup that nobody has asked
// about for limits::kBackupIdleMs is given up.
class Backups {
 public:
  // Begins one when `number` is 0. unavailable: too many are under way, or this one has been given
  // up; the read faults of the store.
  Result<BackupPart> read(store::Store& store, std::uint64_t number, std::uint64_t wall_ms);
  void end(std::uint64_t number) { open_.erase(number); }
  void end_all() { open_.clear(); }
  void end_idle(std::uint64_t wall_ms);

 private:
  struct Open {
    std::unique_ptr<store::Cursor> cursor;
    std::uint64_t asked_ms = 0;
  };
  std::map<std::uint64_t, Open> open_;
  std::uint64_t next_ = 1;
};

}  // namespace kvswarm::node
