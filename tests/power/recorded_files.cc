#include "power/recorded_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "base/assert.h"

namespace kvswarm::power {
namespace {

struct Opened {
  std::string path;                      // on the disk
  test::SimulatedDisk::Handle file = 0;  // 0: a folder, or only read
};

struct Recording {
  std::string root;
  test::SimulatedDisk* disk = nullptr;
  std::map<int, Opened> opened;

  // The path on the disk; nullopt: elsewhere.
  std::optional<std::string> below(const std::string& path) const {
    if (disk == nullptr || path.compare(0, root.size(), root) != 0) return std::nullopt;
    return path.size() == root.size() ? "/" : path.substr(root.size());
  }
  std::optional<std::string> below(int folder, const std::string& name) const {
    if (name[0] == '/' || folder == AT_FDCWD) return below(name);
    const auto found = opened.find(folder);
    if (found == opened.end()) return std::nullopt;
    return found->second.path + (found->second.path == "/" ? "" : "/") + name;
  }
};

Recording& recording() {
  static Recording one;
  return one;
}

int failed(int error) {
  errno = error;
  return -1;
}

// Tells the disk of a call that makes, moves or removes a name, then makes it.
template <class Told, class Real>
int both(const std::optional<std::string>& path, Told told, Real real) {
  if (path) {
    if (const int error = told()) return failed(error);
  }
  return real();
}

template <class Real>
int open_recorded(const std::optional<std::string>& path, int flags, Real real) {
  Recording& now = recording();
  Opened opened{path.value_or(""), 0};
  if (path && (flags & O_CREAT) != 0 && !now.disk->exists(*path)) {
    if (const int error = now.disk->create(*path, &opened.file)) return failed(error);
  }
  const int descriptor = real();
  now.opened.erase(descriptor);
  if (path && descriptor >= 0) now.opened[descriptor] = opened;
  return descriptor;
}

mode_t mode_of(int flags, std::va_list& arguments) {
  return (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

RecordedFiles::RecordedFiles(const std::string& root) { recording() = {root, &disk, {}}; }
RecordedFiles::~RecordedFiles() { recording() = {}; }

void materialise(const test::SimulatedDisk& disk, const std::string& root) {
  namespace fs = std::filesystem;
  for (const std::string& folder : disk.folders()) {
    fs::create_directories(root + folder);
    fs::permissions(root + folder, fs::perms::owner_all);
  }
  for (const std::string& file : disk.files()) {
    std::ofstream(root + file, std::ios::binary) << *disk.read(file);
    fs::permissions(root + file, fs::perms::owner_read | fs::perms::owner_write);
  }
}

}  // namespace kvswarm::power

using kvswarm::power::both;
using kvswarm::power::open_recorded;
using kvswarm::power::recording;

// The names are the linker's.
// NOLINTBEGIN
extern "C" {
int __real_open(const char* path, int flags, ...);
int __real_openat(int folder, const char* name, int flags, ...);
ssize_t __real_write(int file, const void* bytes, size_t size);
int __real_fsync(int file);
int __real_rename(const char* from, const char* to);
int __real_renameat2(int from_folder, const char* from, int to_folder, const char* to,
                     unsigned flags);
int __real_linkat(int from_folder, const char* from, int to_folder, const char* to, int flags);
int __real_unlink(const char* path);
int __real_unlinkat(int folder, const char* name, int flags);
int __real_mkdir(const char* path, mode_t mode);

int __wrap_open(const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = kvswarm::power::mode_of(flags, arguments);
  va_end(arguments);
  return open_recorded(recording().below(path), flags,
                       [&] { return __real_open(path, flags, mode); });
}

int __wrap_openat(int folder, const char* name, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = kvswarm::power::mode_of(flags, arguments);
  va_end(arguments);
  return open_recorded(recording().below(folder, name), flags,
                       [&] { return __real_openat(folder, name, flags, mode); });
}

ssize_t __wrap_write(int file, const void* bytes, size_t size) {
  const auto found = recording().opened.find(file);
  if (found != recording().opened.end() && found->second.file != 0) {
    const int error =
        recording().disk->append(found->second.file, {static_cast<const char*>(bytes), size});
    if (error != 0) return kvswarm::power::failed(error);
  }
  return __real_write(file, bytes, size);
}

int __wrap_fsync(int file) {
  const auto found = recording().opened.find(file);
  if (found == recording().opened.end()) return __real_fsync(file);
  auto* disk = recording().disk;
  const auto& opened = found->second;
  const int error = opened.file != 0 ? disk->sync(opened.file) : disk->sync_folder(opened.path);
  return error == 0 ? 0 : kvswarm::power::failed(error);
}

int __wrap_rename(const char* from, const char* to) {
  const auto path = recording().below(to);
  return both(
      path, [&] { return recording().disk->rename(*recording().below(from), *path); },
      [&] { return __real_rename(from, to); });
}

// Only as our code uses it: a name that is taken stays.
int __wrap_renameat2(int from_folder, const char* from, int to_folder, const char* to,
                     unsigned flags) {
  const auto path = recording().below(to_folder, to);
  if (path && recording().disk->exists(*path)) return kvswarm::power::failed(EEXIST);
  return both(
      path, [&] { return recording().disk->rename(*recording().below(from_folder, from), *path); },
      [&] { return __real_renameat2(from_folder, from, to_folder, to, flags); });
}

int __wrap_linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) {
  const auto path = recording().below(to_folder, to);
  return both(
      path, [&] { return recording().disk->link(*recording().below(from_folder, from), *path); },
      [&] { return __real_linkat(from_folder, from, to_folder, to, flags); });
}

int __wrap_unlink(const char* name) {
  const auto path = recording().below(name);
  return both(
      path, [&] { return recording().disk->remove(*path); }, [&] { return __real_unlink(name); });
}

int __wrap_unlinkat(int folder, const char* name, int flags) {
  const auto path = recording().below(folder, name);
  return both(
      path, [&] { return recording().disk->remove(*path); },
      [&] { return __real_unlinkat(folder, name, flags); });
}

int __wrap_mkdir(const char* name, mode_t mode) {
  const auto path = recording().below(name);
  if (path && recording().disk->exists(*path)) return kvswarm::power::failed(EEXIST);
  return both(
      path, [&] { return recording().disk->make_folder(*path); },
      [&] { return __real_mkdir(name, mode); });
}
}
// NOLINTEND
