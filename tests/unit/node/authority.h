// A pair whose document takes the writer out and in again.
#pragma once

#include "node/grants.h"
#include "unit/node/pair.h"

namespace kvswarm::node {

struct Grants : Pair {
  // The next document, with or without the writer, in force at the storage node if `here`.
  void remove(bool here = true) {
    config::Changes changes;
    changes.remove_writers = {writer.key.id()};
    adopt(changes, here);
  }
  void add(bool here = true) {
    config::Changes changes;
    changes.add_writers = {writer.key.id()};
    adopt(changes, here);
  }
  void adopt(const config::Changes& changes, bool here) {
    document = document->updated(changes).value();
    known[document->number()] = {document->hash(), document->is_writer(writer.key.id())};
    if (here) REQUIRE(storage.ask(request::Adopt{*document}).status.ok());
  }
  // The storage node's refusal of this block, judged by the writer.
  Outbox::Refused judged(const log::SignedBlock& refused_block) {
    const BlockVerdict verdict = commit_one(refused_block);
    REQUIRE(verdict.refusal.has_value());
    return judged(*verdict.refusal, known);
  }
  Outbox::Refused judged(const log::SignedRefusal& refusal, const KnownDocuments& documents) {
    const StoreReply reply = writer.ask(request::Refuse{storage.key.id(), refusal, documents});
    REQUIRE(reply.status.ok());
    return std::get<reply::Refused>(reply.body).result;
  }
  void settle(const log::SignedBlock& block) {
    const reply::Committed reply = commit({block});
    REQUIRE(reply.items[0].receipt.has_value());
    auto record = log::decode_record(reply.items[0].receipt->record);
    REQUIRE(writer.ask(request::Settle{storage.key.id(), std::move(record).value()}).status.ok());
  }
  Outbox::RefusedOps refused_ops() {
    const StoreReply reply = writer.ask(request::CountRefused{{1, ~std::uint64_t{0}}});
    REQUIRE(reply.status.ok());
    return std::get<reply::RefusedCounted>(reply.body).ops;
  }
  std::size_t waiting() const { return writer.backend->queued().at(storage.key.id()).size(); }
  void tell_writer() { REQUIRE(writer.ask(request::Adopt{*document}).status.ok()); }
  // A block of one put, as the writer would sign it.
  log::SignedBlock block(std::uint64_t incarnation, std::uint64_t number, std::uint64_t op,
                         std::uint64_t signed_under, const Hash& previous = {}) const {
    log::BlockHeader header;
    header.swarm = document->swarm();
    header.writer = writer.key.id();
    header.destination = storage.key.id();
    header.incarnation = incarnation;
    header.number = number;
    header.previous = previous;
    header.document.number = signed_under;
    if (signed_under == document->number()) header.document.hash = document->hash();
    const Bytes encoded =
        log::encode(log::make_op(header.swarm, log::OpKind::put, op, "k", std::to_string(op)));
    return log::make_block(header, {{encoded, std::to_string(op), op}}, writer.key);
  }
  Hash hash_of(const log::SignedBlock& signed_block) const {
    return log::block_hash(document->swarm(), signed_block.header);
  }
  KnownDocuments known{{1, {document->hash(), true}}};
  std::uint64_t grant() { return grant_of(storage.disk, writer.key.id()).value(); }
  std::string value() {
    const Answer answer = read("k");
    return answer.entries.empty() ? "" : answer.entries.at(0).value;
  }
};

}  // namespace kvswarm::node
