// Flags whose names carry data, taken out before the ordinary ones are parsed:
//
//   --put.KEY=VALUE       --put.KEY VALUE         --del.KEY
//   --put-file.KEY=PATH   --put-file.KEY PATH     --capacity.ID=N   --capacity.ID N
//
// The key of a put is everything after the first dot up to the first '=', so it may contain dots
// but no '='; the value is all of the rest. The key of --del is everything after the dot. In the
// form with a space the value must not begin with '-'. Behind a lone "--" nothing is a flag.
#pragma once

#include <kvswarm/config.h>
#include <kvswarm/status.h>

#include <string>
#include <vector>

namespace kvswarm::cli {

struct DynamicFlag {
  enum class Kind { put, put_file, del, capacity };
  Kind kind = Kind::put;
  std::string name;   // the key or the id; never empty
  std::string value;  // value, path or number; empty for del alone
};

// "--put." and so on, with the dot.
const char* prefix(DynamicFlag::Kind kind);
extern const std::vector<DynamicFlag::Kind> kDynamicKinds;

struct SplitArguments {
  std::vector<DynamicFlag> dynamic;  // in the order they were given
  std::vector<std::string> rest;     // the others, in their order
};

// usage: an empty key, id or value, or none at all.
Result<SplitArguments> take_dynamic_flags(const std::vector<std::string>& arguments);

// What --capacity flags say. usage: a number that is no integer from 0 to 2^53, or an id twice.
// Other kinds are left out.
Result<Capacities> capacities_of(const std::vector<DynamicFlag>& flags);

}  // namespace kvswarm::cli
