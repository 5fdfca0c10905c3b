// What this program's own code does to real files below a folder, mirrored to a SimulatedDisk.
//
// The test program is linked so that the system calls that make, change, name and sync files come
// here first (-Wl,--wrap, see tests/CMakeLists.txt): no code under test knows of it. The real call
// is made as well, but for fsync; a call that the disk was told to fail is not. Thread: one at a
// time, one object at a time.
#pragma once

#include <string>

#include "disk/simulated_disk.h"

namespace kvswarm::power {

class RecordedFiles {
 public:
  explicit RecordedFiles(const std::string& root);  // real, empty; "/" of the disk
  ~RecordedFiles();
  RecordedFiles(const RecordedFiles&) = delete;
  RecordedFiles& operator=(const RecordedFiles&) = delete;

  test::SimulatedDisk disk;
};

// Makes real files below `root`, which must be empty, of everything that is on the disk.
void materialise(const test::SimulatedDisk& disk, const std::string& root);

}  // namespace kvswarm::power
