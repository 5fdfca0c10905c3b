// Whether a state that a node signed contradicts records of its log (promise A4): the part of the
// check of evidence that looks at the state. Rules: docs/formats/saved.md, False transition. Pure;
// thread: any.
#pragma once

#include "log/saved.h"

namespace kvswarm::node {

// `facts` are those of log::check_saved_evidence of that evidence. corruption, with why, when the
// proof does not hold or the state may follow from the log as far as the records show it.
Result<log::TransitionFacts> check_transition(const log::EvidenceFacts& facts,
                                              const log::FalseTransition& transition);

}  // namespace kvswarm::node
