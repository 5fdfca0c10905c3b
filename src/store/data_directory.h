// One process owns a data directory for its life (DESIGN section 10).
//
// The lock is flock(2) on `<directory>/lock`, so that the kernel drops it however the process ends;
// the file holds the owner's process id only to name it to others. Two locks within one process
// exclude each other as well. Thread: any; the object is a resource with one owner.
#pragma once

#include <string>

#include "base/file.h"
#include "base/status.h"

namespace kvswarm::store {

class DataDirectoryLock {
 public:
  // Does not wait. in_use, with a message that names the owning process (id and command), when it
  // is held; callers that want to wait ask again. The directory must exist. A lock file that is a
  // link or no regular file is refused.
  static Result<DataDirectoryLock> acquire(const std::string& directory);

  DataDirectoryLock(DataDirectoryLock&&) noexcept = default;
  DataDirectoryLock& operator=(DataDirectoryLock&& other) noexcept;
  ~DataDirectoryLock();

  // False only once moved from.
  bool held() const { return file_.valid(); }

 private:
  explicit DataDirectoryLock(FileDescriptor file) : file_(std::move(file)) {}
  void release();

  FileDescriptor file_;
};

// "process 4711 (kvswarm)", as far as /proc tells: "process 4711" or "another process" otherwise.
std::string describe_process(long process_id);

}  // namespace kvswarm::store
