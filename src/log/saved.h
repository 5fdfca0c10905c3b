// Saved proofs: what `kvswarm verify` takes, and what anyone can check without a node or a network.
// Grammar: docs/formats/saved.md. Values; pure; thread: any.
//
// Three kinds today. A receipt shows what became of a writer's ops. Evidence shows that something
// contradicts itself; whether it does so for everybody, or only for the node that kept it, is
// said by EvidenceFacts::holds_alone. A read shows what a key held, or that there was no such key;
// its answer is checked on a higher floor (src/node/verification.h). Which documents exist, and
// whom they list, is looked up by the caller (src/node/verification.h): documents are not known on
// this floor.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "log/record.h"

namespace kvswarm::log {

// An op of a block, with the way from it to the block's ops root. The value is not part of it.
struct SavedOp {
  std::uint32_t index = 0;  // in its block
  Proof path;               // empty where all ops of the block are there, which needs none
  Bytes op;                 // encoded
};

struct SavedHeader {
  Bytes header;  // encoded
  Signature signature;
};

struct SavedBlock {
  SavedHeader signed_header;
  std::vector<SavedOp> ops;  // ascending by index; not necessarily all of the block
};

// A record of one node's log with the blocks of it that matter, in the record's order.
struct SavedEntry {
  Receipt receipt;
  std::vector<SavedBlock> blocks;
};

// Ascending by node, epoch and record.
struct SavedReceipt {
  std::vector<SavedEntry> entries;
};

// Two heads of one node and epoch. With one length and more than the time different: proof.
struct TwoHeads {
  SignedHead first, second;  // ascending as bytes
};
// Two headers of one writer's stream: of one number, or the second one's `previous` is not the
// first. Proof.
struct TwoBlocks {
  SavedHeader first, second;  // ascending as bytes
};
// A node's record names another block of this number of this stream than the one its writer signed.
struct ReceiptAgainstBlock {
  SavedHeader block;
  Receipt receipt;
};
// "The document does not list you", signed. Proof, together with the document when it does.
struct RefusalAgainstDocument {
  SignedRefusal refusal;
};
// Two documents of one number. The texts are empty when they are not known, or too long.
struct TwoDocuments {
  struct Text {
    DocumentRef document;
    Bytes json;
  };
  Text first, second;  // ascending by hash
};
// What the state of a node's head says of one address, and records of its log that say otherwise.
struct FalseTransition {
  SignedHead head;
  Address address;
  Bytes proof;  // of state.md: a get of the address, under the head's state root
  std::vector<SavedEntry> entries;  // ascending by record; one may be without blocks
};
using Evidence = std::variant<TwoHeads, TwoBlocks, ReceiptAgainstBlock, RefusalAgainstDocument,
                              TwoDocuments, FalseTransition>;

// What was asked, the table of holds of the head that answered, and the answer.
struct SavedRead {
  Bytes key;
  Bytes holds;   // encoded
  Bytes answer;  // of docs/formats/messages.md
};

struct Saved {
  SwarmId swarm;
  std::variant<SavedReceipt, Evidence, SavedRead> body;
};

Bytes encode(const Saved& saved);
// Frames and order; contents unchecked. newer_version: a kind, type or version not known here.
Result<Saved> decode_saved(BytesView bytes);

// What a receipt that holds establishes.
struct ReceiptFacts {
  struct OpFact {
    Op op;
    Hash hash;
    std::uint32_t index = 0;
    Outcome outcome = Outcome::applied;
  };
  struct BlockFact {
    BlockHeader header;
    Hash hash;
    std::vector<OpFact> ops;
  };
  struct EntryFact {
    Head head;
    std::uint64_t record_index = 0;
    Record record;
    std::vector<BlockFact> blocks;
  };
  SwarmId swarm;
  std::vector<EntryFact> entries;
};

// Signatures, inclusion, paths, order, and that the parts belong together; corruption with what
// does not hold. Not authority: that the record's document lists the writers is the caller's.
Result<ReceiptFacts> check_saved_receipt(const SwarmId& swarm, const SavedReceipt& receipt);

// How a state contradicts the log that it should follow from.
struct TransitionFacts {
  enum class Fault {
    missing,   // nothing is there, though the op put it and is the last one for its key
    outdated,  // an earlier op is there
    invented,  // what is there is nothing that the log has applied
  };
  Fault fault = Fault::missing;
  bool has_op = false;  // else what is there is invented, whatever was applied for the address
  Op op;                // the last one for the address among those that the evidence has
  NodeId writer;
  std::uint64_t record_index = 0;  // that applied it
  std::uint64_t shown_record = 0;  // which the state names instead; not of `missing`
};

// What evidence that holds establishes. Which members are filled in follows from the kind.
struct EvidenceFacts {
  SwarmId swarm;
  Evidence evidence;  // of a false transition, without entries once those were looked at
  // Anyone who has it (and the documents it names) can check it. Otherwise it is what one node
  // observed: no proof for others.
  bool holds_alone = false;
  NodeId accused;  // who signed both sides; zero: nobody, or it is not known who
  std::vector<Head> heads;
  std::vector<BlockHeader> blocks;
  std::optional<CheckedReceipt> receipt;
  std::optional<Refusal> refusal;
  std::vector<DocumentRef> documents;
  std::vector<ReceiptFacts::EntryFact> entries;  // of a false transition, for the next one
  std::optional<TransitionFacts> transition;     // filled in by src/node/transition.h
};

// Everything but the texts of documents, what a document lists, and what a state proof shows;
// corruption when the parts do not contradict each other.
Result<EvidenceFacts> check_saved_evidence(const SwarmId& swarm, const Evidence& evidence);

// What the evidence is about: one is kept per subject, e.g. per node and epoch of two heads.
Hash evidence_subject(const EvidenceFacts& facts);

}  // namespace kvswarm::log
