#include "limits/heap.h"

#include <cstdlib>
#include <new>

namespace {

// In front of each block; as large as the strictest ordinary alignment.
struct alignas(std::max_align_t) Note {
  std::size_t bytes = 0;
  bool counted = false;
};

bool counting = false;
std::size_t counted = 0;

void* take(std::size_t bytes) {
  auto* const note = static_cast<Note*>(std::malloc(sizeof(Note) + bytes));
  if (note == nullptr) std::abort();
  *note = {bytes, counting};
  if (counting) counted += bytes;
  return note + 1;
}

void free_block(void* block) {
  if (block == nullptr) return;
  Note* const note = static_cast<Note*>(block) - 1;
  if (note->counted) counted -= note->bytes;
  std::free(note);
}

}  // namespace

void* operator new(std::size_t bytes) { return take(bytes); }
void* operator new[](std::size_t bytes) { return take(bytes); }
void operator delete(void* block) noexcept { free_block(block); }
void operator delete[](void* block) noexcept { free_block(block); }
void operator delete(void* block, std::size_t) noexcept { free_block(block); }
void operator delete[](void* block, std::size_t) noexcept { free_block(block); }

namespace kvswarm::test {

void count_heap(bool on) { counting = on; }
std::size_t counted_bytes() { return counted; }

}  // namespace kvswarm::test
