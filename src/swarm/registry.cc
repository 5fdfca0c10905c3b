#include "swarm/registry.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>

#include "base/limits.h"
#include "swarm/registry_entry.h"

namespace kvswarm::swarm {
namespace {

constexpr const char* kFolder = "registry";
// Each may be lost to a reader that looks just then, and one that never pauses looks often.
constexpr int kPublishAttempts = 256;
// Names of one folder that are looked at, of whatever swarm: it is ours, so this is no tight bound.
constexpr std::size_t kMostNames = 64 * limits::kRegistryEntries;

std::string name_prefix(const SwarmId& swarm) { return to_hex(swarm) + "."; }

// A name that no other call, on this machine and by this user, ever used.
std::string fresh_name(const SwarmId& swarm, const NodeId& node, std::uint64_t wall_ms) {
  static std::atomic<std::uint64_t> counter{0};
  return name_prefix(swarm) + to_hex(node) + "." + std::to_string(wall_ms) + "-" +
         std::to_string(getpid()) + "-" + std::to_string(counter++);
}

// not_found when there is none. `parent` may be AT_FDCWD.
Result<FileDescriptor> open_own_folder(int parent, const std::string& path, bool make) {
  if (make && mkdirat(parent, path.c_str(), 0700) != 0 && errno != EEXIST) {
    return status_from_errno(errno, "cannot make the folder " + path);
  }
  const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  FileDescriptor folder(openat(parent, path.c_str(), flags));
  if (!folder.valid()) return status_from_errno(errno, "cannot open the folder " + path);
  struct stat facts {};
  if (fstat(folder.get(), &facts) != 0) return status_from_errno(errno, "cannot examine " + path);
  if (facts.st_uid != geteuid() || (facts.st_mode & 077) != 0) {
    return Status(StatusCode::failure, "the folder " + path +
                                           " is not this user's alone (it must be owned by the "
                                           "user, mode 0700), so it is not used");
  }
  return folder;
}

Result<FileDescriptor> open_registry(const std::string& runtime_directory, bool make) {
  KVSWARM_ASSIGN_OR_RETURN(const FileDescriptor runtime,
                           open_own_folder(AT_FDCWD, runtime_directory, make));
  return open_own_folder(runtime.get(), kFolder, make);
}

Status write_all(int file, BytesView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return status_from_errno(errno, "cannot write a registry entry");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

// Opens one entry for reading; refuses what is not a plain file of ours, and never waits (a FIFO).
FileDescriptor open_entry(int folder, const std::string& name, off_t* size) {
  const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  FileDescriptor file(openat(folder, name.c_str(), flags));
  struct stat facts {};
  if (!file.valid() || fstat(file.get(), &facts) != 0) return {};
  if (!S_ISREG(facts.st_mode) || facts.st_uid != geteuid() || (facts.st_mode & 022) != 0) return {};
  *size = facts.st_size;
  return file;
}

// Whether nobody holds it any more. The lock tried is a shared one, so that two readers that try
// at the same time do not take each other for the owner.
bool is_stale(int file) { return flock(file, LOCK_SH | LOCK_NB) == 0; }

std::optional<Bytes> read_entry(int file, off_t size) {
  if (size <= 0 || size > static_cast<off_t>(limits::kRegistryEntryBytes)) return std::nullopt;
  Bytes bytes(static_cast<std::size_t>(size), '\0');
  const ssize_t got = pread(file, bytes.data(), bytes.size(), 0);
  if (got != static_cast<ssize_t>(bytes.size())) return std::nullopt;
  return bytes;
}

// The names that concern a swarm, sorted: entries, and unfinished ones that begin with a dot.
Result<std::vector<std::string>> list_names(int folder, const SwarmId& swarm) {
  const int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return status_from_errno(errno, "cannot open the registry");
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(fdopendir(copy), closedir);
  if (listing == nullptr) {
    const int error = errno;
    close(copy);
    return status_from_errno(error, "cannot list the registry");
  }
  const std::string prefix = name_prefix(swarm);
  std::vector<std::string> names;
  for (std::size_t seen = 0; seen < kMostNames; ++seen) {
    const dirent* each = readdir(listing.get());
    if (each == nullptr) break;
    const std::string name = each->d_name;
    const std::size_t begin = name[0] == '.' ? 1 : 0;
    if (name.compare(begin, prefix.size(), prefix) == 0) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  if (names.size() > limits::kRegistryEntries) names.resize(limits::kRegistryEntries);
  return names;
}

// The body of a live entry that is what its name says; removes a stale one.
std::optional<RegistryEntryBody> examine(int folder, const std::string& name,
                                         const SwarmId& swarm) {
  off_t size = 0;
  const FileDescriptor file = open_entry(folder, name, &size);
  if (!file.valid()) return std::nullopt;
  if (is_stale(file.get())) {
    // Names are never used twice, so this cannot hit an entry that was renamed there since. An
    // unfinished entry whose lock is about to be taken is missed by its owner, who tries again.
    unlinkat(folder, name.c_str(), 0);
    return std::nullopt;
  }
  const std::optional<Bytes> bytes = read_entry(file.get(), size);
  if (name[0] == '.' || !bytes) return std::nullopt;
  Result<RegistryEntryBody> body = parse_registry_entry(*bytes);
  if (!body.ok() || body->swarm != swarm) return std::nullopt;
  const std::string expected = name_prefix(swarm) + to_hex(body->node) + ".";
  if (name.compare(0, expected.size(), expected) != 0) return std::nullopt;
  auto& addresses = body->addresses;
  const auto foreign = [](const std::string& address) { return !is_local_address(address); };
  addresses.erase(std::remove_if(addresses.begin(), addresses.end(), foreign), addresses.end());
  if (addresses.empty()) return std::nullopt;
  return std::move(body).value();
}

Status check_addresses(const std::vector<std::string>& addresses) {
  if (addresses.empty() || addresses.size() > limits::kPeerAddresses) {
    return {StatusCode::usage,
            "a registry entry has 1 to " + std::to_string(limits::kPeerAddresses) + " addresses"};
  }
  for (const std::string& address : addresses) {
    if (!is_local_address(address)) {
      return {StatusCode::usage, "not an address of this machine: " + address};
    }
  }
  return {};
}

enum class Attempt { done, again };

// One try to write, lock and rename an entry. `again` when a reader took the unfinished file for
// one that a dead process left.
Result<Attempt> write_entry(int folder, const std::string& name, BytesView bytes,
                            FileDescriptor* file) {
  const std::string unfinished = "." + name;
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  file->reset(openat(folder, unfinished.c_str(), flags, 0600));
  if (!file->valid()) return status_from_errno(errno, "cannot make a registry entry");
  if (flock(file->get(), LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    unlinkat(folder, unfinished.c_str(), 0);
    if (error == EWOULDBLOCK) return Attempt::again;
    return status_from_errno(error, "cannot lock a registry entry");
  }
  const Status written = write_all(file->get(), bytes);
  if (!written.ok()) {
    unlinkat(folder, unfinished.c_str(), 0);
    return written;
  }
  if (renameat(folder, unfinished.c_str(), folder, name.c_str()) == 0) return Attempt::done;
  const int error = errno;
  unlinkat(folder, unfinished.c_str(), 0);
  if (error == ENOENT) return Attempt::again;
  return status_from_errno(error, "cannot name a registry entry");
}

}  // namespace

Result<RegistryEntry> RegistryEntry::publish(const std::string& runtime_directory,
                                             const SwarmId& swarm, const crypto::SigningKey& key,
                                             const std::vector<std::string>& addresses,
                                             std::uint64_t wall_ms) {
  KVSWARM_RETURN_IF_ERROR(check_addresses(addresses));
  RegistryEntry entry;
  KVSWARM_ASSIGN_OR_RETURN(entry.folder_, open_registry(runtime_directory, true));
  const Bytes bytes = encode_registry_entry({swarm, key.id(), wall_ms, addresses}, key);
  for (int attempt = 0; attempt < kPublishAttempts; ++attempt) {
    const std::string name = fresh_name(swarm, key.id(), wall_ms);
    KVSWARM_ASSIGN_OR_RETURN(const Attempt result,
                             write_entry(entry.folder_.get(), name, bytes, &entry.file_));
    if (result == Attempt::again) continue;
    entry.name_ = name;
    entry.owner_ = getpid();
    return entry;
  }
  return Status(StatusCode::failure, "cannot make a registry entry in " + runtime_directory +
                                         ": something keeps removing it");
}

RegistryEntry::RegistryEntry(RegistryEntry&& other) noexcept
    : folder_(std::move(other.folder_)),
      file_(std::move(other.file_)),
      name_(std::exchange(other.name_, std::string())),
      owner_(other.owner_) {}

RegistryEntry& RegistryEntry::operator=(RegistryEntry&& other) noexcept {
  if (this == &other) return *this;
  remove();
  folder_ = std::move(other.folder_);
  file_ = std::move(other.file_);
  name_ = std::exchange(other.name_, std::string());
  owner_ = other.owner_;
  return *this;
}

RegistryEntry::~RegistryEntry() { remove(); }

void RegistryEntry::remove() {
  if (!name_.empty() && owner_ == getpid()) unlinkat(folder_.get(), name_.c_str(), 0);
  name_.clear();
  file_.reset();
}

Result<std::vector<RegisteredNode>> read_registry(const std::string& runtime_directory,
                                                  const SwarmId& swarm) {
  Result<FileDescriptor> folder = open_registry(runtime_directory, false);
  if (!folder.ok()) {
    if (folder.status().code() == StatusCode::not_found) return std::vector<RegisteredNode>();
    return folder.status();
  }
  KVSWARM_ASSIGN_OR_RETURN(const std::vector<std::string> names, list_names(folder->get(), swarm));
  std::map<NodeId, RegistryEntryBody> newest;
  std::map<NodeId, std::vector<std::string>> others;
  for (const std::string& name : names) {
    std::optional<RegistryEntryBody> body = examine(folder->get(), name, swarm);
    if (!body) continue;
    RegistryEntryBody& known = newest[body->node];
    if (known.addresses.empty() || known.wall_ms <= body->wall_ms) std::swap(known, *body);
    auto& older = others[known.node];
    older.insert(older.end(), body->addresses.begin(), body->addresses.end());
  }
  std::vector<RegisteredNode> nodes;
  nodes.reserve(newest.size());
  for (auto& [id, body] : newest) {
    nodes.push_back({id, std::move(body.addresses), std::move(others[id])});
  }
  return nodes;
}

}  // namespace kvswarm::swarm
