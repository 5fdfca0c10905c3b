// One small swarm, with a writer, a storage node and what they sign: the worked examples of
// docs/formats/block.md and log.md, and the start of most tests of this folder.
#pragma once

#include <vector>

#include "crypto/keys.h"
#include "log/block.h"
#include "log/record.h"

namespace kvswarm::log::samples {

Hash hash_of(unsigned char byte);  // 32 times that byte
SwarmId swarm();                   // 00 01 02 ... 1f
SwarmId other_swarm();
const crypto::SigningKey& writer();  // seed: 32 times 01
const crypto::SigningKey& node();    // seed: 32 times 02
DocumentRef document();

// Op 7 puts greeting = "hi", op 9 deletes "cool" (8 went elsewhere).
Op put_op();
Op del_op();

// An op, its value beside it; `value` must outlive what is returned.
OpInput input(const Op& op, BytesView value = {});

BlockHeader header();  // block 3 of incarnation 1, but for what make_block fills in
SignedBlock block();   // of put_op and del_op

std::vector<Record> records();  // a document record, then one that commits block()
Head head();                    // of the log of records()
std::vector<Hold> holds();
Receipt receipt();  // for block()
Refusal refusal();

// `bytes` with one bit turned.
Bytes with_flipped_bit(BytesView bytes, std::size_t bit);

// In how many ways `accepts` takes what is not `bytes`: cut short anywhere, or longer by a byte.
template <class Accepts>
std::size_t accepted_lengths(BytesView bytes, Accepts accepts) {
  std::size_t accepted = 0;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    accepted += accepts(bytes.substr(0, size)) ? 1 : 0;
  }
  return accepted + (accepts(Bytes(bytes) + '\0') ? 1 : 0);
}

// The same with each single bit turned.
template <class Accepts>
std::size_t accepted_flips(BytesView bytes, Accepts accepts) {
  std::size_t accepted = 0;
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    accepted += accepts(with_flipped_bit(bytes, bit)) ? 1 : 0;
  }
  return accepted;
}

}  // namespace kvswarm::log::samples
