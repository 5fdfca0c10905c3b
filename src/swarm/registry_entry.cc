#include "swarm/registry_entry.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>

#include "base/assert.h"
#include "base/limits.h"
#include "codec/reader.h"
#include "codec/writer.h"

namespace kvswarm::swarm {
namespace {

constexpr BytesView kEntryMagic = "kvsentry";
constexpr std::uint8_t kFormat = 1;

// The binary form, 4 or 16 bytes, of a numeric address in its canonical spelling.
std::optional<Bytes> parse_host(const std::string& host, int family) {
  unsigned char binary[sizeof(in6_addr)];
  if (inet_pton(family, host.c_str(), binary) != 1) return std::nullopt;
  char spelled[INET6_ADDRSTRLEN];
  if (inet_ntop(family, binary, spelled, sizeof spelled) == nullptr) return std::nullopt;
  if (host != spelled) return std::nullopt;
  return Bytes(reinterpret_cast<const char*>(binary), family == AF_INET ? 4 : 16);
}

bool is_port(const std::string& text) {
  if (text.empty() || text.size() > 5 || text[0] == '0') return false;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return false;
  }
  return std::stoul(text) <= 65535;
}

// The host of "host:port" or "[host]:port" in binary; nullopt unless all of it is canonical.
std::optional<Bytes> parse_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (text.size() > kRegistryAddressBytes || colon == std::string::npos) return std::nullopt;
  if (!is_port(text.substr(colon + 1))) return std::nullopt;
  const std::string host = text.substr(0, colon);
  if (host.size() < 2 || host.front() != '[') return parse_host(host, AF_INET);
  if (host.back() != ']') return std::nullopt;
  return parse_host(host.substr(1, host.size() - 2), AF_INET6);
}

bool is_loopback(const Bytes& host) {
  if (host.size() == 4) return host[0] == 127;
  return host == Bytes(15, '\0') + '\1';
}

bool is_of_an_interface(const Bytes& host) {
  ifaddrs* interfaces = nullptr;
  if (getifaddrs(&interfaces) != 0) return false;
  bool found = false;
  for (const ifaddrs* each = interfaces; each != nullptr && !found; each = each->ifa_next) {
    const sockaddr* address = each->ifa_addr;
    if (address == nullptr) continue;
    const void* binary = nullptr;
    if (address->sa_family == AF_INET && host.size() == 4) {
      binary = &reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
    } else if (address->sa_family == AF_INET6 && host.size() == 16) {
      binary = &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
    }
    found = binary != nullptr && std::memcmp(binary, host.data(), host.size()) == 0;
  }
  freeifaddrs(interfaces);
  return found;
}

}  // namespace

bool is_numeric_address(const std::string& text) { return parse_address(text).has_value(); }

bool is_local_address(const std::string& text) {
  const std::optional<Bytes> host = parse_address(text);
  return host && (is_loopback(*host) || is_of_an_interface(*host));
}

Bytes encode_registry_entry(const RegistryEntryBody& body, const crypto::SigningKey& key) {
  KVSWARM_ASSERT(key.id() == body.node);
  KVSWARM_ASSERT(!body.addresses.empty() && body.addresses.size() <= limits::kPeerAddresses);
  codec::Writer writer;
  writer.raw(kEntryMagic).u8(kFormat).fixed(body.swarm).fixed(body.node).u64(body.wall_ms);
  writer.varint(body.addresses.size());
  for (const std::string& address : body.addresses) {
    KVSWARM_ASSERT(is_numeric_address(address));
    writer.prefixed(address);
  }
  const Signature signature = key.sign(kRegistryPurpose, writer.bytes());
  return writer.fixed(signature).take();
}

Result<RegistryEntryBody> parse_registry_entry(BytesView bytes) {
  codec::Reader reader(bytes);
  if (reader.raw(kEntryMagic.size()) != kEntryMagic || reader.u8() != kFormat) reader.fail();
  RegistryEntryBody body;
  body.swarm = reader.fixed<SwarmId>();
  body.node = reader.fixed<NodeId>();
  body.wall_ms = reader.u64();
  const std::size_t count = reader.count(limits::kPeerAddresses, 1);
  if (count == 0) reader.fail();
  for (std::size_t i = 0; i < count; ++i) {
    std::string address(reader.prefixed(kRegistryAddressBytes));
    if (!is_numeric_address(address)) reader.fail();
    body.addresses.push_back(std::move(address));
  }
  const BytesView signed_bytes = bytes.substr(0, bytes.size() - reader.remaining());
  const auto signature = reader.fixed<Signature>();
  KVSWARM_RETURN_IF_ERROR(reader.finish("a registry entry"));
  if (!crypto::verify(body.node, kRegistryPurpose, signed_bytes, signature)) {
    return Status(StatusCode::corruption, "a registry entry is not signed by its node");
  }
  return body;
}

}  // namespace kvswarm::swarm
