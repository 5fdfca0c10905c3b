#include "progress.h"

#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace kvswarm::cli {

namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr int kBarCells = 30;

void put(std::string_view text) {
  static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size()));
}

}  // namespace

Progress::Progress() : terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() { clear(); }

void Progress::show(const std::string& text, double part) {
  if (!terminal_) return;
  const auto now = std::chrono::steady_clock::now();
  if (shown_ && now < next_) return;
  next_ = now + kRedraw;
  shown_ = true;
  std::string line = "\r\033[K";
  if (part >= 0) {
    const int cells = static_cast<int>(std::min(part, 1.0) * kBarCells);
    line += "[" + std::string(static_cast<std::size_t>(cells), '#') +
            std::string(static_cast<std::size_t>(kBarCells - cells), '.') + "] ";
  }
  put(line + text);
}

void Progress::clear() {
  if (shown_) put("\r\033[K");
  shown_ = false;
}

}  // namespace kvswarm::cli
