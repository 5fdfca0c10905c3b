#include "store/synced_lengths.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "codec/reader.h"
#include "codec/writer.h"
#include "store/level_db_log.h"

namespace kvswarm::store {
namespace {

constexpr BytesView kLogEnd = ".log";
constexpr BytesView kManifestStart = "MANIFEST-";
enum class FileKind : std::uint8_t { manifest = 1, log = 2 };

std::optional<std::uint64_t> number_of(BytesView digits) {
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size();
  return whole ? std::optional(number) : std::nullopt;
}

struct Named {
  FileKind kind;
  std::uint64_t number;
};

std::optional<Named> parse_name(BytesView name) {
  std::optional<std::uint64_t> number;
  FileKind kind = FileKind::manifest;
  if (name.substr(0, kManifestStart.size()) == kManifestStart) {
    number = number_of(name.substr(kManifestStart.size()));
  } else if (name.size() > kLogEnd.size() && name.substr(name.size() - kLogEnd.size()) == kLogEnd) {
    kind = FileKind::log;
    number = number_of(name.substr(0, name.size() - kLogEnd.size()));
  }
  if (!number) return std::nullopt;
  return Named{kind, *number};
}

std::string name_of(FileKind kind, std::uint64_t number) {
  char text[40];
  std::snprintf(text, sizeof text, kind == FileKind::log ? "%06llu.log" : "MANIFEST-%06llu",
                static_cast<unsigned long long>(number));
  return text;
}

}  // namespace

bool is_log_file(const std::string& name) {
  const auto named = parse_name(name);
  return named && named->kind == FileKind::log;
}

bool is_manifest_file(const std::string& name) {
  const auto named = parse_name(name);
  return named && named->kind == FileKind::manifest;
}

Bytes encode_synced_entry(const std::string& name, std::uint64_t length) {
  const auto named = parse_name(name);
  codec::Writer writer;
  writer.u8(named ? static_cast<std::uint8_t>(named->kind) : 0);
  writer.u64(named ? named->number : 0).u64(length);
  writer.u32(crc32c(writer.bytes()));
  return writer.take();
}

SyncedLengths decode_synced_entries(BytesView bytes) {
  SyncedLengths out;
  for (; bytes.size() >= kSyncedEntryBytes; bytes.remove_prefix(kSyncedEntryBytes)) {
    const BytesView entry = bytes.substr(0, kSyncedEntryBytes);
    codec::Reader reader(entry);
    const auto kind = static_cast<FileKind>(reader.u8());
    const std::uint64_t number = reader.u64();
    const std::uint64_t length = reader.u64();
    if (reader.u32() != crc32c(entry.substr(0, kSyncedEntryBytes - 4))) continue;
    if (kind != FileKind::manifest && kind != FileKind::log) continue;
    std::uint64_t& known = out[name_of(kind, number)];
    known = std::max(known, length);
  }
  return out;
}

}  // namespace kvswarm::store
