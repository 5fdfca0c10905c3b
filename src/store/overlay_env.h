// A LevelDB environment that writes to memory and never to the disk below it: for reading a store
// whose disk is full (promise D4), as LevelDB cannot open without writing a new MANIFEST and log.
//
// What the base holds is seen until it is changed here; new files, renames and removals are kept
// here and end with this object. seal() ends writing: LevelDB's compactions then stop with an error
// and reads go on. Before it at most limits::kOverlayBytes are taken, and what allow() adds:
// LevelDB writes what stands in its logs to tables. Thread: any.
#pragma once

#include <leveldb/env.h>

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"

namespace kvswarm::store {

class OverlayEnv final : public leveldb::EnvWrapper {
 public:
  explicit OverlayEnv(leveldb::Env* base) : EnvWrapper(base) {}  // not owned

  void allow(std::uint64_t more_bytes);
  void seal();

  leveldb::Status NewSequentialFile(const std::string& path,
                                    leveldb::SequentialFile** file) override;
  leveldb::Status NewRandomAccessFile(const std::string& path,
                                      leveldb::RandomAccessFile** file) override;
  leveldb::Status NewWritableFile(const std::string& path, leveldb::WritableFile** file) override;
  leveldb::Status NewAppendableFile(const std::string& path, leveldb::WritableFile** file) override;
  bool FileExists(const std::string& path) override;
  leveldb::Status GetChildren(const std::string& directory,
                              std::vector<std::string>* names) override;
  leveldb::Status RemoveFile(const std::string& path) override;
  leveldb::Status CreateDir(const std::string&) override { return leveldb::Status::OK(); }
  leveldb::Status GetFileSize(const std::string& path, std::uint64_t* size) override;
  leveldb::Status RenameFile(const std::string& from, const std::string& to) override;

 private:
  class Writer;
  using Content = std::shared_ptr<Bytes>;
  leveldb::Status append(const Content& content, const leveldb::Slice& bytes);
  Content find(const std::string& path);  // nullptr: not made here
  bool is_removed(const std::string& path);

  std::mutex mutex_;
  std::map<std::string, Content> made_;
  std::set<std::string> removed_;  // of the base
  std::uint64_t bytes_ = 0;
  std::uint64_t most_bytes_ = limits::kOverlayBytes;
  bool sealed_ = false;
};

}  // namespace kvswarm::store
