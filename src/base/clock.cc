#include "base/clock.h"

#include <chrono>

namespace kvswarm {
namespace {

class SystemClock final : public Clock {
 public:
  Time now() override {
    using std::chrono::duration_cast;
    using std::chrono::milliseconds;
    const auto monotonic = std::chrono::steady_clock::now().time_since_epoch();
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    return {static_cast<std::uint64_t>(duration_cast<milliseconds>(monotonic).count()),
            static_cast<std::uint64_t>(duration_cast<milliseconds>(wall).count())};
  }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

}  // namespace kvswarm
