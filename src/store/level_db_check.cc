#include "store/level_db_check.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include "base/limits.h"
#include "store/level_db_log.h"

namespace kvswarm::store {
namespace {

// The end of a table (LevelDB's doc/table_format.md): two block handles of two varints each, zero
// bytes up to 40, magic number. After each block stand a type byte and a 32-bit checksum.
constexpr std::uint64_t kFooterBytes = 48;
constexpr std::uint64_t kBlockTrailerBytes = 5;
constexpr unsigned char kTableMagic[8] = {0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb};
constexpr std::size_t kCurrentBytes = 64;  // "MANIFEST-000001\n"

// Takes one varint64 off the front. (codec/varint is stricter than LevelDB's own encoding.)
std::optional<std::uint64_t> take_varint(BytesView* bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes->front());
    bytes->remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

// The place just after a block and its trailer; nullopt when the handle is malformed or when the
// block cannot lie below `bound`. `start` receives its offset.
std::optional<std::uint64_t> take_block_end(BytesView* bytes, std::uint64_t bound,
                                            std::uint64_t* start) {
  const auto offset = take_varint(bytes);
  const auto size = take_varint(bytes);
  if (!offset || !size || *offset > bound || *size > bound - *offset) return std::nullopt;
  *start = *offset;
  return *offset + *size + kBlockTrailerBytes;
}

bool footer_fits(BytesView footer, std::uint64_t file_bytes) {
  const BytesView magic = footer.substr(kFooterBytes - sizeof kTableMagic);
  if (std::memcmp(magic.data(), kTableMagic, sizeof kTableMagic) != 0) return false;
  BytesView handles = footer.substr(0, kFooterBytes - sizeof kTableMagic);
  const std::uint64_t bound = file_bytes - kFooterBytes;
  std::uint64_t metaindex_start = 0;
  std::uint64_t index_start = 0;
  const auto metaindex_end = take_block_end(&handles, bound, &metaindex_start);
  const auto index_end = take_block_end(&handles, bound, &index_start);
  return metaindex_end && index_end && *metaindex_end == index_start && *index_end == bound;
}

Status damaged(const std::string& path, const std::string& why) {
  return {StatusCode::corruption, "damaged file " + path + ": " + why};
}

// What a MANIFEST says in the end: the tables in use and the first log in use.
class Version {
 public:
  // One version edit: fields of LevelDB's db/version_edit.cc, each behind its tag.
  bool take(BytesView edit) {
    made_last_.clear();
    while (!edit.empty()) {
      const auto tag = take_varint(&edit);
      if (!tag || !take_field(*tag, &edit)) return false;
    }
    return true;
  }

  std::uint64_t log_number() const { return log_number_; }
  const std::map<std::uint64_t, std::uint64_t>& tables() const { return tables_; }
  // Tables that the last edit made.
  const std::vector<std::uint64_t>& made_last() const { return made_last_; }
  // Edits so far after which LevelDB could open: they say which number is free.
  std::size_t states() const { return states_; }

 private:
  static bool skip_string(BytesView* edit) {
    const auto size = take_varint(edit);
    if (!size || *size > edit->size()) return false;
    edit->remove_prefix(*size);
    return true;
  }

  bool take_field(std::uint64_t tag, BytesView* edit) {
    enum Tag {
      comparator = 1,
      log = 2,
      next = 3,
      sequence = 4,
      pointer = 5,
      deleted = 6,
      made = 7
    };
    constexpr std::uint64_t kPreviousLog = 9;
    if (tag == comparator) return skip_string(edit);
    const auto first = take_varint(edit);  // a number, or the level
    if (!first) return false;
    if (tag == log) log_number_ = *first;
    if (tag == next) ++states_;
    if (tag == log || tag == next || tag == sequence || tag == kPreviousLog) return true;
    if (tag == pointer) return skip_string(edit);
    const auto table = take_varint(edit);
    if (!table) return false;
    if (tag == deleted) {
      tables_.erase(*table);
      return true;
    }
    const auto bytes = take_varint(edit);
    if (tag != made || !bytes || !skip_string(edit) || !skip_string(edit)) return false;
    tables_[*table] = *bytes;
    made_last_.push_back(*table);
    return true;
  }

  std::uint64_t log_number_ = 0;
  std::map<std::uint64_t, std::uint64_t> tables_;  // number -> length
  std::vector<std::uint64_t> made_last_;
  std::size_t states_ = 0;
};

std::string table_name(std::uint64_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "%06llu.ldb", static_cast<unsigned long long>(number));
  return name;
}

class Checker {
 public:
  Checker(leveldb::Env& env, const std::string& directory) : env_(env), directory_(directory) {}

