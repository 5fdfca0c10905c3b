// Mistakes that are made on purpose, one at a time, to see that the simulator finds them
// (docs/SIMULATION.md).
//
// Only a build with the CMake option KVSWARM_PLANTED_BUGS has them; in every other one, and so in
// every release, is_planted() is the constant false and the compiler drops what stands behind it.
// Thread: planted_bug is set before any other thread is started.
#pragma once

#include <array>
#include <string_view>

namespace kvswarm {

enum class PlantedBug {
  none,
  unsynced_flush,     // a flush returns before its ops are synced
  repeated_number,    // the number of the next op lags behind on the disk
  early_receipt,      // a write counts as receipted as soon as it stands in blocks
  skipped_refill,     // a refill leaves out the first block that the destination lost
  silent_copy,        // an older copy of a directory goes on, whatever its peers have seen
  older_answer,       // a reader takes answers from before a head that it was shown
  unchecked_value,    // a reader does not compare the value with what the writer signed
  unproven_absence,   // a reader believes "not found" without a proof
  older_document,     // a node adopts a document that is older than the one in force
  unsynced_document,  // a node that only writes or reads does not sync a document that it adopts
  lost_refusal,       // which ops a node refused for good is not stored
  ignored_reopen,     // what a failed write left on the disk is not sent
  deaf_session,       // a connection on which nothing comes any more is kept
  any_order,          // a storage node applies blocks as they come, again and after gaps
  unlisted_writer,    // a storage node applies blocks of writers that its document does not list
  earlier_grant,      // a storage node applies blocks signed before the writer was taken away
  skipped_op,         // a storage node leaves out the last op of a block, and says it applied it
  kept_key,           // a storage node says that it deleted a key, and keeps it
  unsynced_commit,    // a storage node gives receipts before the commit is synced
  unsynced_store,     // LevelDB is never told to sync
  foreign_number,     // a storage node compares op numbers of different writers
  home_writes,        // a storage node applies the ops that it writes, whoever holds their keys
  separate_cursor,    // a storage node writes the cursors of its streams after the commit
  swapped_proof,      // two bytes of each proof of an answer change places
  forgotten_receipt,  // a reader that is given a receipt takes answers from before it
  ignored_error,      // a flush that the disk failed says that its ops are durable
  same_epoch,         // a storage node that is restored goes on in its old epoch
  early_sweep,        // a storage node sweeps blocks whose keys live
  kept_rival,         // both connections of two nodes that dial each other are kept
  one_key,            // a session encrypts both directions with the same key
  uncounted_delete,   // a storage node's head counts the bytes of deleted keys
  endless_read,       // a read that waits for a connection has no deadline
  blind_restore,      // a restore looks for lost blocks only, not for lost records
  seen_epoch,         // whether a node was restored since a receipt is asked of what was seen of it
  grants_in_force,    // grants follow the document in force, not the one that the log has last
  endless_handshake,  // who does not end the handshake is not sent away
  early_head,         // a storage node tells the head of the commit that it is about to write
  unsynced_placing,   // a writer sends blocks that it made of waiting ops before they are synced
  kept_handle,        // a disk on which a write failed is written to again, unless it is full
  stopped_reads,      // a storage node answers no reads while it cannot write
  last_room,          // a storage node takes new blocks when there is no room left for them
  taken_for_later,    // who checks a state takes an earlier op in it for a later one
  trusted_absence,    // an audit takes a missing key for one that was deleted later
  foreign_receipt,    // a writer takes a receipt for another block than its own
  other_key,          // a reader takes an answer for another key than it asked for
  outside_holds,      // a reader takes an answer about a key that the head's holds lack
  unproven_extension,  // a new head is believed without proof that it extends the old one
  unkept_fork,         // two heads that contradict each other are not kept
  unsigned_refusal,    // a refusal is believed without its signature
  any_answer,          // a reader takes answers from any node
  any_error,           // an error that any node tells ends a read
  stale_freshness,     // a reader does not check that the head was said to be the newest
  many_connections,    // of one node any number of connections is kept until it says hello
};

struct PlantedBugName {
  std::string_view name;
  std::string_view promise;  // that it breaks, and whose check must find it
  PlantedBug bug = PlantedBug::none;
};
inline constexpr std::array<PlantedBugName, 53> kPlantedBugs{{
    {"unsynced_flush", "D1", PlantedBug::unsynced_flush},
    {"repeated_number", "D1", PlantedBug::repeated_number},
    {"early_receipt", "R1", PlantedBug::early_receipt},
    {"skipped_refill", "D1", PlantedBug::skipped_refill},
    {"silent_copy", "F1", PlantedBug::silent_copy},
    {"older_answer", "R3", PlantedBug::older_answer},
    {"unchecked_value", "A2", PlantedBug::unchecked_value},
    {"unproven_absence", "A3", PlantedBug::unproven_absence},
    {"older_document", "C3", PlantedBug::older_document},
    {"unsynced_document", "C3", PlantedBug::unsynced_document},
    {"lost_refusal", "D1", PlantedBug::lost_refusal},
    {"ignored_reopen", "D1", PlantedBug::ignored_reopen},
    {"deaf_session", "R4", PlantedBug::deaf_session},
    {"any_order", "X1", PlantedBug::any_order},
    {"unlisted_writer", "A1", PlantedBug::unlisted_writer},
    {"earlier_grant", "A1", PlantedBug::earlier_grant},
    {"skipped_op", "X2", PlantedBug::skipped_op},
    {"kept_key", "X2", PlantedBug::kept_key},
    {"unsynced_commit", "D2", PlantedBug::unsynced_commit},
    {"unsynced_store", "D2", PlantedBug::unsynced_store},
    {"foreign_number", "X3", PlantedBug::foreign_number},
    {"home_writes", "X4", PlantedBug::home_writes},
    {"separate_cursor", "X2", PlantedBug::separate_cursor},
    {"swapped_proof", "R4", PlantedBug::swapped_proof},
    {"forgotten_receipt", "R2", PlantedBug::forgotten_receipt},
    {"ignored_error", "D1", PlantedBug::ignored_error},
    {"same_epoch", "F1", PlantedBug::same_epoch},
    {"early_sweep", "R4", PlantedBug::early_sweep},
    {"kept_rival", "resources", PlantedBug::kept_rival},
    {"one_key", "nonces", PlantedBug::one_key},
    {"uncounted_delete", "X2", PlantedBug::uncounted_delete},
    {"endless_read", "R4", PlantedBug::endless_read},
    {"blind_restore", "F1", PlantedBug::blind_restore},
    {"seen_epoch", "R2", PlantedBug::seen_epoch},
    {"grants_in_force", "A1", PlantedBug::grants_in_force},
    {"endless_handshake", "F3", PlantedBug::endless_handshake},
    {"early_head", "D2", PlantedBug::early_head},
    {"unsynced_placing", "D2", PlantedBug::unsynced_placing},
    {"kept_handle", "D4", PlantedBug::kept_handle},
    {"stopped_reads", "D4", PlantedBug::stopped_reads},
    {"last_room", "D4", PlantedBug::last_room},
    {"taken_for_later", "A4", PlantedBug::taken_for_later},
    {"trusted_absence", "A4", PlantedBug::trusted_absence},
    {"foreign_receipt", "A4", PlantedBug::foreign_receipt},
    {"other_key", "A2", PlantedBug::other_key},
    {"outside_holds", "A3", PlantedBug::outside_holds},
    {"unproven_extension", "F1", PlantedBug::unproven_extension},
    {"unkept_fork", "F1", PlantedBug::unkept_fork},
    {"unsigned_refusal", "F1", PlantedBug::unsigned_refusal},
    {"any_answer", "R4", PlantedBug::any_answer},
    {"any_error", "R4", PlantedBug::any_error},
    {"stale_freshness", "A2", PlantedBug::stale_freshness},
    {"many_connections", "F4", PlantedBug::many_connections},
}};

#ifdef KVSWARM_PLANTED_BUGS
inline PlantedBug planted_bug = PlantedBug::none;
inline bool is_planted(PlantedBug bug) { return bug == planted_bug; }
#else
constexpr bool is_planted(PlantedBug) { return false; }
#endif

}  // namespace kvswarm
