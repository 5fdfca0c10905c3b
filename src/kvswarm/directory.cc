#include "kvswarm/directory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "config/document_file.h"
#include "crypto/identity_file.h"
#include "net/runtime_directory.h"
#include "store/level_db_store.h"
#include "store/synced_lengths.h"

namespace kvswarm {
namespace {

// Whether there is room for new blocks (DESIGN D4). Asked at each commit, so the answer is kept for
// a moment.
class RoomGauge {
 public:
  explicit RoomGauge(std::string path) : path_(std::move(path)) {}

  bool operator()() {
    constexpr std::uint64_t kFreshMs = 500;
    const std::uint64_t now = system_clock().now().monotonic_ms;
    if (asked_ && now - asked_at_ms_ < kFreshMs) return room_;
    asked_ = true;
    asked_at_ms_ = now;
    const auto disk = free_disk(path_);
    const std::uint64_t least =
        disk.ok()
            ? std::max(limits::kFreeDiskBytes, disk->total_bytes / 100 * limits::kFreeDiskPercent)
            : 0;
    room_ = !disk.ok() || disk->available_bytes >= least;
    return room_;
  }

 private:
  std::string path_;
  bool asked_ = false;
  bool room_ = true;
  std::uint64_t asked_at_ms_ = 0;
};

// What LevelDB needs to open the store again: it writes what is in its logs to tables.
Status room_to_open(const std::string& directory) {
  const auto disk = free_disk(directory);
  if (!disk.ok()) return {};  // the attempt will tell
  std::uint64_t needed = limits::kRoomToOpenBytes;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(store_path(directory), ignored)) {
    if (entry.path().extension() == ".log") needed += entry.file_size(ignored);
  }
  if (disk->available_bytes >= needed) return {};
  return {StatusCode::disk_full, "the disk is full: " + std::to_string(disk->available_bytes) +
                                     " bytes are free and " + std::to_string(needed) +
                                     " needed to write in " + directory + "; reads go on"};
}

// Whether a file can be written, and descriptors be had: while not, the store that is open is all
// that there is to read from.
Status can_write_in(const std::string& directory) {
  constexpr std::size_t kDescriptors = 8;  // LevelDB opens so many at once, and a few of ours
  constexpr std::size_t kProbeBytes = 4096;
  std::array<FileDescriptor, kDescriptors> held;
  for (FileDescriptor& descriptor : held) {
    descriptor.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!descriptor.valid()) return status_from_errno(errno, "cannot open files");
  }
  for (FileDescriptor& descriptor : held) descriptor.reset();
  const std::string probe = directory + "/probe";
  Status written = write_file_atomically(probe, Bytes(kProbeBytes, 'p'), 0600);
  ::unlink(probe.c_str());
  return written;
}

// Whether the store can be opened again for writing.
Status ready_to_open(const std::string& directory) {
  KVSWARM_RETURN_IF_ERROR(room_to_open(directory));
  return can_write_in(directory);
}

std::uint64_t store_bytes(const std::string& directory) {
  std::uint64_t bytes = 0;
  std::error_code error;
  std::filesystem::directory_iterator file(store_path(directory), error);
  for (; !error && file != std::filesystem::directory_iterator(); file.increment(error)) {
    std::error_code gone;
    const std::uint64_t size = file->file_size(gone);
    if (!gone) bytes += size;  // else it went meanwhile
  }
  return bytes;
}

// Whether the folder of the store has anything but what says how much of it was synced. What cannot
// be looked at is for who opens it to report.
bool has_data(const std::string& directory) {
  std::error_code error;
  std::filesystem::directory_iterator file(store_path(directory), error);
  if (error) return error != std::errc::no_such_file_or_directory;
  for (; !error && file != std::filesystem::directory_iterator(); file.increment(error)) {
    const auto name = file->path().filename();
    if (name != store::kSyncedFileName && name != "LOCK") return true;
  }
  return static_cast<bool>(error);
}

// A node that begins a new log beside its own old one contradicts itself (promise F1). One that has
// listened before has data, or had: then only a restore goes on, until one has ended well.
Status check_data_not_lost(const std::string& directory, bool restores) {
  std::error_code ignored;
  const std::string mark = restoring_path(directory);
  const bool has_listened = std::filesystem::exists(port_path(directory), ignored);
  const bool is_marked = std::filesystem::exists(mark, ignored);
  if (!is_marked && (!has_listened || has_data(directory))) return {};
  if (!restores) {
    return {StatusCode::corruption, "a node listened on " + directory +
                                        ", and its data (folder `db`) are gone: put them back; if "
                                        "they are lost, `kvswarm restore -d " +
                                        directory + " -c FILE` declares it and goes on"};
  }
  return is_marked ? Status() : write_file_atomically(mark, "its data are gone\n", 0600);
}

}  // namespace

