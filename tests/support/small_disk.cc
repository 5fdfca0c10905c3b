#include "support/small_disk.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

#include "support/catch.h"

namespace kvswarm::test {

bool may_mount() {
  return ::geteuid() == 0 && ::unshare(CLONE_NEWNS) == 0 &&
         ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

SmallDisk::SmallDisk(const std::string& path, std::uint64_t bytes) : path_(path), bytes_(bytes) {
  mounted_ = ::mkdir(path.c_str(), 0700) == 0 && mount_with(bytes, 0);
}

SmallDisk::~SmallDisk() {
  if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
}

std::uint64_t SmallDisk::free_bytes() const {
  struct statvfs about {};
  REQUIRE(::statvfs(path_.c_str(), &about) == 0);
  return std::uint64_t{about.f_bfree} * about.f_frsize;
}

void SmallDisk::fill() {
  // A node may write between the two calls: then the size is less than what is there.
  bool full = false;
  for (int turn = 0; !full && turn < 1000; ++turn) {
    struct statvfs about {};
    REQUIRE(::statvfs(path_.c_str(), &about) == 0);
    full = mount_with((about.f_blocks - about.f_bfree) * about.f_frsize, MS_REMOUNT);
    if (!full) REQUIRE(errno == EINVAL);
  }
  REQUIRE(full);
}

void SmallDisk::make_room() { REQUIRE(mount_with(bytes_, MS_REMOUNT)); }

void SmallDisk::grow(std::uint64_t bytes) {
  bytes_ += bytes;
  make_room();
}

bool SmallDisk::mount_with(std::uint64_t bytes, unsigned long flags) const {
  const std::string options = "mode=0700,size=" + std::to_string(bytes);
  return ::mount("tmpfs", path_.c_str(), "tmpfs", flags, options.c_str()) == 0;
}

}  // namespace kvswarm::test
