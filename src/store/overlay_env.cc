#include "store/overlay_env.h"

#include <algorithm>
#include <utility>

#include "base/file.h"

namespace kvswarm::store {
namespace {

leveldb::Status missing(const std::string& path) {
  return leveldb::Status::NotFound(path, "no such file");
}

leveldb::Status only_reading(const std::string& path) {
  return leveldb::Status::IOError(path, "the store was opened for reading");
}

// LevelDB reads a file only when it is complete: a copy does.
class MemoryInOrder final : public leveldb::SequentialFile {
 public:
  explicit MemoryInOrder(Bytes bytes) : bytes_(std::move(bytes)) {}
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

class MemoryAnywhere final : public leveldb::RandomAccessFile {
 public:
  explicit MemoryAnywhere(std::shared_ptr<const Bytes> bytes) : bytes_(std::move(bytes)) {}
  leveldb::Status Read(std::uint64_t offset, std::size_t size, leveldb::Slice* result,
                       char*) const override {
    const std::size_t begin = std::min<std::uint64_t>(offset, bytes_->size());
    *result = leveldb::Slice(bytes_->data() + begin, std::min(size, bytes_->size() - begin));
    return leveldb::Status::OK();
  }

 private:
  const std::shared_ptr<const Bytes> bytes_;
};

}  // namespace

class OverlayEnv::Writer final : public leveldb::WritableFile {
 public:
  Writer(OverlayEnv* env, Content content) : env_(env), content_(std::move(content)) {}
  leveldb::Status Append(const leveldb::Slice& bytes) override {
    return env_->append(content_, bytes);
  }
  leveldb::Status Close() override { return leveldb::Status::OK(); }
  leveldb::Status Flush() override { return leveldb::Status::OK(); }
  leveldb::Status Sync() override { return leveldb::Status::OK(); }

 private:
  OverlayEnv* const env_;
  const Content content_;
};

void OverlayEnv::allow(std::uint64_t more_bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  most_bytes_ += more_bytes;
}

void OverlayEnv::seal() {
  const std::lock_guard<std::mutex> lock(mutex_);
  sealed_ = true;
}

leveldb::Status OverlayEnv::append(const Content& content, const leveldb::Slice& bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (sealed_ || bytes.size() > most_bytes_ - bytes_) return only_reading("");
  content->append(bytes.data(), bytes.size());
  bytes_ += bytes.size();
  return leveldb::Status::OK();
}

OverlayEnv::Content OverlayEnv::find(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = made_.find(path);
  return found == made_.end() ? nullptr : found->second;
}

bool OverlayEnv::is_removed(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return removed_.count(path) > 0;
}

leveldb::Status OverlayEnv::NewSequentialFile(const std::string& path,
                                              leveldb::SequentialFile** file) {
  *file = nullptr;
  if (const Content content = find(path)) {
    *file = new MemoryInOrder(*content);
    return leveldb::Status::OK();
  }
  return is_removed(path) ? missing(path) : target()->NewSequentialFile(path, file);
}

leveldb::Status OverlayEnv::NewRandomAccessFile(const std::string& path,
                                                leveldb::RandomAccessFile** file) {
  *file = nullptr;
  if (const Content content = find(path)) {
    *file = new MemoryAnywhere(content);
    return leveldb::Status::OK();
  }
  return is_removed(path) ? missing(path) : target()->NewRandomAccessFile(path, file);
}

leveldb::Status OverlayEnv::NewWritableFile(const std::string& path, leveldb::WritableFile** file) {
  *file = nullptr;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (sealed_) return only_reading(path);
  const auto content = std::make_shared<Bytes>();
  made_[path] = content;
  *file = new Writer(this, content);
  return leveldb::Status::OK();
}

leveldb::Status OverlayEnv::NewAppendableFile(const std::string& path, leveldb::WritableFile**) {
  return only_reading(path);
}

bool OverlayEnv::FileExists(const std::string& path) {
  return find(path) != nullptr || (!is_removed(path) && target()->FileExists(path));
}

leveldb::Status OverlayEnv::GetChildren(const std::string& directory,
                                        std::vector<std::string>* names) {
  const leveldb::Status status = target()->GetChildren(directory, names);
  if (!status.ok()) return status;
  const std::lock_guard<std::mutex> lock(mutex_);
  std::set<std::string> all;
  for (const std::string& name : *names) {
    if (removed_.count(directory + "/" + name) == 0) all.insert(name);
  }
  for (const auto& [path, content] : made_) {
    if (parent_directory(path) == directory) all.insert(path.substr(directory.size() + 1));
  }
  names->assign(all.begin(), all.end());
  return status;
}

leveldb::Status OverlayEnv::RemoveFile(const std::string& path) {
  if (!FileExists(path)) return missing(path);
  const std::lock_guard<std::mutex> lock(mutex_);
  made_.erase(path);
  removed_.insert(path);
  return leveldb::Status::OK();
}

leveldb::Status OverlayEnv::GetFileSize(const std::string& path, std::uint64_t* size) {
  if (const Content content = find(path)) {
    *size = content->size();
    return leveldb::Status::OK();
  }
  return is_removed(path) ? missing(path) : target()->GetFileSize(path, size);
}

// LevelDB renames only what it has just written.
leveldb::Status OverlayEnv::RenameFile(const std::string& from, const std::string& to) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = made_.find(from);
  if (found == made_.end()) return missing(from);
  made_[to] = found->second;
  made_.erase(from);
  return leveldb::Status::OK();
}

}  // namespace kvswarm::store
