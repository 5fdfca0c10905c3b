#include "disk/simulated_env.h"

#include <leveldb/env.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>

#include "base/assert.h"
#include "base/file.h"

namespace kvswarm::test {
namespace {

leveldb::Status to_level_db(int error, const std::string& path) {
  if (error == 0) return leveldb::Status::OK();
  if (error == ENOENT) return leveldb::Status::NotFound(path, std::strerror(error));
  return leveldb::Status::IOError(path, std::strerror(error));
}

// Both keep the bytes as they were when opened: LevelDB reads no file that still grows.
class ReadInOrder final : public leveldb::SequentialFile {
 public:
  explicit ReadInOrder(Bytes bytes) : bytes_(std::move(bytes)) {}
  leveldb::Status Read(std::size_t size, leveldb::Slice* result, char*) override {
    const std::size_t got = std::min(size, bytes_.size() - at_);
    *result = leveldb::Slice(bytes_.data() + at_, got);
    at_ += got;
    return leveldb::Status::OK();
  }
  leveldb::Status Skip(std::uint64_t size) override {
    at_ += std::min<std::uint64_t>(size, bytes_.size() - at_);
    return leveldb::Status::OK();
  }

 private:
  const Bytes bytes_;
  std::size_t at_ = 0;
};

class ReadAnywhere final : public leveldb::RandomAccessFile {
 public:
  explicit ReadAnywhere(Bytes bytes) : bytes_(std::move(bytes)) {}
  leveldb::Status Read(std::uint64_t offset, std::size_t size, leveldb::Slice* result,
                       char*) const override {
    const std::size_t begin = std::min<std::uint64_t>(offset, bytes_.size());
    *result = leveldb::Slice(bytes_.data() + begin, std::min(size, bytes_.size() - begin));
    return leveldb::Status::OK();
  }

 private:
  const Bytes bytes_;
};

class Written final : public leveldb::WritableFile {
 public:
  Written(SimulatedDisk* disk, SimulatedDisk::Handle handle, std::string path)
      : disk_(disk), handle_(handle), path_(std::move(path)) {}
  leveldb::Status Append(const leveldb::Slice& bytes) override {
    return to_level_db(disk_->append(handle_, {bytes.data(), bytes.size()}), path_);
  }
  leveldb::Status Close() override { return leveldb::Status::OK(); }
  leveldb::Status Flush() override { return leveldb::Status::OK(); }
  leveldb::Status Sync() override {
    int error = 0;
    if (path_.find("/MANIFEST-") != std::string::npos) {
      error = disk_->sync_folder(folder_of(path_));
    }
    if (error == 0) error = disk_->sync(handle_);
    return to_level_db(error, path_);
  }

 private:
  SimulatedDisk* const disk_;
  const SimulatedDisk::Handle handle_;
  const std::string path_;
};

struct HeldLock final : leveldb::FileLock {
  explicit HeldLock(std::string locked) : path(std::move(locked)) {}
  const std::string path;
};

}  // namespace

class SimulatedEnv::Env final : public leveldb::EnvWrapper {
 public:
  // What is not overridden here (the clock) is the system's.
  explicit Env(SimulatedDisk* disk) : EnvWrapper(leveldb::Env::Default()), disk_(disk) {}

  leveldb::Status NewSequentialFile(const std::string& path,
                                    leveldb::SequentialFile** file) override {
    const Bytes* bytes = disk_->read(path);
    *file = bytes != nullptr ? new ReadInOrder(*bytes) : nullptr;
    return to_level_db(bytes != nullptr ? 0 : ENOENT, path);
  }
  leveldb::Status NewRandomAccessFile(const std::string& path,
                                      leveldb::RandomAccessFile** file) override {
    const Bytes* bytes = disk_->read(path);
    *file = bytes != nullptr ? new ReadAnywhere(*bytes) : nullptr;
    return to_level_db(bytes != nullptr ? 0 : ENOENT, path);
  }
  leveldb::Status NewWritableFile(const std::string& path, leveldb::WritableFile** file) override {
    SimulatedDisk::Handle handle = 0;
    const int error = disk_->create(path, &handle);
    *file = error == 0 ? new Written(disk_, handle, path) : nullptr;
    return to_level_db(error, path);
  }
  leveldb::Status NewAppendableFile(const std::string& path,
                                    leveldb::WritableFile** file) override {
    SimulatedDisk::Handle handle = 0;
    const int error = disk_->open(path, &handle);
    *file = error == 0 ? new Written(disk_, handle, path) : nullptr;
    return to_level_db(error, path);
  }
  bool FileExists(const std::string& path) override { return disk_->exists(path); }
  leveldb::Status GetChildren(const std::string& path, std::vector<std::string>* names) override {
    *names = disk_->names_in(path);
    return to_level_db(disk_->exists(path) ? 0 : ENOENT, path);
  }
  leveldb::Status RemoveFile(const std::string& path) override {
    return to_level_db(disk_->remove(path), path);
  }
  leveldb::Status CreateDir(const std::string& path) override {
    return to_level_db(disk_->make_folder(path), path);
  }
  leveldb::Status RemoveDir(const std::string& path) override { return RemoveFile(path); }
  leveldb::Status GetFileSize(const std::string& path, std::uint64_t* size) override {
    const Bytes* bytes = disk_->read(path);
    *size = bytes != nullptr ? bytes->size() : 0;
    return to_level_db(bytes != nullptr ? 0 : ENOENT, path);
  }
  leveldb::Status RenameFile(const std::string& from, const std::string& to) override {
    return to_level_db(disk_->rename(from, to), to);
  }
  leveldb::Status LockFile(const std::string& path, leveldb::FileLock** lock) override {
    const bool taken = disk_->lock(path);
    *lock = taken ? new HeldLock(path) : nullptr;
    return to_level_db(taken ? 0 : EAGAIN, path);
  }
  leveldb::Status UnlockFile(leveldb::FileLock* lock) override {
    disk_->unlock(static_cast<HeldLock*>(lock)->path);
    delete lock;
    return leveldb::Status::OK();
  }
  // LevelDB holds its own lock here: the work has to wait until the call that asked for it is over.
  void Schedule(void (*work)(void*), void* argument) override { work_.push_back({work, argument}); }
  void StartThread(void (*)(void*), void*) override { KVSWARM_ASSERT(false); }

  void run_background() {
    while (!work_.empty()) {
      const Work next = work_.front();
      work_.pop_front();
      next.work(next.argument);
    }
  }

 private:
  struct Work {
    void (*work)(void*);
    void* argument;
  };
  SimulatedDisk* const disk_;
  std::deque<Work> work_;
};

SimulatedEnv::SimulatedEnv(SimulatedDisk* disk) : disk_(disk), env_(std::make_unique<Env>(disk)) {}
SimulatedEnv::~SimulatedEnv() = default;

store::LevelDbOptions SimulatedEnv::options() {
  store::LevelDbOptions options;
  options.base_env = env_.get();
  options.run_background = [this] { env_->run_background(); };
  options.make_directory = [this](const std::string& path) {
    const int error = disk_->make_folder(path);
    return error == 0 || error == EEXIST ? Status() : status_from_errno(error, path);
  };
  options.sync_directory = [this](const std::string& path) {
    const int error = disk_->sync_folder(path);
    return error == 0 ? Status() : status_from_errno(error, "cannot sync " + path);
  };
  return options;
}

}  // namespace kvswarm::test
