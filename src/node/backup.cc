#include "node/backup.h"

#include <algorithm>

#include "base/limits.h"
#include "codec/reader.h"
#include "codec/writer.h"
#include "log/record.h"
#include "node/rows.h"

namespace kvswarm::node {
namespace {

using codec::Reader;
using codec::Writer;

constexpr BytesView kMagic = "kvs-back";
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kRow = 1;
constexpr std::uint8_t kEnd = 0;
constexpr std::size_t kHeaderBytes = 8 + 1 + 1 + 32 + 32 + 32 + 8 + 2;
constexpr std::size_t kEndBytes = 1 + 8 + 32;
constexpr unsigned kIdentifyingRows = 4;  // format, node, swarm, document
constexpr crypto::Purpose kPurpose("kvswarm backup");

Status altered(const char* what) {
  return {StatusCode::corruption, std::string("the backup is altered or cut short: ") + what};
}

enum class Field { whole, partial, bad };

// Takes a length and as many bytes off `rest`, unless they are not all there yet.
Field take_field(BytesView& rest, std::size_t most, BytesView& out) {
  constexpr std::size_t kLengthBytes = 5;  // of any length allowed here, and one more
  std::size_t end = 0;
  while (end < rest.size() && end < kLengthBytes && (rest[end] & 0x80) != 0) ++end;
  if (end == rest.size() && end < kLengthBytes) return Field::partial;
  Reader in(rest);
  const std::uint64_t size = in.varint();
  if (!in.ok() || size > most) return Field::bad;
  if (in.remaining() < size) return Field::partial;
  out = in.raw(size);
  rest = in.rest();
  return Field::whole;
}

void append_row(Bytes& out, BytesView key, BytesView value) {
  out += Writer().u8(kRow).prefixed(key).take();
  out += Writer().varint(value.size()).bytes();
  out += value;
}

}  // namespace

Bytes encode_backup_header(const BackupHeader& header, const crypto::SigningKey& key) {
  Writer out;
  out.raw(kMagic).u8(kVersion).u8(rows::kFormat).fixed(header.node).raw(key.seed());
  return out.fixed(header.swarm).u64(header.wall_ms).u16(header.port).take();
}

void BackupFile::count(BytesView taken) {
  summary_.bytes += taken.size();
  hasher_->add(taken);
}

Status BackupFile::feed(BytesView bytes, const EachRow& each) {
  buffer_ += bytes;
  BytesView rest = buffer_;
  while (!rest.empty()) {
    KVSWARM_ASSIGN_OR_RETURN(const Took took, take(rest, each));
    if (took == Took::too_little) break;
  }
  buffer_.erase(0, buffer_.size() - rest.size());
  return {};
}

Result<BackupFile::Took> BackupFile::take(BytesView& rest, const EachRow& each) {
  if (!hasher_) return take_header(rest);
  if (ended_) return altered("something follows its end");
  const auto kind = static_cast<std::uint8_t>(rest.front());
  if (kind == kRow) return take_row(rest, each);
  if (kind == kEnd) return take_end(rest);
  return altered("no row and no end");
}

Result<BackupFile::Took> BackupFile::take_header(BytesView& rest) {
  const std::size_t begun = std::min(rest.size(), kMagic.size());
  if (rest.substr(0, begun) != kMagic.substr(0, begun)) {
    return Status(StatusCode::corruption, "this is no backup of a kvswarm node");
  }
  if (rest.size() < kHeaderBytes) return Took::too_little;
  Reader in(rest.substr(kMagic.size(), kHeaderBytes - kMagic.size()));
  const std::uint8_t version = in.u8();
  const std::uint8_t store = in.u8();
  if (version != kVersion || store != rows::kFormat) {
    return Status(StatusCode::newer_version, "the backup was made by another version of kvswarm");
  }
  header_.node = in.fixed<NodeId>();
  key_ = crypto::SigningKey::from_seed(in.raw(crypto::SigningKey::kSeedBytes));
  header_.swarm = in.fixed<SwarmId>();
  header_.wall_ms = in.u64();
  header_.port = in.u16();
  if (key_->id() != header_.node) return altered("its key is not that of its node");
  hasher_.emplace(kPurpose, header_.swarm);
  count(rest.substr(0, kHeaderBytes));
  rest.remove_prefix(kHeaderBytes);
  return Took::something;
}

Result<BackupFile::Took> BackupFile::take_row(BytesView& rest, const EachRow& each) {
  BytesView behind = rest.substr(1);
  BytesView key;
  BytesView value;
  Field field = take_field(behind, limits::kBackupKeyBytes, key);
  if (field == Field::whole) field = take_field(behind, limits::kBackupValueBytes, value);
  if (field == Field::partial) return Took::too_little;
  if (field == Field::bad || key.empty()) return altered("a row has no key, or is too long");
  if (key <= last_key_) return altered("its rows are not in order");
  last_key_ = key;
  KVSWARM_RETURN_IF_ERROR(check_row(key, value));
  if (each) KVSWARM_RETURN_IF_ERROR(each(key, value));
  ++summary_.rows;
  count(rest.substr(0, rest.size() - behind.size()));
  rest = behind;
  return Took::something;
}

// The rows that say whose directory this is, and how far its log goes.
Status BackupFile::check_row(BytesView key, BytesView value) {
  const bool is_format = key == rows::format();
  if (is_format || key == rows::node() || key == rows::swarm()) {
    const Bytes format(1, static_cast<char>(rows::kFormat));
    const BytesView wanted = is_format             ? BytesView(format)
                             : key == rows::node() ? header_.node.view()
                                                   : header_.swarm.view();
    if (value != wanted) return altered("its rows belong to another node");
    ++identifying_rows_;
  }
  if (key == rows::document_number()) {
    if (!rows::decode_document_number(value).ok()) return altered("no document has its number");
    ++identifying_rows_;
  }
  if (key != rows::head()) return {};
  KVSWARM_ASSIGN_OR_RETURN(const auto signed_head, log::decode_signed_head(value));
  KVSWARM_ASSIGN_OR_RETURN(const auto head, log::check_head(header_.swarm, signed_head));
  if (head.node != header_.node) return altered("its log belongs to another node");
  summary_.place = {head.epoch, head.length};
  return {};
}

Result<BackupFile::Took> BackupFile::take_end(BytesView& rest) {
  if (rest.size() < kEndBytes) return Took::too_little;
  if (identifying_rows_ != kIdentifyingRows) return altered("rows are missing");
  if (rest.substr(0, kEndBytes) != make_end()) return altered("its hash is not that of its rows");
  summary_.bytes += kEndBytes;
  rest.remove_prefix(kEndBytes);
  ended_ = true;
  return Took::something;
}

Bytes BackupFile::make_end() const {
  Writer out;
  out.u8(kEnd).u64(summary_.rows);
  crypto::Hasher hasher = *hasher_;
  hasher.add(out.bytes());
  return out.fixed(hasher.result()).take();
}

Status BackupFile::finish() const { return ended_ ? Status() : altered("its end is missing"); }

void Backups::end_idle(std::uint64_t wall_ms) {
  std::erase_if(open_, [wall_ms](const auto& entry) {
    return wall_ms > entry.second.asked_ms + limits::kBackupIdleMs;
  });
}

Result<BackupPart> Backups::read(store::Store& store, std::uint64_t number, std::uint64_t wall_ms) {
  BackupPart part;
  part.number = number;
  if (number == 0) {
    if (open_.size() >= limits::kBackups) {
      return Status(StatusCode::unavailable,
                    std::to_string(open_.size()) + " backups are being taken already");
    }
    part.number = next_++;
    open_[part.number].cursor = store.cursor();
    open_[part.number].cursor->seek({});
  }
  const auto found = open_.find(part.number);
  if (found == open_.end()) {
    return Status(StatusCode::unavailable, "the backup was given up: begin it again");
  }
  found->second.asked_ms = wall_ms;
  store::Cursor& cursor = *found->second.cursor;
  for (; cursor.valid() && part.rows.size() < limits::kBackupPartBytes; cursor.next()) {
    if (cursor.key().size() > limits::kBackupKeyBytes ||
        cursor.value().size() > limits::kBackupValueBytes) {
      open_.erase(found);
      return Status(StatusCode::corruption, "a row of the store is too long for a backup");
    }
    append_row(part.rows, cursor.key(), cursor.value());
  }
  part.last = !cursor.valid();
  const Status status = cursor.status();
  if (part.last) open_.erase(found);
  if (!status.ok()) return status;
  return part;
}

}  // namespace kvswarm::node
