#include "support/format_example.h"
#include "support/paths.h"

#include <fstream>
#include <optional>
#include <stdexcept>

namespace kvswarm::test {

Bytes format_example(const std::string& page, const std::string& name) {
  std::ifstream stream(test::source_directory() + "/docs/formats/" + page);
  if (!stream) throw std::runtime_error("no such page: " + page);
  std::string digits;
  int found = 0;
  bool inside = false;
  for (std::string line; std::getline(stream, line);) {
    if (line == "```hex " + name) {
      ++found;
      inside = true;
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      for (const char c : line.substr(0, line.find('#'))) {
        if (c != ' ') digits.push_back(c);
      }
    }
  }
  if (found != 1) throw std::runtime_error(page + " has not one example named " + name);
  const std::optional<Bytes> bytes = from_hex(digits);
  if (!bytes) throw std::runtime_error(page + ": not hex: " + name);
  return *bytes;
}

}  // namespace kvswarm::test