std::string store_path(const std::string& directory) { return directory + "/db"; }
std::string port_path(const std::string& directory) { return directory + "/port"; }
std::string restoring_path(const std::string& directory) { return directory + "/restoring"; }

std::string restore_advice(const std::string& directory) {
  return "; `kvswarm restore -d " + directory + "` declares what is missing and goes on";
}

Status check_identity_not_lost(const std::string& directory) {
  std::error_code ignored;
  const bool has_store = std::filesystem::exists(store_path(directory), ignored);
  const std::string identity = directory + "/" + crypto::kIdentityFileName;
  const auto about = std::filesystem::symlink_status(identity, ignored);
  const bool has_identity = about.type() != std::filesystem::file_type::not_found;
  if (!has_store || has_identity) return {};
  return {StatusCode::failure, directory +
                                   " holds a node's data (db) and no identity: put its file "
                                   "`identity` back, or use another directory"};
}

Status with_damage_advice(const Status& failed) {
  if (failed.code() != StatusCode::corruption) return failed;
  return {failed.code(), failed.message() +
                             "; `kvswarm restore -d NEW --from FILE` goes on from a backup, and "
                             "docs/OPERATING.md (A damaged directory) without one"};
}

Result<crypto::SigningKey> read_key(const std::string& directory) {
  KVSWARM_RETURN_IF_ERROR(check_identity_not_lost(directory));
  auto key = crypto::read_identity(directory);
  if (key.status().code() != StatusCode::corruption) return key;
  return Status(StatusCode::corruption,
                key.status().message() + "; put a copy of it back, or restore a backup");
}

std::uint16_t last_port(const std::string& directory) {
  constexpr std::size_t kPortFileBytes = 16;
  const auto text = read_file(port_path(directory), kPortFileBytes);
  if (!text.ok()) return 0;
  unsigned value = 0;
  for (const char c : *text) {
    if (c < '0' || c > '9') break;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value <= 0xffff ? static_cast<std::uint16_t>(value) : 0;
}

Result<std::string> control_socket_path(const std::string& directory) {
  char* real = ::realpath(directory.c_str(), nullptr);
  if (real == nullptr) {
    return Status(StatusCode::not_found, "no such data directory: " + directory);
  }
  const Bytes name = crypto::blake2b(real, 16);
  ::free(real);  // NOLINT: realpath allocates
  KVSWARM_ASSIGN_OR_RETURN(const std::string runtime, net::runtime_directory());
  return runtime + "/control-" + to_hex(name);
}

Result<OpenDirectory> open_directory(const DirectoryOptions& options) {
  crypto::initialise();
  std::optional<config::Document> document;
  if (!options.config_path.empty()) {
    KVSWARM_ASSIGN_OR_RETURN(document, config::load_document(options.config_path));
  }
  if (options.create_identity) KVSWARM_RETURN_IF_ERROR(check_identity_not_lost(options.directory));
  auto key = options.create_identity
                 ? crypto::open_or_create_identity(options.directory, crypto::system_random())
                 : read_key(options.directory);
  if (!key.ok()) return key.status();
  KVSWARM_ASSIGN_OR_RETURN(auto lock, store::DataDirectoryLock::acquire(options.directory));
  if (!options.open_store) {
    KVSWARM_RETURN_IF_ERROR(check_data_not_lost(options.directory, options.restores));
  }
  OpenDirectory out{options.directory, std::move(lock),
                    std::make_unique<crypto::SigningKey>(std::move(key).value()), nullptr};
  node::Backend::Options backend;
  backend.key = out.key.get();
  if (options.open_store) {
    backend.open_store = options.open_store;
  } else {
    backend.open_store = [path = store_path(options.directory)] {
      return store::LevelDbStore::open(path);
    };
    backend.has_room = [gauge = std::make_shared<RoomGauge>(options.directory)] {
      return (*gauge)();
    };
    backend.ready_to_open = [path = options.directory] { return ready_to_open(path); };
    backend.disk_bytes = [path = options.directory] { return store_bytes(path); };
  }
  backend.document = std::move(document);
  backend.state_memory_bytes = options.state_memory_bytes;
  backend.wall_ms = options.wall_ms.value_or(system_clock().now().wall_ms);
  auto opened = node::Backend::open(std::move(backend));
  if (!opened.ok() && options.open_store) return opened.status();
  if (!opened.ok()) return with_damage_advice(opened.status());
  out.backend = std::move(opened).value();
  return out;
}

}  // namespace kvswarm
