#include <string>

#include "net/network.h"
#include "support/catch.h"

namespace kvswarm::net {
namespace {

TEST_CASE("an endpoint is a host and a port, and is written as it was read") {
  const auto one = Endpoint::parse("example.org:4711");
  REQUIRE(one.ok());
  CHECK(one->host == "example.org");
  CHECK(one->port == 4711);
  const auto six = Endpoint::parse("[fe80::1%eth0]:1");
  REQUIRE(six.ok());
  CHECK(six->host == "fe80::1%eth0");
  for (const char* text : {"a:1", "127.0.0.1:65535", "[::1]:80", "my_host-2.local:9"}) {
    CHECK(Endpoint::parse(text)->to_string() == text);
  }
}

TEST_CASE("anything else is no endpoint") {
  const std::string long_name(254, 'a');
  for (const std::string& text : {std::string(""),
                                  std::string(":"),
                                  std::string("host"),
                                  std::string("host:"),
                                  std::string(":80"),
                                  std::string("host:0"),
                                  std::string("host:080"),
                                  std::string("host:+1"),
                                  std::string("host:65536"),
                                  std::string("host:99999999999999999999"),
                                  std::string("host:8x"),
                                  std::string("host: 8"),
                                  std::string("::1:80"),
                                  std::string("[]:80"),
                                  std::string("[::1:80"),
                                  std::string("[host]:80"),
                                  std::string("[1.2.3.4]:80"),
                                  std::string("[::1%]:80"),
                                  std::string("ho st:80"),
                                  std::string("host\n:80"),
                                  std::string("host\0:80", 8),
                                  std::string("a@b:80"),
                                  long_name + ":80"}) {
    INFO(text);
    CHECK(Endpoint::parse(text).status().code() == StatusCode::usage);
  }
}

}  // namespace
}  // namespace kvswarm::net
