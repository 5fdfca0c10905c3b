#include <kvswarm/json.h>
#include <kvswarm/verify.h>

#include "output.h"
#include "session.h"
#include "text.h"
#include "verb.h"

namespace kvswarm::cli {

namespace {

class Receipt final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe("saves the receipts of earlier ops as a file that anyone can verify", "FILE",
                   "kvswarm -d /tmp/x receipt --ops 1..2 first.receipt");
    flags.words(1, 1);
    flags.text("--ops", "A..B|A", &ops_, "the op numbers, from 1, both included");
    declare_node(flags, &node_, "give up getting hold of the directory after this time (10s)");
  }

  Status run(const Arguments& arguments) override {
    const auto dots = ops_.find("..");
    const auto first = parse_number(std::string_view(ops_).substr(0, dots));
    const auto last =
        dots == std::string::npos ? first : parse_number(std::string_view(ops_).substr(dots + 2));
    if (!first || !last || *first == 0 || *last < *first) {
      return Status(StatusCode::usage, "receipt needs --ops A..B, or --ops A: op numbers, from 1");
    }
    const std::string& path = arguments.words.front();
    if (Status status = check_new_file(path); !status.ok()) return status;
    Result<std::unique_ptr<Session>> session = Session::open(node_);
    if (!session.ok()) return session.status();
    const Result<std::string> file = (*session)->client().receipt(*first, *last);
    if (!file.ok()) return file.status();
    if (Status saved = save_file(path, *file); !saved.ok()) return saved;
    if (node_.json) {
      JsonObject out;
      out.add("file", path).add("first_operation", *first).add("last_operation", *last);
      return print_line(out.text());
    }
    say("saved to " + path + "; kvswarm verify checks it");
    return Status();
  }

 private:
  NodeFlags node_;
  std::string ops_;
};

}  // namespace

std::unique_ptr<Verb> make_receipt() { return std::make_unique<Receipt>(); }

}  // namespace kvswarm::cli
