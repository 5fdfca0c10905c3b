// The saved proofs of docs/formats/saved.md, made of the swarm of samples.h.
#pragma once

#include "log/saved.h"
#include "unit/log/samples.h"

namespace kvswarm::log::samples {

Saved saved_receipt();          // both ops of block()
Saved saved_receipt_of_one();   // the first one, with its path
Head other_head();              // of length 2 as head(), of another log
Saved two_heads();              // head() and other_head()
Saved two_heads_of_lengths();   // head() and one of length 3 that need not follow it
Saved two_blocks();             // block() and another block 3
Saved unchained_blocks();       // block() and a block 4 that names another one before it
Saved receipt_against_block();  // receipt() and another block 3
Saved refusal_of_listed();      // unauthorised, under document()
Saved two_documents();          // without their texts
// The node applied block() in record 1 and signed the state of nothing.
Saved false_transition();

}  // namespace kvswarm::log::samples
