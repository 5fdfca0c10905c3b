// The library's own door from the public Config to the document inside, and back.
#pragma once

#include <kvswarm/config.h>

#include "config/document.h"

namespace kvswarm {

struct ConfigAccess {
  static const config::Document& document(const Config& config);  // lives as long as `config`
  static Config make(config::Document document);
};

}  // namespace kvswarm
