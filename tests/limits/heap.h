// How much memory some code holds, counted: this program's operator new notes for each block
// whether it was asked for while a count was on. Threads: the one that counts.
#pragma once

#include <cstddef>

namespace kvswarm::test {

// While true, blocks that are taken count until they are freed, whenever that is.
void count_heap(bool on);
std::size_t counted_bytes();  // that are held now

}  // namespace kvswarm::test
