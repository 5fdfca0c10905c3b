// One door for Catch2: version 2 in Debian 12, version 3 elsewhere, plus a SKIP that both have.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "support/skip.h"
