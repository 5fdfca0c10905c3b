// Two network namespaces of a test's own with a cable between them, which can be pulled. They are
// held by processes of this object and go with it; nothing of them is seen outside.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/process.h"

namespace kvswarm::test {

class Cable {
 public:
  Cable();

  // Why there is none: rights or programs are missing. Empty: there is one.
  const std::string& missing() const { return missing_; }
  // At each end (0 and 1): how a program is run there (Swarm::set_runner), and its address.
  std::vector<std::string> runner(int end) const;
  static std::string address(int end);

  void pull();  // nothing passes any more
  void plug();
  // Only what end 0 sends does not arrive.
  void block();
  void unblock();

 private:
  bool run_at(int end, const std::string& arguments);

  std::vector<std::unique_ptr<Process>> holders_;
  std::string missing_;
};

}  // namespace kvswarm::test
