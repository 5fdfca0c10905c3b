#include "node/row_merging.h"

#include "base/limits.h"
#include "node/rows.h"

namespace kvswarm::node {
namespace {

// Places that divide the whole evenly however many there are (the golden ratio's multiples).
std::uint64_t place(std::uint64_t number) { return number * 0x9e3779b97f4a7c15ULL; }

Address address_at(std::uint64_t place) {
  Address address;
  for (std::size_t i = 0; i < sizeof place; ++i) {
    address.data[i] = static_cast<unsigned char>(place >> (56 - 8 * i));
  }
  return address;
}

}  // namespace

bool RowMerging::step(store::Store& store) {
  std::vector<Bytes> absent_keys;
  for (std::size_t i = 0; i < limits::kMergePlaces; ++i) {
    const std::uint64_t at = place(++asked_);
    // With a byte more than a row's key has.
    absent_keys.push_back(rows::leaf(address_at(at)) + "-");
    absent_keys.push_back(rows::value(address_at(at)) + "-");
    if (records_ > 0) absent_keys.push_back(rows::path_group(at % records_, 1) + "-");
  }
  const std::size_t above = store.ask_to_merge(absent_keys);
  if (above < least_above_) {
    least_above_ = above;
    in_vain_ = 0;
  }
  return above == 0 || ++in_vain_ > limits::kMergeStepsInVain;
}

}  // namespace kvswarm::node
