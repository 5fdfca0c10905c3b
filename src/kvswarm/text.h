// Small pieces of what the facade says to people and programs. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvswarm {

std::string utc(std::uint64_t wall_ms);                        // "2023-11-14 22:13:20 UTC"
std::string shown_key(std::string_view key);                   // quoted, or in base64
std::string count(std::uint64_t number, const char* thing);    // "1 key", "2 keys"
std::string json_list(const std::vector<std::string>& items);  // of JSON texts

}  // namespace kvswarm
