// The library's version, "major.minor.patch". Static storage; thread: any.
#pragma once

namespace kvswarm {

const char* version();

}  // namespace kvswarm
