// A disk in memory that knows what a power cut may take from it: file contents and the names in
// folders are kept twice, as a program sees them and as they would be found after a cut.
//
// The model is what POSIX promises and no more. Written bytes are safe once their file was synced;
// a name that was made, renamed, linked or removed is safe once its folder was synced, and syncing
// a file does nothing for its name. A rename is one step: after a cut the new name or the old one
// is there. Everything unsynced is kept or lost by the policy of the cut.
//
// It also fails on demand: a call by its number, any write when there is no room, and it can lie:
// ignore chosen syncs, which is how the tests are seen to notice that one is missing.
//
// A disk is a value: a copy made in `before_call` is a machine that lost power at that instant.
// Results are errno values, 0 for success. Thread: one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"

namespace kvswarm::test {

// What of the unsynced data is found after a cut.
enum class Kept {
  none,
  all,
  random_part,  // a prefix of each file's unsynced bytes; each change of a name, or not
  torn_sector,  // the same, and the sector where the bytes end is partly garbage
};
inline constexpr Kept kEveryPolicy[] = {Kept::none, Kept::all, Kept::random_part,
                                        Kept::torn_sector};

// Calls that change the disk, or that make a change safe.
enum class DiskCallKind {
  create,
  append,
  sync_file,
  rename,
  link,
  remove,
  make_folder,
  sync_folder
};

struct DiskCall {
  DiskCallKind kind = DiskCallKind::append;
  std::string path;
  std::string newest_name;  // sync_folder: the name in it that was changed last and is not safe
};

class SimulatedDisk {
 public:
  using Handle = std::uint64_t;  // of an opened file

  SimulatedDisk() { names_["/"] = safe_names_["/"] = kFolder; }

  // Called before each call that changes the disk or syncs; the call has not happened yet.
  std::function<void(const DiskCall&)> before_call;
  // Syncs for which it says yes do nothing and report success.
  std::function<bool(const DiskCall&)> ignores_sync;
  // Calls so far.
  std::size_t calls() const { return calls_; }
  // From this call on (0: the first) every one fails with this error; `times` of them. For want of
  // room (ENOSPC) no sync of a file fails that has nothing left to sync.
  void fail_from(std::size_t call, int error, std::size_t times = ~std::size_t{0});
  // Room left: appending takes it, removing a file gives it back. A write that does not fit is done
  // in part and fails with ENOSPC. nullopt: no limit.
  void set_free_bytes(std::optional<std::uint64_t> bytes) { free_bytes_ = bytes; }
  std::optional<std::uint64_t> free_bytes() const { return free_bytes_; }

  // A byte of some file becomes another one, synced or not. The file's path, and where.
  std::string rot(Random& random);

  // Power is lost and comes back: what is found then. Open files and locks are gone.
  void cut(Kept kept, Random& random);

  // An existing file is emptied, as O_TRUNC does, unless it is `exclusive`: then EEXIST.
  int create(const std::string& path, Handle* file, bool exclusive = false);
  int open(const std::string& path, Handle* file);  // an existing file, as it is
  int append(Handle file, BytesView bytes);
  int sync(Handle file);
  int rename(const std::string& from, const std::string& to);  // of a folder too
  int link(const std::string& from, const std::string& to);
  int remove(const std::string& path);
  int make_folder(const std::string& path);
  int sync_folder(const std::string& path);

  bool exists(const std::string& path) const { return names_.count(path) > 0; }
  bool is_file(const std::string& path) const;
  // nullptr: no such file.
  const Bytes* read(const std::string& path) const;
  std::vector<std::string> names_in(const std::string& folder) const;
  std::vector<std::string> files() const;    // every path, sorted
  std::vector<std::string> folders() const;  // the same, without "/"
  bool lock(const std::string& path);        // false: held
  void unlock(const std::string& path) { locks_.erase(path); }

 private:
  // Shared between copies of the disk until it changes.
  using Content = std::shared_ptr<const Bytes>;
  struct File {
    Content bytes = std::make_shared<Bytes>();   // as programs see it
    Content synced = std::make_shared<Bytes>();  // as a cut leaves it at least
  };
  using FileId = std::uint64_t;
  static constexpr FileId kFolder = 0;
  struct NameChange {
    std::string gone;  // empty: none
    std::string made;  // empty: none
    FileId file = kFolder;
  };
  using Names = std::map<std::string, FileId>;

  int begin(const DiskCall& call);
  bool lied(const DiskCall& call) const;
  void change_names(NameChange change);
  static void apply(const NameChange& change, Names& names);
  static Bytes found_after(const File& file, Kept kept, Random& random);
  static void tear(Bytes& bytes, std::size_t synced, const Bytes& written, Random& random);

  Names names_;
  Names safe_names_;
  std::vector<NameChange> unsynced_;  // oldest first
  std::map<FileId, File> files_;
  std::map<Handle, std::pair<FileId, std::string>> open_;
  std::map<std::string, bool> locks_;
  std::optional<std::uint64_t> free_bytes_;
  FileId next_file_ = 1;
  Handle next_handle_ = 1;
  std::size_t calls_ = 0;
  std::size_t fail_from_ = ~std::size_t{0};
  std::size_t fail_times_ = 0;
  int fail_error_ = 0;
};

// "/a/b" -> "/a"; "/a" -> "/".
std::string folder_of(const std::string& path);

}  // namespace kvswarm::test
