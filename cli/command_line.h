// From arguments to an exit code: finds the verb, parses its flags, runs it, says what went wrong.
#pragma once

#include <string>
#include <vector>

namespace kvswarm::cli {

// `arguments` without the program's own name.
int run_command_line(const std::vector<std::string>& arguments);

}  // namespace kvswarm::cli
