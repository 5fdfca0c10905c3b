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

// The same file, open for reading, for what is too large to be held whole.
Result<FileDescriptor> open_file(const std::string& path, const ReadFileOptions& options = {});

// At most `most_bytes` of what is left of it; empty at its end. `path` is for the message.
Result<Bytes> read_some(const FileDescriptor& file, std::size_t most_bytes,
                        const std::string& path);

// Replaces the file at `path` by one of exactly these bytes and this mode (e.g. 0600, whatever the
// umask). A reader, or a crash at any instant, finds the old file whole or the new one whole. When
// this returns ok the new one is durable, its name included. On an error the old file stands (an
// error of the last step, the fsync of the folder, leaves either) and no temporary file is left.
// The folder must exist; a link at `path` is replaced, not followed.
Status write_file_atomically(const std::string& path, BytesView bytes, mode_t mode);

// Makes the names in a folder durable: files made, renamed and removed there before the call.
Status fsync_directory(const std::string& directory);

// Makes a folder with mode 0700, with those above it that are missing, and makes its name durable.
// One that is there is no error, and its mode stays.
Status make_directories(const std::string& directory);

// The folder that holds `path`, as a path: "." for a bare name, "/" for one in the root.
std::string parent_directory(const std::string& path);

// A file that gets its name when it is whole, and never takes another's place: it is written under
// a temporary name in the same folder ("PATH.tmp-" and a process id). Not committed, it goes with
// this object; a process that is killed leaves the temporary one. Thread: one at a time.
class NewFile {
 public:
  // usage when something has the name. A umask takes bits from `mode`.
  static Result<NewFile> create(const std::string& path, mode_t mode);
  NewFile(NewFile&&) noexcept = default;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  Status append(BytesView bytes);
  // The file is durable, name included, when this returns ok. usage when something has taken the
  // name meanwhile. Once.
  Status commit();

 private:
  NewFile(std::string path, std::string temporary, FileDescriptor file)
      : path_(std::move(path)), temporary_(std::move(temporary)), file_(std::move(file)) {}

  std::string path_;
  std::string temporary_;
  FileDescriptor file_;  // none: moved from, or committed
};

struct FreeDisk {
  std::uint64_t available_bytes = 0;  // to a process without privileges
  std::uint64_t total_bytes = 0;
};

// Of the file system that holds `path`, which must exist.
Result<FreeDisk> free_disk(const std::string& path);

}  // namespace kvswarm
