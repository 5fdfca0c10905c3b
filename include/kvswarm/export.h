// KVSWARM_EXPORT marks what a shared library of kvswarm shows; all else in it is hidden. Nothing to
// use in a program.
#pragma once

#if defined(__GNUC__)
#define KVSWARM_EXPORT __attribute__((visibility("default")))
#else
#define KVSWARM_EXPORT
#endif
