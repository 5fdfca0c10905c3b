// The worked examples of docs/formats/: fenced blocks whose info string is `hex` and a name. Tests
// decode them, so that the pages cannot drift from the code.
#pragma once

#include <string>

#include "base/bytes.h"

namespace kvswarm::test {

// The bytes of the example `name` of docs/formats/<page>. White space and everything from a # to
// the end of its line mean nothing. Throws std::runtime_error when there is no such page or
// example, when two have that name, or when something else than hex digits stands in it.
Bytes format_example(const std::string& page, const std::string& name);

}  // namespace kvswarm::test
