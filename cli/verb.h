// What every verb of the program is: flags, and something to run.
#pragma once

#include <kvswarm/status.h>

#include <memory>
#include <string>
#include <vector>

#include "dynamic_flags.h"
#include "flags.h"

namespace kvswarm::cli {

struct Arguments {
  std::vector<std::string> words;
  std::vector<DynamicFlag> dynamic;  // only of kinds that the verb accepts
};

class Verb {
 public:
  virtual ~Verb() = default;
  virtual void declare(Flags& flags) = 0;
  virtual bool accepts(DynamicFlag::Kind) const { return false; }
  // Data goes to standard output. The message of the status is printed by the caller, and its code
  // becomes the exit code.
  virtual Status run(const Arguments& arguments) = 0;
};

std::unique_ptr<Verb> make_id();
std::unique_ptr<Verb> make_init();
std::unique_ptr<Verb> make_config();
std::unique_ptr<Verb> make_map();
std::unique_ptr<Verb> make_listen();
std::unique_ptr<Verb> make_connect();
std::unique_ptr<Verb> make_write();
std::unique_ptr<Verb> make_get();
std::unique_ptr<Verb> make_import();
std::unique_ptr<Verb> make_export();
std::unique_ptr<Verb> make_status();
std::unique_ptr<Verb> make_receipt();
std::unique_ptr<Verb> make_verify();
std::unique_ptr<Verb> make_evidence();
std::unique_ptr<Verb> make_audit();
std::unique_ptr<Verb> make_backup();
std::unique_ptr<Verb> make_restore();
std::unique_ptr<Verb> make_version();

}  // namespace kvswarm::cli
