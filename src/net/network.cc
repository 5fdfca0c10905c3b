#include "net/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>

namespace kvswarm::net {
namespace {

constexpr std::size_t kHostNameBytes = 253;  // RFC 1035, as text without the final dot
constexpr std::size_t kScopeBytes = 15;      // IF_NAMESIZE, less its final zero

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_';
}

bool is_name(std::string_view text, std::size_t most_bytes) {
  return !text.empty() && text.size() <= most_bytes &&
         std::all_of(text.begin(), text.end(), is_name_character);
}

// An IPv6 address with or without %scope.
bool is_ipv6(std::string_view text) {
  const std::size_t percent = text.find('%');
  if (percent != std::string_view::npos && !is_name(text.substr(percent + 1), kScopeBytes)) {
    return false;
  }
  in6_addr address{};
  return ::inet_pton(AF_INET6, std::string(text.substr(0, percent)).c_str(), &address) == 1;
}

std::uint16_t parse_port(std::string_view text) {
  if (text.empty() || text.front() == '0') return 0;
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, port);
  return error == std::errc() && stopped == end ? port : 0;
}

}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view text) {
  const Status malformed(StatusCode::usage, "not a host:port: " + std::string(text.substr(0, 300)));
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return malformed;
  std::string_view host = text.substr(0, colon);
  const std::uint16_t port = parse_port(text.substr(colon + 1));
  if (port == 0) return malformed;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (!is_ipv6(host)) return malformed;
  } else if (!is_name(host, kHostNameBytes)) {
    return malformed;
  }
  return Endpoint{std::string(host), port};
}

std::string Endpoint::to_string() const {
  const bool brackets = host.find(':') != std::string::npos;
  return (brackets ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace kvswarm::net
