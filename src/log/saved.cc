// Saved proofs: their bytes. What they mean is checked in saved_check.cc.
#include "log/saved.h"

#include "base/limits.h"
#include "log/encoding.h"

namespace kvswarm::log {
namespace {

constexpr BytesView kMagic = "kvswarm";
constexpr std::uint8_t kReceipt = 1;
constexpr std::uint8_t kEvidence = 2;
constexpr std::uint8_t kRead = 3;
constexpr std::size_t kSignedRefusalBytes = kRefusalBytes + 3 + Signature::kSize;
constexpr std::size_t kReceiptBytes =
    limits::kRecordBytes + kSignedHeadBytes + Hash::kSize * limits::kMerkleProofHashes + 64;
// What the shortest encodings of their kind take.
constexpr std::size_t kLeastOpEntryBytes = 1 + kLeastOpBytes;
constexpr std::size_t kLeastBlockBytes = kBlockHeaderBytes + Signature::kSize;
constexpr std::size_t kLeastEntryBytes = kSignedHeadBytes + kLeastBlockBytes;

Status newer() {
  return {StatusCode::newer_version, "the file is of a kind that a newer program saved"};
}

void write_header(const SavedHeader& header, codec::Writer& out) {
  out.prefixed(header.header).fixed(header.signature);
}

SavedHeader read_header(codec::Reader& in) {
  SavedHeader out;
  out.header = Bytes(in.prefixed(kBlockHeaderBytes));
  out.signature = in.fixed<Signature>();
  return out;
}

// Whether these are all ops of the block: then they stand there without places and paths, because
// the ops root follows from them.
bool are_all(const SavedHeader& header, std::size_t ops) {
  const auto decoded = decode_block_header(header.header);
  return decoded.ok() && decoded->op_count == ops;
}

void write_saved_block(const SavedBlock& block, codec::Writer& out) {
  write_header(block.signed_header, out);
  out.varint(block.ops.size());
  const bool is_whole = are_all(block.signed_header, block.ops.size());
  for (const SavedOp& op : block.ops) {
    if (!is_whole) {
      Bytes path;
      encode_proof(op.path, path);
      out.varint(op.index).raw(path);
    }
    out.prefixed(op.op);
  }
}

void write_entries(const std::vector<SavedEntry>& entries, codec::Writer& out) {
  out.varint(entries.size());
  for (const SavedEntry& entry : entries) {
    out.prefixed(encode(entry.receipt)).varint(entry.blocks.size());
    for (const SavedBlock& block : entry.blocks) write_saved_block(block, out);
  }
}

SavedBlock read_saved_block(codec::Reader& in) {
  SavedBlock block;
  block.signed_header = read_header(in);
  const std::size_t ops = in.count(limits::kBlockOps, kLeastOpEntryBytes);
  if (ops == 0) in.fail();
  const bool is_whole = in.ok() && are_all(block.signed_header, ops);
  for (std::size_t i = 0; i < ops && in.ok(); ++i) {
    SavedOp op;
    const std::uint64_t index = is_whole ? i : in.varint();
    if (index >= limits::kBlockOps || (i > 0 && index <= block.ops.back().index)) in.fail();
    op.index = static_cast<std::uint32_t>(index);
    if (!is_whole) op.path = decode_proof(in);
    op.op = Bytes(in.prefixed(kMostOpBytes));
    block.ops.push_back(std::move(op));
  }
  return block;
}

// `may_be_bare`: a record may be there for itself, without blocks.
Result<std::vector<SavedEntry>> read_entries(codec::Reader& in, bool may_be_bare) {
  std::vector<SavedEntry> out;
  const std::size_t entries =
      in.count(limits::kSavedEntries, may_be_bare ? kSignedHeadBytes : kLeastEntryBytes);
  if (entries == 0) in.fail();
  for (std::size_t i = 0; i < entries && in.ok(); ++i) {
    const BytesView encoded = in.prefixed(kReceiptBytes);
    SavedEntry entry;
    const std::size_t blocks = in.count(limits::kRecordBlocks, kLeastBlockBytes);
    if (blocks == 0 && !may_be_bare) in.fail();
    for (std::size_t j = 0; j < blocks && in.ok(); ++j)
      entry.blocks.push_back(read_saved_block(in));
    if (!in.ok()) break;
    KVSWARM_ASSIGN_OR_RETURN(entry.receipt, decode_receipt(encoded));
    out.push_back(std::move(entry));
  }
  return out;
}

void write_body(const SavedReceipt& receipt, codec::Writer& out) {
  write_entries(receipt.entries, out);
}

void write_body(const SavedRead& read, codec::Writer& out) {
  out.prefixed(read.key).prefixed(read.holds).prefixed(read.answer);
}

SavedRead read_read(codec::Reader& in) {
  SavedRead out;
  out.key = Bytes(in.prefixed(limits::kKeyBytes));
  if (out.key.empty()) in.fail();
  out.holds = Bytes(in.prefixed(limits::kSavedBytes));
  out.answer = Bytes(in.prefixed(limits::kMessageBytes));
  return out;
}

struct EvidenceWriter {
  codec::Writer& out;
  void operator()(const TwoHeads& heads) const {
    out.prefixed(encode(heads.first)).prefixed(encode(heads.second));
  }
  void operator()(const TwoBlocks& blocks) const {
    write_header(blocks.first, out);
    write_header(blocks.second, out);
  }
  void operator()(const ReceiptAgainstBlock& pair) const {
    write_header(pair.block, out);
    out.prefixed(encode(pair.receipt));
  }
  void operator()(const RefusalAgainstDocument& refusal) const {
    out.prefixed(encode(refusal.refusal));
  }
  void operator()(const TwoDocuments& documents) const {
    for (const TwoDocuments::Text* text : {&documents.first, &documents.second}) {
      write_document(text->document, out);
      out.prefixed(text->json);
    }
  }
  void operator()(const FalseTransition& transition) const {
    out.prefixed(encode(transition.head)).fixed(transition.address).prefixed(transition.proof);
    write_entries(transition.entries, out);
  }
};

void write_body(const Evidence& evidence, codec::Writer& out) {
  out.u8(static_cast<std::uint8_t>(evidence.index() + 1));
  std::visit(EvidenceWriter{out}, evidence);
}

Result<Evidence> read_heads(codec::Reader& in) {
  const BytesView first = in.prefixed(kSignedHeadBytes);
  const BytesView second = in.prefixed(kSignedHeadBytes);
  if (first >= second) in.fail();
  TwoHeads heads;
  if (!in.ok()) return Evidence(heads);
  KVSWARM_ASSIGN_OR_RETURN(heads.first, decode_signed_head(first));
  KVSWARM_ASSIGN_OR_RETURN(heads.second, decode_signed_head(second));
  return Evidence(std::move(heads));
}

Result<Evidence> read_transition(codec::Reader& in) {
  FalseTransition out;
  const BytesView head = in.prefixed(kSignedHeadBytes);
  out.address = in.fixed<Address>();
  out.proof = Bytes(in.prefixed(limits::kProofBytes));
  if (!in.ok()) return Evidence(std::move(out));
  KVSWARM_ASSIGN_OR_RETURN(out.head, decode_signed_head(head));
  KVSWARM_ASSIGN_OR_RETURN(out.entries, read_entries(in, true));
  return Evidence(std::move(out));
}

Result<Evidence> read_evidence(codec::Reader& in) {
  switch (in.u8()) {
    case 1: return read_heads(in);
    case 2: {
      TwoBlocks blocks{read_header(in), read_header(in)};
      if (blocks.first.header >= blocks.second.header) in.fail();
      return Evidence(std::move(blocks));
    }
    case 3: {
      ReceiptAgainstBlock pair;
      pair.block = read_header(in);
      const BytesView receipt = in.prefixed(kReceiptBytes);
      if (!in.ok()) return Evidence(pair);
      KVSWARM_ASSIGN_OR_RETURN(pair.receipt, decode_receipt(receipt));
      return Evidence(std::move(pair));
    }
    case 4: {
      const BytesView refusal = in.prefixed(kSignedRefusalBytes);
      RefusalAgainstDocument out;
      if (!in.ok()) return Evidence(out);
      KVSWARM_ASSIGN_OR_RETURN(out.refusal, decode_signed_refusal(refusal));
      return Evidence(std::move(out));
    }
    case 5: {
      TwoDocuments out;
      for (TwoDocuments::Text* text : {&out.first, &out.second}) {
        text->document = read_document(in);
        text->json = Bytes(in.prefixed(limits::kEvidenceTextBytes));
      }
      if (out.first.document.hash >= out.second.document.hash) in.fail();
      return Evidence(std::move(out));
    }
    case 6: return read_transition(in);
    case 0: in.fail(); return Evidence();
    default: return newer();
  }
}

}  // namespace

Bytes encode(const Saved& saved) {
  codec::Writer out;
  constexpr std::uint8_t kKinds[] = {kReceipt, kEvidence, kRead};  // in the order of the variant
  out.raw(kMagic).u8(kKinds[saved.body.index()]).u8(kFormatVersion).fixed(saved.swarm);
  std::visit([&out](const auto& body) { write_body(body, out); }, saved.body);
  return out.take();
}

Result<Saved> decode_saved(BytesView bytes) {
  if (bytes.size() > limits::kSavedBytes) return corrupt("a saved proof is too long");
  codec::Reader in(bytes);
  if (in.raw(kMagic.size()) != kMagic)
    return corrupt("not a file that kvswarm saved (a receipt, a read or evidence)");
  const std::uint8_t kind = in.u8();
  const std::uint8_t version = in.u8();
  if (kind == 0 || version == 0) return corrupt("saved proof is malformed");
  if (kind > kRead || version > kFormatVersion) return newer();
  Saved out;
  out.swarm = in.fixed<SwarmId>();
  if (kind == kReceipt) {
    SavedReceipt receipt;
    KVSWARM_ASSIGN_OR_RETURN(receipt.entries, read_entries(in, false));
    out.body = std::move(receipt);
  } else if (kind == kRead) {
    out.body = read_read(in);
  } else {
    KVSWARM_ASSIGN_OR_RETURN(out.body, read_evidence(in));
  }
  KVSWARM_RETURN_IF_ERROR(in.finish("saved proof"));
  return out;
}

}  // namespace kvswarm::log
