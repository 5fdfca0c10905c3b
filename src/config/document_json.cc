// Documents from and to JSON trees. What is judged first matters: `format` and `needs` come before
// unknown members, so that a newer document is called newer and not wrong.
#include <algorithm>
#include <array>

#include "base/limits.h"
#include "config/document_parts.h"
#include "config/json.h"
#include "config/ring_fraction.h"

namespace kvswarm::config {
namespace {

using slicing::Measure;

Status newer(std::string message) { return {StatusCode::newer_version, std::move(message)}; }

// The member, or nullptr when it is absent or null.
const JsonValue* given(const JsonValue& tree, std::string_view name) {
  const JsonValue* value = tree.find(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool is_original_form(const JsonValue& tree) {
  return tree.as_object()->size() == 2 && tree.find("writers") != nullptr &&
         tree.find("bins") != nullptr;
}

Status check_format_and_needs(const JsonValue& tree) {
  const JsonValue* format = tree.find("format");
  if (format == nullptr) return usage("no member `format`: not a document of kvswarm");
  if (format->as_unsigned() != kDocumentFormat) {
    const bool is_number = format->as_unsigned().has_value();
    return is_number ? newer("`format` " + std::to_string(*format->as_unsigned()) +
                             " is not supported by this version")
                     : usage("`format` is not an integer");
  }
  const JsonValue* needs = tree.find("needs");
  if (needs == nullptr) return {};
  if (needs->as_array() == nullptr) return usage("`needs` is not an array");
  for (const JsonValue& feature : *needs->as_array()) {
    if (feature.as_string() == nullptr) return usage("`needs` holds something that is no string");
    return newer("needs the feature " + shown_name(*feature.as_string()) +
                 ", which this version does not know");
  }
  return {};
}

Status check_members(const JsonValue& tree) {
  static constexpr std::array<std::string_view, 15> kKnown = {
      "addresses", "admins", "bins",     "ext",     "format", "lost",       "needs",  "number",
      "origin",    "random", "previous", "readers", "swarm",  "signatures", "writers"};
  for (const JsonMember& member : *tree.as_object()) {
    if (std::find(kKnown.begin(), kKnown.end(), member.name) == kKnown.end()) {
      return usage("unknown member " + shown_name(member.name));
    }
  }
  for (const char* reserved : {"lost", "admins", "signatures"}) {
    const JsonValue* value = tree.find(reserved);
    if (value != nullptr && (value->as_array() == nullptr || !value->as_array()->empty())) {
      return newer(std::string("`") + reserved + "` is not supported by this version");
    }
  }
  for (const char* required : {"number", "writers", "bins"}) {
    if (tree.find(required) == nullptr) return usage(std::string("no member `") + required + "`");
  }
  return {};
}

template <class Fixed>
Result<Fixed> read_hex(const JsonValue& value, const char* what) {
  const std::string* digits = value.as_string();
  const auto bytes = digits == nullptr ? std::nullopt : fixed_from_hex<Fixed>(*digits);
  if (bytes) return *bytes;
  return usage(std::string(what) + " is not " + std::to_string(Fixed::kSize * 2) +
               " lower-case hex digits" + (digits == nullptr ? "" : ": " + shown_name(*digits)));
}

Result<NodeId> read_id(std::string_view digits) {
  return read_hex<NodeId>(JsonValue(digits), "an id");
}

Result<std::vector<NodeId>> read_ids(const JsonValue& value, bool is_writers) {
  if (value.as_array() == nullptr) return usage("not an array");
  std::vector<NodeId> ids;
  for (const JsonValue& item : *value.as_array()) {
    if (is_writers && item.as_object() != nullptr) {
      return newer("a writer as an object is not supported by this version");
    }
    KVSWARM_ASSIGN_OR_RETURN(const auto id, read_hex<NodeId>(item, "an id"));
    ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  const auto twice = std::adjacent_find(ids.begin(), ids.end());
  if (twice != ids.end()) return usage(to_hex(*twice) + " stands twice");
  return ids;
}

Result<Measure> read_bound(const JsonValue& value) {
  const JsonValue::Array* pair = value.as_array();
  const bool is_pair = pair != nullptr && pair->size() == 2 && (*pair)[0].as_string() != nullptr &&
                       (*pair)[1].as_string() != nullptr;
  if (!is_pair) return usage("a bound is not a pair of decimal strings");
  return nearest_bound(*(*pair)[0].as_string(), *(*pair)[1].as_string());
}

Status read_slice(const JsonValue& value, const NodeId& owner, std::vector<slicing::Slice>& out) {
  const JsonValue::Array* bounds = value.as_array();
  if (bounds == nullptr || bounds->size() != 2) return usage("a slice is not a pair of bounds");
  KVSWARM_ASSIGN_OR_RETURN(const Measure begin, read_bound((*bounds)[0]));
  KVSWARM_ASSIGN_OR_RETURN(const Measure end, read_bound((*bounds)[1]));
  if (begin > end) return usage("a slice ends before it begins");
  if (begin == end) return {};  // empty once its bounds are points
  slicing::Slice slice;
  slice.first = static_cast<slicing::Point>(begin);
  slice.last = static_cast<slicing::Point>(end - 1);
  slice.owner = owner;
  out.push_back(slice);
  return {};
}

Status read_bin(const NodeId& id, const JsonValue& bin, slicing::Capacities& capacities,
                std::vector<slicing::Slice>& slices) {
  if (bin.as_object() == nullptr) return usage("not an object");
  for (const JsonMember& member : *bin.as_object()) {
    if (member.name != "size" && member.name != "slices") {
      return usage("unknown member " + shown_name(member.name));
    }
  }
  const JsonValue* size = bin.find("size");
  if (size == nullptr) return usage("no member `size`");
  const auto capacity = size->as_unsigned();
  if (!capacity || *capacity > limits::kCapacity) {
    return usage("`size` is not an integer from 0 to 2^53");
  }
  capacities[id] = *capacity;
  const JsonValue* list = bin.find("slices");
  if (list == nullptr || list->as_array() == nullptr) return usage("`slices` is not an array");
  for (const JsonValue& slice : *list->as_array()) {
    KVSWARM_RETURN_IF_ERROR(read_slice(slice, id, slices));
  }
  return {};
}

Result<slicing::SliceMap> read_bins(const JsonValue& bins) {
  if (bins.as_object() == nullptr) return usage("not an object");
  slicing::Capacities capacities;
  std::vector<slicing::Slice> slices;
  for (const JsonMember& bin : *bins.as_object()) {
    KVSWARM_ASSIGN_OR_RETURN(const auto id, read_id(bin.name));
    KVSWARM_RETURN_IF_ERROR(
        read_bin(id, bin.value, capacities, slices).with_context(short_hex(id)));
  }
  KVSWARM_RETURN_IF_ERROR(check_capacities(capacities));
  return slicing::SliceMap::from_slices(std::move(capacities), std::move(slices));
}

// Form only: printable ASCII host, IPv6 in brackets, port from 1 to 65535.
bool is_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (text.size() > limits::kAddressBytes || colon == std::string_view::npos || colon == 0) {
    return false;
  }
  const std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const auto is_graphic = [](char c) { return c > ' ' && c < '\x7f'; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!std::all_of(host.begin(), host.end(), is_graphic)) return false;
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (host.find(':') != std::string_view::npos && !bracketed) return false;
  if (port.empty() || port.size() > 5 || port.front() == '0') return false;
  return std::all_of(port.begin(), port.end(), is_digit) && std::stoul(std::string(port)) <= 65535;
}

Result<std::vector<std::string>> read_address_list(const JsonValue& list) {
  const JsonValue::Array* items = list.as_array();
  if (items == nullptr || items->empty() || items->size() > limits::kPeerAddresses) {
    return usage("not an array of 1 to " + std::to_string(limits::kPeerAddresses) + " addresses");
  }
  std::vector<std::string> out;
  for (const JsonValue& item : *items) {
    if (item.as_string() == nullptr) return usage("an address is not a string");
    const std::string& address = *item.as_string();
    if (!is_address(address)) return usage(shown_name(address) + " is not host:port");
    if (std::find(out.begin(), out.end(), address) != out.end()) {
      return usage(shown_name(address) + " stands twice");
    }
    out.push_back(address);
  }
  return out;
}

Status read_addresses(const JsonValue& tree, DocumentParts& parts) {
  const JsonValue* value = tree.find("addresses");
  if (value == nullptr) return {};
  if (value->as_object() == nullptr) return usage("not an object");
  for (const JsonMember& member : *value->as_object()) {
    KVSWARM_ASSIGN_OR_RETURN(const auto id, read_id(member.name));
    auto list = read_address_list(member.value);
    if (!list.ok()) return list.status().with_context(short_hex(id));
    parts.addresses[id] = std::move(list).value();
  }
  return {};
}

Status read_ext(const JsonValue& tree, DocumentParts& parts) {
  const JsonValue* ext = tree.find("ext");
  if (ext == nullptr) return {};
  if (ext->depth() > limits::kExtDepth) {
    return usage("`ext` is nested deeper than " + std::to_string(limits::kExtDepth));
  }
  parts.ext = *ext;
  return {};
}

Status read_writers_and_bins(const JsonValue& tree, DocumentParts& parts) {
  auto writers = read_ids(*tree.find("writers"), true);
  if (!writers.ok()) return writers.status().with_context("writers");
  parts.writers = std::move(writers).value();
  auto map = read_bins(*tree.find("bins"));
  if (!map.ok()) return map.status().with_context("bins");
  parts.map = std::move(map).value();
  return {};
}

// number, random, origin, previous: which document of which swarm it is.
Status read_lineage(const JsonValue& tree, DocumentParts& parts) {
  const auto number = tree.find("number")->as_unsigned();
  if (!number || *number == 0 || *number > limits::kDocumentNumber) {
    return usage("`number` is not an integer from 1 to 2^53");
  }
  parts.number = *number;
  const JsonValue* random = tree.find("random");
  const JsonValue* origin = given(tree, "origin");
  const JsonValue* previous = given(tree, "previous");
  if (parts.number == 1) {
    if (origin != nullptr) return usage("document 1 has no `origin`");
    if (previous != nullptr) return usage("document 1 has no `previous`");
    if (random == nullptr) return usage("no member `random`, which document 1 has");
    KVSWARM_ASSIGN_OR_RETURN(parts.random, read_hex<DocumentRandom>(*random, "`random`"));
    return {};
  }
  if (random != nullptr) return usage("only document 1 has a member `random`");
  if (origin == nullptr) return usage("no member `origin`, which all but document 1 have");
  if (previous == nullptr) return usage("no member `previous`, which all but document 1 have");
  KVSWARM_ASSIGN_OR_RETURN(parts.previous, read_hex<Hash>(*previous, "`previous`"));
  // Asked before reading it, so that origins within origins are not followed.
  const JsonValue* origin_number = origin->find("number");
  if (origin_number != nullptr && origin_number->as_unsigned() != 1) {
    return {StatusCode::corruption, "`origin` is not a document 1"};
  }
  auto first = parts_from_json(*origin);
  if (!first.ok()) return first.status().with_context("origin");
  parts.origin = std::move(first).value();
  if (parts.number == 2 && parts.previous != parts.origin->hash) {
    return {StatusCode::corruption, "`previous` of document 2 is not the hash of `origin`"};
  }
  return {};
}

JsonValue ids_to_json(const std::vector<NodeId>& ids) {
  JsonValue out = JsonValue::array();
  for (const NodeId& id : ids) out.push(to_hex(id));
  return out;
}

JsonValue bound_to_json(Measure bound) {
  RingFraction fraction = lowest_terms(bound);
  return JsonValue::array({std::move(fraction.numerator), std::move(fraction.denominator)});
}

JsonValue bins_to_json(const slicing::SliceMap& map) {
  std::map<NodeId, JsonValue::Array> lists;
  for (const slicing::Slice& slice : map.slices()) {
    lists[slice.owner].push_back(JsonValue::array(
        {bound_to_json(slice.first), bound_to_json(static_cast<Measure>(slice.last) + 1)}));
  }
  JsonValue out = JsonValue::object();
  for (const auto& [id, capacity] : map.capacities()) {
    JsonValue bin = JsonValue::object();
    bin.set("size", capacity);
    bin.set("slices", JsonValue::array(std::move(lists[id])));
    out.set(to_hex(id), std::move(bin));
  }
  return out;
}

}  // namespace

Result<SharedParts> parts_from_json(const JsonValue& tree) {
  if (tree.as_object() == nullptr) return usage("a document is a JSON object");
  DocumentParts parts;
  if (is_original_form(tree)) {
    KVSWARM_RETURN_IF_ERROR(read_writers_and_bins(tree, parts));
    return sealed(std::move(parts));
  }
  KVSWARM_RETURN_IF_ERROR(check_format_and_needs(tree));
  KVSWARM_RETURN_IF_ERROR(check_members(tree));
  KVSWARM_RETURN_IF_ERROR(read_lineage(tree, parts));
  KVSWARM_RETURN_IF_ERROR(read_writers_and_bins(tree, parts));
  KVSWARM_RETURN_IF_ERROR(read_addresses(tree, parts).with_context("addresses"));
  if (const JsonValue* readers = tree.find("readers")) {
    auto ids = read_ids(*readers, false);
    if (!ids.ok()) return ids.status().with_context("readers");
    parts.readers = std::move(ids).value();
  }
  KVSWARM_RETURN_IF_ERROR(read_ext(tree, parts));
  SharedParts out = sealed(std::move(parts));
  if (const JsonValue* swarm = tree.find("swarm")) {
    KVSWARM_ASSIGN_OR_RETURN(const auto named, read_hex<SwarmId>(*swarm, "`swarm`"));
    if (named != out->swarm) {
      return Status(StatusCode::corruption, "`swarm` is " + short_hex(named) +
                                                ", but the hash of document 1 is " +
                                                short_hex(out->swarm));
    }
  }
  return out;
}

JsonValue parts_to_json(const DocumentParts& parts) {
  JsonValue out = JsonValue::object();
  out.set("format", kDocumentFormat);
  out.set("number", parts.number);
  out.set("swarm", to_hex(parts.swarm));
  if (parts.origin) {
    out.set("origin", parts_to_json(*parts.origin));
    out.set("previous", to_hex(parts.previous));
  } else {
    out.set("random", to_hex(parts.random));
  }
  out.set("writers", ids_to_json(parts.writers));
  out.set("bins", bins_to_json(parts.map));
  if (!parts.addresses.empty()) {
    JsonValue addresses = JsonValue::object();
    for (const auto& [id, list] : parts.addresses) {
      addresses.set(to_hex(id), JsonValue::array(JsonValue::Array(list.begin(), list.end())));
    }
    out.set("addresses", std::move(addresses));
  }
  if (parts.readers) out.set("readers", ids_to_json(*parts.readers));
  if (parts.ext) out.set("ext", *parts.ext);
  return out;
}

}  // namespace kvswarm::config