  Result<LevelDbCheck> run() {
    std::vector<std::string> names;
    // Nothing to read is for LevelDB to report, or to create.
    if (!env_.GetChildren(directory_, &names).ok()) return LevelDbCheck();
    names_.insert(names.begin(), names.end());
    if (names_.count("CURRENT") == 0) {
      KVSWARM_RETURN_IF_ERROR(check_absence());
      return LevelDbCheck();
    }
    if (const auto synced = read_start(env_, path(kSyncedFileName), limits::kSyncedFileBytes)) {
      out_.synced = decode_synced_entries(*synced);
    }
    KVSWARM_RETURN_IF_ERROR(check_manifest());
    KVSWARM_RETURN_IF_ERROR(check_tables());
    KVSWARM_RETURN_IF_ERROR(check_logs());
    return out_;
  }

 private:
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  // Without CURRENT, LevelDB starts an empty database and deletes what it finds. Log and table
  // files come only after CURRENT is durable, so their presence without it is damage.
  Status check_absence() const {
    const bool has_data = std::any_of(names_.begin(), names_.end(), [](const std::string& name) {
      return is_table_file(name) || is_log_file(name);
    });
    return has_data ? damaged(path("CURRENT"), "it is missing") : Status();
  }

  // Checks what is synced of a log or MANIFEST, and how far it may be read.
  Status check_records(const std::string& name, const TakeRecord& take) {
    KVSWARM_ASSIGN_OR_RETURN(const std::uint64_t valid, read_level_db_log(env_, path(name), take));
    const auto synced = out_.synced.find(name);
    if (synced != out_.synced.end() && valid < synced->second) {
      return damaged(path(name), "only " + std::to_string(valid) + " of the " +
                                     std::to_string(synced->second) +
                                     " bytes that were synced are whole");
    }
    out_.readable[name] = valid;
    return {};
  }

  // Takes the edits of a MANIFEST that begin before `end`.
  Status read_edits(const std::string& name, std::uint64_t end) {
    version_ = Version();
    return check_records(name, [&, end](BytesView edit, std::uint64_t at) {
      if (at >= end) return Status();
      last_edit_at_ = at;
      return version_.take(edit) ? Status() : damaged(path(name), "it holds an unknown field");
    });
  }

  // LevelDB syncs the names of tables with the edit that makes them: a cut before that may keep
  // the edit and not a name. It removes what an edit replaces only after that sync, so the state
  // before is all there. Earlier edits, and the state that CURRENT was made for, were synced.
  bool last_edit_is_torn(const std::string& name) const {
    const auto synced = out_.synced.find(name);
    if (synced != out_.synced.end() && synced->second > last_edit_at_) return false;
    const auto& made = version_.made_last();
    return version_.states() > 1 && std::any_of(made.begin(), made.end(), [&](std::uint64_t table) {
             return names_.count(table_name(table)) == 0;
           });
  }

  Status check_manifest() {
    const auto current = read_start(env_, path("CURRENT"), kCurrentBytes);
    if (!current) return {StatusCode::failure, "cannot read " + path("CURRENT")};
    const std::string name = current->substr(0, current->find('\n'));
    if (name.size() + 1 != current->size() || !is_manifest_file(name)) {
      return damaged(path("CURRENT"), "it names no MANIFEST");
    }
    if (names_.count(name) == 0) return damaged(path(name), "it is missing");
    KVSWARM_RETURN_IF_ERROR(read_edits(name, ~std::uint64_t{0}));
    if (last_edit_is_torn(name)) {
      const std::uint64_t end = last_edit_at_;
      KVSWARM_RETURN_IF_ERROR(read_edits(name, end));
      out_.readable[name] = end;
    }
    out_.manifest = name;
    // LevelDB syncs the first record before CURRENT names the file.
    return out_.readable[name] > 0 ? Status() : damaged(path(name), "it begins with no record");
  }

  Status check_tables() const {
    for (const auto& [number, bytes] : version_.tables()) {
      const std::string name = table_name(number);
      std::uint64_t actual = 0;
      if (names_.count(name) == 0) return damaged(path(name), "this table is missing");
      if (!env_.GetFileSize(path(name), &actual).ok() || actual != bytes) {
        return damaged(path(name), "it has " + std::to_string(actual) + " bytes instead of " +
                                       std::to_string(bytes));
      }
      KVSWARM_RETURN_IF_ERROR(check_table_footer(env_, path(name)));
    }
    return {};
  }

