// Small files on a local disk: read whole, replaced whole, and how much room is left.
//
// For the few files that are no store rows: documents, keys, registry entries, lock files. Errors
// are mapped in one place (status_from_errno), so that a full disk is StatusCode::disk_full
// everywhere. Thread: any; no state. Every call here may block on the disk.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/status.h"

namespace kvswarm {

// A file descriptor that is closed when its owner goes away. -1: none.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
  ~FileDescriptor() { reset(); }
  FileDescriptor(FileDescriptor&& other) noexcept : descriptor_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  int get() const { return descriptor_; }
  bool valid() const { return descriptor_ >= 0; }
  int release() {
    const int descriptor = descriptor_;
    descriptor_ = -1;
    return descriptor;
  }
  void reset(int descriptor = -1);

 private:
  int descriptor_ = -1;
};

// `what` says what was attempted and names the thing: "cannot write /x/y". disk_full for ENOSPC and
// EDQUOT (the message then says that the disk is full), not_found for ENOENT, else failure.
Status status_from_errno(int error, const std::string& what);

struct ReadFileOptions {
  // Refuses a file that group or others may write, or that belongs to neither us nor root.
  bool only_owner_may_write = false;
};

// The whole of a regular file; links are followed. not_found when there is none; failure when it
// holds more than `most_bytes` (nothing beyond that is read) or is no regular file.
Result<Bytes> read_file(const std::string& path, std::size_t most_bytes,
                        const ReadFileOptions& options = {});

// Replaces the file at `path` by one of exactly these bytes and this mode (e.g. 0600, whatever the
// umask). A reader, or a crash at any instant, finds the old file whole or the new one whole. When
// this returns ok the new one is durable, its name included. On an error the old file stands (an
// error of the last step, the fsync of the folder, leaves either) and no temporary file is left.
// The folder must exist; a link at `path` is replaced, not followed.
Status write_file_atomically(const std::string& path, BytesView bytes, mode_t mode);

// Makes the names in a folder durable: files made, renamed and removed there before the call.
Status fsync_directory(const std::string& directory);

// The folder that holds `path`, as a path: "." for a bare name, "/" for one in the root.
std::string parent_directory(const std::string& path);

struct FreeDisk {
  std::uint64_t available_bytes = 0;  // to a process without privileges
  std::uint64_t total_bytes = 0;
};

// Of the file system that holds `path`, which must exist.
Result<FreeDisk> free_disk(const std::string& path);

}  // namespace kvswarm
