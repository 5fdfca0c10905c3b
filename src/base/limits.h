// Every limit of the project, named with its unit, in one place (STYLE: each queue, loop, buffer
// and peer has one).
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvswarm::limits {

// Keys, values, blocks (DESIGN section 7)
inline constexpr std::size_t kKeyBytes = 4 * 1024;
inline constexpr std::size_t kValueBytes = 4 * 1024 * 1024;
inline constexpr std::size_t kOpExtensionBytes = 1024;
inline constexpr std::size_t kBlockOps = 4096;
inline constexpr std::size_t kBlockBodyBytes = 8 * 1024 * 1024;
inline constexpr std::size_t kValueChunkBytes = 64 * 1024;

// Documents (section 9)
inline constexpr std::size_t kDocumentBytes = 8 * 1024 * 1024;  // JSON text, below a message
inline constexpr std::size_t kDocumentDepth = 32;
inline constexpr std::uint64_t kCapacity = std::uint64_t{1} << 53;
inline constexpr std::uint64_t kDocumentNumber = std::uint64_t{1} << 53;
inline constexpr std::size_t kDocumentValues = 2 * 1024 * 1024;  // JSON values in all
inline constexpr std::size_t kExtDepth = 24;                     // of `ext` by itself
inline constexpr std::size_t kFractionDigits = 4096;             // of a numerator or denominator
inline constexpr std::size_t kAddressBytes = 262;                // "host:port"

// Records and heads (section 6)
inline constexpr std::size_t kRecordBlocks =
    256;  // keeps a record with all its exceptions below a message
inline constexpr std::size_t kOutcomeResultBytes = 64 * 1024;
inline constexpr std::size_t kRecordBytes = 16 * 1024 * 1024;
inline constexpr std::size_t kMerkleProofHashes = 128;
inline constexpr std::size_t kHoldRows = 65536;

// The state and its proofs (section 6)
inline constexpr std::size_t kProofBytes = 1024 * 1024;
inline constexpr std::size_t kQuestionIntervals = 1024;
inline constexpr std::size_t kQuestionLeaves = 1024;  // the most that a question's limit can be
inline constexpr std::size_t kBucketLeaves = 128;     // between two places kept in memory
inline constexpr std::uint64_t kStateMemoryBytes = 256ULL * 1024 * 1024;  // its tree, by default

// Swarm (section 8; promises F3 and F4)
inline constexpr std::size_t kHandshakeBytes = 16 * 1024;
inline constexpr std::uint64_t kHandshakeMs = 5000;
inline constexpr std::size_t kRecordPlaintextBytes = 16 * 1024;
inline constexpr std::uint64_t kKeepAliveMs = 10'000;
inline constexpr std::uint64_t kDeadPeerMs = 30'000;
inline constexpr std::uint64_t kRekeyMessages = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kRekeyBytes = std::uint64_t{1} << 30;
inline constexpr std::uint64_t kRekeyMs = 120'000;
inline constexpr std::size_t kMessageBytes = 9 * 1024 * 1024;      // from a listed peer
inline constexpr std::size_t kUnlistedMessageBytes = 1024 * 1024;  // from any other
inline constexpr std::size_t kReassemblyBytes = 64 * 1024 * 1024;  // the whole node; half: unlisted
inline constexpr std::size_t kPeerReassemblyBytes = 16 * 1024 * 1024;  // of it, per peer
inline constexpr std::size_t kInitialCreditBytes = 64 * 1024;  // per lane: part of the protocol
inline constexpr std::size_t kUnlistedWindowBytes = kInitialCreditBytes;  // in, per peer and lane
inline constexpr std::size_t kWindowBytes = 256 * 1024;                   // the same, listed
inline constexpr std::size_t kBlocksWindowBytes = 1024 * 1024;  // the same, blocks and movement
inline constexpr std::uint64_t kLeastBytesPerSecond = 1000;     // of a message once it has begun
inline constexpr std::uint64_t kUnreadMs = 30'000;  // behind that: a peer that does not read
inline constexpr std::size_t kUnlistedQueueBytes = 1024 * 1024;     // out, per unlisted peer
inline constexpr std::size_t kListedQueueBytes = 32 * 1024 * 1024;  // out, per listed peer
inline constexpr std::size_t kUnlistedRequests = 64;                // in flight, per peer
inline constexpr std::size_t kListedRequests = 4096;                // in flight, per peer
inline constexpr std::size_t kPeerReadsInStore = 4;  // requests, per listed peer; 1 of any other
inline constexpr std::size_t kUnlistedInStore = 4;   // reads, and blocks of a commit: all of them
inline constexpr std::size_t kUnlistedQueuesBytes = 64 * 1024 * 1024;  // out, all of them
inline constexpr std::size_t kUnauthenticated = 128;  // inbound connections, per node
inline constexpr std::size_t kConnections = 512;      // authenticated or dialled, per node
inline constexpr std::size_t kUnlistedConnections = kConnections / 2;  // of them
inline constexpr std::size_t kPeerConnections = 4;  // of one peer, until hellos say which one stays
inline constexpr std::size_t kSocketQueueBytes = 256 * 1024;  // handed to the kernel ahead
inline constexpr std::uint64_t kReconnectMinMs = 100;
inline constexpr std::uint64_t kReconnectMaxMs = 10'000;
inline constexpr std::uint64_t kOwnLookUpMs = 10'000;  // between looks for another one of us
inline constexpr std::uint64_t kAskMs = 2000;   // for what peers have seen of us, before signing
inline constexpr std::size_t kPeersAsked = 64;  // for that, at once
inline constexpr std::size_t kRegistryEntries = 256;
inline constexpr std::size_t kRegistryEntryBytes = 4096;
inline constexpr std::size_t kPeerAddresses = 8;
inline constexpr std::size_t kRememberedPeers = 1024;  // with addresses from the registry
inline constexpr std::size_t kKeptConnections = 64;    // that `connect` keeps to storage nodes
inline constexpr std::size_t kRecentHeads = 256;       // remembered per storage node
inline constexpr std::size_t kProblems = 20;           // shown by status

// Delivery (section 7)
inline constexpr std::size_t kBlocksInFlight = 8;               // per destination
inline constexpr std::size_t kBytesInFlight = 8 * 1024 * 1024;  // per destination
// Blocks of one writer that wait for a commit here: its window and the largest message beside it.
inline constexpr std::size_t kUnappliedBytes = kBlocksWindowBytes + kMessageBytes;
inline constexpr std::size_t kPlacedBytes = 16 * 1024 * 1024;  // ops that waited, in one batch
inline constexpr std::size_t kCommitBytes = 32 * 1024 * 1024;  // blocks that share a commit
inline constexpr std::uint64_t kRetentionMs = 7ULL * 24 * 3600 * 1000;
inline constexpr std::uint64_t kRetentionBytes = 256ULL * 1024 * 1024;  // per destination
inline constexpr std::uint64_t kFreeDiskBytes = 512ULL * 1024 * 1024;
inline constexpr std::uint64_t kFreeDiskPercent = 5;
inline constexpr std::uint64_t kRoomToOpenBytes = 1024 * 1024;  // beside what the logs hold
inline constexpr std::size_t kOverlayBytes = 64 * 1024 * 1024;  // to open a store on a full disk
inline constexpr std::size_t kSyncedFileBytes = 4096;       // notes of what was synced; then anew
inline constexpr std::size_t kCachedRecordBlocks = 65'536;  // names of blocks kept in memory
inline constexpr std::size_t kSweepRows = 4096;             // looked at in one step
inline constexpr std::uint64_t kSweepBytes = 32ULL * 1024 * 1024;  // of block rows; then a sweep
inline constexpr std::uint64_t kOverwrittenBytes = 8ULL * 1024 * 1024;  // of rows; then a sweep
inline constexpr std::size_t kMergePlaces = 128;                        // asked about in one step
inline constexpr std::uint64_t kMergePauseMs = 20;                      // between two steps
inline constexpr std::uint64_t kMergeStepsInVain = 500;                 // then it is left alone
inline constexpr std::size_t kRefusedOpsListed = 100;  // in one answer; all are counted

// Saved proofs and evidence (promises F1, C3, A4)
inline constexpr std::size_t kSavedBytes = 60 * 1024 * 1024;  // one file; below a control frame
inline constexpr std::size_t kReceiptRowsRead = 200'000;      // to find the receipts of one file
inline constexpr std::size_t kSavedEntries = 65536;           // records in one receipt file
// One piece of evidence: a message takes it, and it takes every op of a block of any size.
inline constexpr std::size_t kEvidenceBytes = 35 * 256 * 1024;
inline constexpr std::size_t kEvidenceKeptBytes = 32 * 1024 * 1024;     // of the larger ones
inline constexpr std::size_t kEvidencePerNodeBytes = 16 * 1024 * 1024;  // of these about one node
inline constexpr std::size_t kEvidenceTextBytes = 15 * 1024;            // a document's text in one
inline constexpr std::size_t kEvidence = 1000;                          // pieces kept by one node
inline constexpr std::size_t kEvidencePerNode = 32;                     // of these about one node
inline constexpr std::size_t kEvidenceSent = 32;                        // pieces in one message
inline constexpr std::size_t kEvidenceSentBytes = 32 * 1024;  // of one; larger ones are asked for
inline constexpr std::size_t kEvidenceAsked = 4;              // of the larger ones, per connection
inline constexpr std::size_t kHeadsSent = 32;                 // of other nodes, in one message
inline constexpr std::size_t kHeadHints = 16;  // heads that third parties told, per node
inline constexpr std::size_t kEvidenceMessageBytes = 256 * 1024;
inline constexpr std::uint64_t kReceiptsPerCheck = 16;  // of which a writer checks an op, at random
inline constexpr std::uint64_t kCheckMs = 10'000;       // for that; then it is let go
inline constexpr std::size_t kAuditWriters = 65536;     // of one log that is checked
inline constexpr std::size_t kAuditOps = 64;            // looked at in one step of an audit
// Leaves of an audited state that are held at once; for more its log is read several times.
inline constexpr std::size_t kAuditLeaves = 500'000;
inline constexpr std::size_t kAuditRepeats = 3;  // of a state that changes while it is read
inline constexpr std::size_t kCheckRows = 256;   // receipts read to show that a key is missing
inline constexpr std::size_t kCheckBytes = 64 * 1024 * 1024;  // of blocks, likewise

// Reads
inline constexpr std::size_t kScanPageBytes = 512 * 1024;
inline constexpr std::size_t kScanPageEntries = 1023;   // below kQuestionLeaves
inline constexpr std::size_t kCheckedHeaders = 1024;    // of blocks, whose signatures are known
inline constexpr std::size_t kPastDocuments = 512;      // kept in memory
inline constexpr std::uint64_t kReadFetches = 256;      // documents fetched for one read
inline constexpr std::uint64_t kClockAheadMs = 60'000;  // of a holder, before ours; with --max-age

// Library (section 11)
inline constexpr std::size_t kWriteCacheBytes = 64 * 1024 * 1024;  // put and not yet flushed

// Local surface (section 10)
inline constexpr std::size_t kControlFrameBytes = 64 * 1024 * 1024;
inline constexpr std::size_t kControlGreetingBytes = 256;  // a frame before the greeting is over
inline constexpr std::size_t kControlClients = 64;
inline constexpr std::size_t kControlOps = 1'000'000;  // of one write
inline constexpr std::uint64_t kDirectoryWaitMs = 10'000;
inline constexpr std::size_t kBackups = 2;  // being taken at once, of one directory
inline constexpr std::size_t kBackupPartBytes = 1024 * 1024;        // read of the store at once
inline constexpr std::uint64_t kBackupIdleMs = 60'000;              // then it is given up
inline constexpr std::size_t kBackupKeyBytes = 256;                 // of a row of the store
inline constexpr std::size_t kBackupValueBytes = 32 * 1024 * 1024;  // likewise

}  // namespace kvswarm::limits
