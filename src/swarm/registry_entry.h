// The bytes of an entry of the local registry (docs/formats/registry.md), and which addresses may
// stand in one. Pure but for is_local_address, which asks the system for its interfaces.
// Thread: any.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "crypto/keys.h"

namespace kvswarm::swarm {

inline constexpr std::size_t kRegistryAddressBytes = 64;

// Context of the signature.
inline constexpr crypto::Purpose kRegistryPurpose{"kvswarm registry"};

struct RegistryEntryBody {
  SwarmId swarm;
  NodeId node;
  std::uint64_t wall_ms = 0;
  std::vector<std::string> addresses;  // 1 to limits::kPeerAddresses, numeric host:port

  friend bool operator==(const RegistryEntryBody&, const RegistryEntryBody&) = default;
};

// Signed by `key`, whose id must be body.node (asserted), as must the bounds on addresses.
Bytes encode_registry_entry(const RegistryEntryBody& body, const crypto::SigningKey& key);

// `corruption` for anything but a well-formed entry with a good signature.
Result<RegistryEntryBody> parse_registry_entry(BytesView bytes);

// Whether `text` is a numeric host and port in the one spelling that the format allows.
bool is_numeric_address(const std::string& text);

// Whether `text` is_numeric_address, and its host loopback or an interface of this machine.
bool is_local_address(const std::string& text);

}  // namespace kvswarm::swarm
