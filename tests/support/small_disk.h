// A small file system of a test's own: a tmpfs whose size can be taken down to what is used, so
// that no memory is needed to fill it. It goes with the object; nobody else sees it after
// may_mount().
#pragma once

#include <cstdint>
#include <string>

namespace kvswarm::test {

// Whether this user may mount; from then on this process has mounts of its own.
bool may_mount();

class SmallDisk {
 public:
  // Makes the folder, too.
  SmallDisk(const std::string& path, std::uint64_t bytes);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  std::uint64_t free_bytes() const;
  // Its size becomes what is used now; that of the constructor; that and so much more.
  void fill();
  void make_room();
  void grow(std::uint64_t bytes);

 private:
  bool mount_with(std::uint64_t bytes, unsigned long flags) const;

  const std::string path_;
  std::uint64_t bytes_;
  bool mounted_ = false;
};

}  // namespace kvswarm::test
