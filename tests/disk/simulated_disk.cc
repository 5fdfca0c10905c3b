#include "disk/simulated_disk.h"

#include <algorithm>
#include <cerrno>

#include "base/assert.h"

namespace kvswarm::test {
namespace {

constexpr std::size_t kSectorBytes = 512;

}  // namespace

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

void SimulatedDisk::fail_from(std::size_t call, int error, std::size_t times) {
  fail_from_ = call;
  fail_error_ = error;
  fail_times_ = times;
}

// Counts the call, tells of it, and returns the error that it was told to fail with.
int SimulatedDisk::begin(const DiskCall& disk_call) {
  if (before_call) before_call(disk_call);
  const std::size_t call = calls_++;
  return call >= fail_from_ && call - fail_from_ < fail_times_ ? fail_error_ : 0;
}

bool SimulatedDisk::lied(const DiskCall& call) const { return ignores_sync && ignores_sync(call); }

void SimulatedDisk::apply(const NameChange& change, Names& names) {
  if (change.file == kFolder && !change.gone.empty() && !change.made.empty()) {
    // A folder takes along what is in it: so much of that as has been applied before.
    const std::string below = change.gone + "/";
    for (auto name = names.lower_bound(below); name != names.end();) {
      if (name->first.compare(0, below.size(), below) != 0) break;
      names[change.made + name->first.substr(change.gone.size())] = name->second;
      name = names.erase(name);
    }
  }
  if (!change.gone.empty()) names.erase(change.gone);
  if (!change.made.empty()) names[change.made] = change.file;
}

void SimulatedDisk::change_names(NameChange change) {
  apply(change, names_);
  unsynced_.push_back(std::move(change));
}

int SimulatedDisk::create(const std::string& path, Handle* file, bool exclusive) {
  if (const int error = begin({DiskCallKind::create, path, {}})) return error;
  if (names_.count(folder_of(path)) == 0) return ENOENT;
  const auto found = names_.find(path);
  if (found != names_.end() && exclusive) return EEXIST;
  if (found != names_.end() && found->second == kFolder) return EISDIR;
  FileId id = 0;
  if (found == names_.end()) {
    id = next_file_++;
    files_[id] = {};
    change_names({{}, path, id});
  } else {
    id = found->second;
    if (free_bytes_) *free_bytes_ += files_[id].bytes->size();
    files_[id].bytes = std::make_shared<Bytes>();
  }
  *file = next_handle_++;
  open_[*file] = {id, path};
  return 0;
}

int SimulatedDisk::open(const std::string& path, Handle* file) {
  if (!is_file(path)) return ENOENT;
  *file = next_handle_++;
  open_[*file] = {names_.at(path), path};
  return 0;
}

int SimulatedDisk::append(Handle file, BytesView bytes) {
  const auto found = open_.find(file);
  if (found == open_.end()) return EBADF;
  if (const int error = begin({DiskCallKind::append, found->second.second, {}})) return error;
  const std::size_t fits =
      free_bytes_ ? std::min<std::uint64_t>(*free_bytes_, bytes.size()) : bytes.size();
  Content& content = files_[found->second.first].bytes;
  auto longer = std::make_shared<Bytes>(*content);
  longer->append(bytes.substr(0, fits));
  content = std::move(longer);
  if (free_bytes_) *free_bytes_ -= fits;
  return fits == bytes.size() ? 0 : ENOSPC;
}

int SimulatedDisk::sync(Handle file) {
  const auto found = open_.find(file);
  if (found == open_.end()) return EBADF;
  const auto& [id, path] = found->second;
  const DiskCall call{DiskCallKind::sync_file, path, {}};
  File& content = files_[id];
  const int error = begin(call);
  if (error == ENOSPC && *content.bytes == *content.synced) return 0;
  if (error != 0) return error;
  if (!lied(call)) content.synced = content.bytes;
  return 0;
}

int SimulatedDisk::rename(const std::string& from, const std::string& to) {
  if (const int error = begin({DiskCallKind::rename, to, {}})) return error;
  KVSWARM_ASSERT(folder_of(from) == folder_of(to));
  const auto found = names_.find(from);
  if (found == names_.end()) return ENOENT;
  change_names({from, to, found->second});
  return 0;
}

int SimulatedDisk::link(const std::string& from, const std::string& to) {
  if (const int error = begin({DiskCallKind::link, to, {}})) return error;
  const auto found = names_.find(from);
  if (found == names_.end()) return ENOENT;
  if (names_.count(to) > 0) return EEXIST;
  change_names({{}, to, found->second});
  return 0;
}

int SimulatedDisk::remove(const std::string& path) {
  if (const int error = begin({DiskCallKind::remove, path, {}})) return error;
  const auto found = names_.find(path);
  if (found == names_.end()) return ENOENT;
  const FileId id = found->second;
  if (id != kFolder && free_bytes_) *free_bytes_ += files_[id].bytes->size();
  change_names({path, {}, id});
  return 0;
}

int SimulatedDisk::make_folder(const std::string& path) {
  if (const int error = begin({DiskCallKind::make_folder, path, {}})) return error;
  if (names_.count(path) > 0) return EEXIST;
  if (names_.count(folder_of(path)) == 0) return ENOENT;
  change_names({{}, path, kFolder});
  return 0;
}

int SimulatedDisk::sync_folder(const std::string& path) {
  const auto name_of = [](const NameChange& change) {
    return change.made.empty() ? change.gone : change.made;
  };
  DiskCall call{DiskCallKind::sync_folder, path, {}};
  for (const NameChange& change : unsynced_) {
    if (folder_of(name_of(change)) == path) call.newest_name = name_of(change);
  }
  if (const int error = begin(call)) return error;
  const auto found = names_.find(path);
  if (found == names_.end() || found->second != kFolder) return ENOENT;
  if (lied(call)) return 0;
  std::vector<NameChange> others;
  for (NameChange& change : unsynced_) {
    if (folder_of(name_of(change)) == path) {
      apply(change, safe_names_);
    } else {
      others.push_back(std::move(change));
    }
  }
  unsynced_ = std::move(others);
  return 0;
}

bool SimulatedDisk::is_file(const std::string& path) const {
  const auto found = names_.find(path);
  return found != names_.end() && found->second != kFolder;
}

const Bytes* SimulatedDisk::read(const std::string& path) const {
  return is_file(path) ? files_.at(names_.at(path)).bytes.get() : nullptr;
}

std::vector<std::string> SimulatedDisk::names_in(const std::string& folder) const {
  std::vector<std::string> out;
  for (const auto& [path, id] : names_) {
    if (path != folder && folder_of(path) == folder) out.push_back(path.substr(folder.size() + 1));
  }
  return out;
}

std::vector<std::string> SimulatedDisk::files() const {
  std::vector<std::string> out;
  for (const auto& [path, id] : names_) {
    if (id != kFolder) out.push_back(path);
  }
  return out;
}

std::vector<std::string> SimulatedDisk::folders() const {
  std::vector<std::string> out;
  for (const auto& [path, id] : names_) {
    if (id == kFolder && path != "/") out.push_back(path);
  }
  return out;
}

bool SimulatedDisk::lock(const std::string& path) { return locks_.emplace(path, true).second; }

std::string SimulatedDisk::rot(Random& random) {
  std::vector<std::string> paths;
  for (const std::string& path : files()) {
    if (!read(path)->empty()) paths.push_back(path);
  }
  if (paths.empty()) return "no file";
  const std::string& path = paths[random.below(paths.size())];
  File& file = files_.at(names_.at(path));
  const std::size_t at = random.below(file.bytes->size());
  const auto flip = static_cast<char>(1 + random.below(255));
  for (Content* content : {&file.bytes, &file.synced}) {
    if (at >= (*content)->size()) continue;
    Bytes changed = **content;
    changed[at] ^= flip;
    *content = std::make_shared<const Bytes>(std::move(changed));
  }
  return path + " at " + std::to_string(at);
}

void SimulatedDisk::cut(Kept kept, Random& random) {
  Names found = kept == Kept::all ? names_ : safe_names_;
  if (kept == Kept::random_part || kept == Kept::torn_sector) {
    for (const NameChange& change : unsynced_) {
      if (random.below(2) == 0) apply(change, found);
    }
  }
  // What lies in a folder that is gone is gone.
  for (auto name = found.begin(); name != found.end();) {
    name = found.count(folder_of(name->first)) == 0 ? found.erase(name) : std::next(name);
  }
  std::map<FileId, File> files;
  for (const auto& [path, id] : found) {
    if (id == kFolder || files.count(id) > 0) continue;
    const auto bytes = std::make_shared<Bytes>(found_after(files_.at(id), kept, random));
    files[id] = {bytes, bytes};
  }
  files_ = std::move(files);
  names_ = safe_names_ = std::move(found);
  unsynced_.clear();
  open_.clear();
  locks_.clear();
}

Bytes SimulatedDisk::found_after(const File& file, Kept kept, Random& random) {
  const Bytes& written = *file.bytes;
  if (kept == Kept::none) return *file.synced;
  if (kept == Kept::all) return written;
  // Emptied and written anew, and not synced since: the old bytes, or some of the new ones.
  const bool grown = written.compare(0, file.synced->size(), *file.synced) == 0;
  if (!grown && random.below(2) == 0) return *file.synced;
  const std::size_t synced = grown ? file.synced->size() : 0;
  Bytes bytes = written.substr(0, synced + random.below(written.size() - synced + 1));
  if (kept == Kept::torn_sector) tear(bytes, synced, written, random);
  return bytes;
}

// The sector in which the bytes end reached the disk in part only: some runs of it are what was
// written, others are garbage or zeros. Synced bytes in it are safe.
void SimulatedDisk::tear(Bytes& bytes, std::size_t synced, const Bytes& written, Random& random) {
  const std::size_t begin = std::max(synced, bytes.size() / kSectorBytes * kSectorBytes);
  const std::size_t end =
      std::min(written.size(), (bytes.size() / kSectorBytes + 1) * kSectorBytes);
  bytes = written.substr(0, end);
  for (std::size_t at = begin; at < end;) {
    const std::size_t run = std::min<std::size_t>(1 + random.below(64), end - at);
    const std::uint64_t fate = random.below(3);
    if (fate == 1) random.fill(bytes.data() + at, run);
    if (fate == 2) std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), run, '\0');
    at += run;
  }
}

}  // namespace kvswarm::test
