#include "support/paths.h"

namespace kvswarm::test {

std::string source_directory() { return KVSWARM_SOURCE_DIR; }
std::string program_path() { return KVSWARM_PROGRAM; }

}  // namespace kvswarm::test
