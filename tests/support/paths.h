// Where things are that tests read or run. Functions, so that one object file alone depends on
// where the repository lies.
#pragma once

#include <string>

namespace kvswarm::test {

std::string source_directory();  // the root of the repository
std::string program_path();      // the kvswarm program of this build

}  // namespace kvswarm::test