  Status check_logs() {
    char first[32];  // names of one length sort as their numbers; longer ones are 10^6 files away
    std::snprintf(first, sizeof first, "%06llu.log",
                  static_cast<unsigned long long>(version_.log_number()));
    // Its name was made durable before the MANIFEST named it, and it stays until another is named.
    if (version_.log_number() != 0 && names_.count(first) == 0) {
      return damaged(path(first), "this log is missing");
    }
    const auto is_in_force = [&](const std::string& name) {
      return is_log_file(name) && (name.size() > std::strlen(first) || name >= first);
    };
    // The same is true of every log that was ever synced: LevelDB removes earlier ones only.
    for (const auto& [name, length] : out_.synced) {
      if (length > 0 && is_in_force(name) && names_.count(name) == 0) {
        return damaged(path(name), "this log is missing");
      }
    }
    std::vector<std::string> whole;  // earlier than the last log that holds anything
    std::string last;
    for (const std::string& name : names_) {
      if (!is_in_force(name)) continue;
      KVSWARM_RETURN_IF_ERROR(check_records(name, {}));
      out_.logs.emplace_back(name, out_.readable[name]);
      if (out_.readable[name] == 0) continue;  // perhaps of an opening that failed
      if (!last.empty()) whole.push_back(last);
      last = name;
    }
    // Each was synced whole before the next one began to hold records: LevelDB is to see all of it.
    for (const std::string& name : whole) out_.readable.erase(name);
    return {};
  }

  leveldb::Env& env_;
  const std::string directory_;
  std::set<std::string> names_;
  Version version_;
  std::uint64_t last_edit_at_ = 0;
  LevelDbCheck out_;
};

}  // namespace

bool is_table_file(const std::string& name) {
  const auto ends_with = [&](BytesView end) {
    return name.size() >= end.size() &&
           name.compare(name.size() - end.size(), end.size(), end) == 0;
  };
  return ends_with(".ldb") || ends_with(".sst");
}

std::optional<Bytes> read_start(leveldb::Env& env, const std::string& path, std::size_t most) {
  leveldb::SequentialFile* opened = nullptr;
  if (!env.NewSequentialFile(path, &opened).ok()) return std::nullopt;
  const std::unique_ptr<leveldb::SequentialFile> file(opened);
  Bytes bytes(most, '\0');
  leveldb::Slice got;
  if (!file->Read(most, &got, bytes.data()).ok()) return std::nullopt;
  return Bytes(got.data(), got.size());
}

Status check_table_footer(leveldb::Env& env, const std::string& path) {
  std::uint64_t file_bytes = 0;
  leveldb::Status status = env.GetFileSize(path, &file_bytes);
  if (status.IsNotFound()) return {StatusCode::not_found, path + " is missing"};
  if (status.ok() && file_bytes < kFooterBytes) return damaged(path, "it is too short for a table");
  leveldb::RandomAccessFile* opened = nullptr;
  if (status.ok()) status = env.NewRandomAccessFile(path, &opened);
  const std::unique_ptr<leveldb::RandomAccessFile> file(opened);
  char bytes[kFooterBytes];
  leveldb::Slice footer;
  if (status.ok()) status = file->Read(file_bytes - kFooterBytes, kFooterBytes, &footer, bytes);
  if (!status.ok()) return {StatusCode::failure, "cannot read " + path + ": " + status.ToString()};
  const bool fits =
      footer.size() == kFooterBytes && footer_fits({footer.data(), footer.size()}, file_bytes);
  return fits ? Status() : damaged(path, "its footer does not fit its length");
}

namespace {

bool sync_existing(leveldb::Env& env, const std::string& path) {
  leveldb::WritableFile* opened = nullptr;
  if (!env.NewAppendableFile(path, &opened).ok()) return false;
  const std::unique_ptr<leveldb::WritableFile> file(opened);
  return file->Sync().ok();
}

}  // namespace

void sync_level_db(leveldb::Env& env, const std::string& directory, LevelDbCheck* check) {
  // With the folder, and so with the name that CURRENT has. If it fails, nothing is taken away: the
  // end of a MANIFEST changes where rows lie, and what it makes superfluous is removed after a
  // sync.
  static_cast<void>(sync_existing(env, directory + "/" + check->manifest));
  bool whole = true;  // the logs so far: behind a gap nothing may be read
  for (const auto& [name, bytes] : check->logs) {
    if (whole && sync_existing(env, directory + "/" + name)) continue;
    const auto synced = check->synced.find(name);
    const std::uint64_t safe = whole && synced != check->synced.end() ? synced->second : 0;
    check->readable[name] = std::min(safe, bytes);
    whole = safe >= bytes;
  }
}

Result<LevelDbCheck> check_level_db(leveldb::Env& env, const std::string& directory) {
  return Checker(env, directory).run();
}

}  // namespace kvswarm::store
