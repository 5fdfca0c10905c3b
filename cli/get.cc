#include <kvswarm/json.h>
#include <kvswarm/verify.h>

#include <chrono>

#include "input.h"
#include "output.h"
#include "session.h"
#include "text.h"
#include "verb.h"

namespace kvswarm::cli {

namespace {

constexpr std::uint64_t kAskAgainMs = 50;
constexpr std::size_t kMostKeys = 100'000;

// `after`: a receipt was given.
std::string found_json(const std::string& key, const GetResult& answer, bool after) {
  JsonObject object;
  object.add_bytes("key", key);
  if (answer.found) object.add_bytes("value", answer.value);
  object.add("found", answer.found)
      .add("holder", answer.holder)
      .add("epoch", answer.epoch)
      .add("length", answer.length);
  if (answer.found) {
    object.add("record", answer.record)
        .add("writer", answer.writer)
        .add("operation", answer.operation)
        .add("document", answer.document);
  }
  if (after) object.add("follows_receipt", answer.follows_receipt);
  // What was checked, against the state root that the holder signed.
  return object.add("proof", answer.found ? "presence" : "absence").text();
}

std::string error_json(const std::string& key, const Status& status) {
  return JsonObject()
      .add_bytes("key", key)
      .add("error", to_string(status.code()))
      .add("message", status.message())
      .text();
}

class Get final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe("reads keys from the nodes that hold them, and checks the answers", "KEY...",
                   "kvswarm -c config.json -d /tmp/x get greeting\n"
                   "kvswarm -d /tmp/x get --wait 5s --json greeting cool\n"
                   "kvswarm -d /tmp/x get greeting --proof greeting.proof");
    flags.words(1, kMostKeys);
    flags.toggle("--raw", &raw_, "exactly the value's bytes, without a newline; one key only");
    flags.text(
        "--proof", "FILE", &proof_,
        "also saves what kvswarm verify checks, of a key that is there or not; one key only");
    flags.text("--after", "FILE", &after_,
               "a file of write --receipt-file: nothing from before those writes counts");
    flags.duration("--wait", &wait_ms_, "ask again for so long while a key is not found (0)");
    declare_node(flags, &node_, "limits each read (10s)");
  }

  Status run(const Arguments& arguments) override {
    const std::vector<std::string>& keys = arguments.words;
    if (raw_ && (keys.size() > 1 || node_.json)) {
      return Status(StatusCode::usage, "--raw takes one key, and no --json");
    }
    if (!proof_.empty() && keys.size() > 1) {
      return Status(StatusCode::usage, "--proof takes one key");
    }
    if (!proof_.empty()) {
      if (Status status = check_new_file(proof_); !status.ok()) return status;
    }
    for (const std::string& key : keys) {
      Operation operation;  // a key that cannot be written cannot be read
      operation.kind = Operation::Kind::del;
      operation.key = key;
      if (Status status = check_operation(operation); !status.ok()) return status;
    }
    GetOptions options;
    options.proof = !proof_.empty();
    if (!after_.empty()) {
      Result<std::string> receipt = read_whole_file(after_, kSavedFileBytes);
      if (!receipt.ok()) return receipt.status();
      if (receipt->empty()) return Status(StatusCode::corruption, after_ + " is empty");
      options.after = std::move(*receipt);
    }
    Result<std::unique_ptr<Session>> session = Session::open(node_);
    if (!session.ok()) return session.status();
    return read(**session, keys, options);
  }

 private:
  // Every key is asked for, whatever became of those before. What is not "not found" matters most.
  Status read(Session& session, const std::vector<std::string>& keys,
              const GetOptions& options) const {
    const bool json = node_.json || keys.size() > 1;
    StatusCode worst = StatusCode::ok;
    for (const std::string& key : keys) {
      const Result<GetResult> answer = ask(session, key, options);
      Status status = answer.status();
      if (answer.ok() && !answer->found) {
        status = Status(StatusCode::not_found, "not found");
      }
      if (answer.ok() && !after_.empty() && !answer->follows_receipt) {
        say(after_ + " has no receipt of the node that holds " + shown(key) +
            ": it says nothing about this key");
      }
      if (answer.ok() && !answer->proof.empty()) {
        if (Status saved = save_file(proof_, answer->proof); !saved.ok()) return saved;
      }
      Status printed;
      if (json) {
        printed = print_line(answer.ok() ? found_json(key, *answer, !after_.empty())
                                         : error_json(key, status));
      } else if (status.ok()) {
        printed = raw_ ? print(answer->value) : print_line(answer->value);
      }
      if (!printed.ok()) return printed;
      if (status.code() == StatusCode::interrupted) return status;
      if (status.ok()) continue;
      say(shown(key) + ": " + status.message());
      if (worst == StatusCode::ok || worst == StatusCode::not_found) worst = status.code();
    }
    return worst == StatusCode::ok ? Status() : Status(worst, "");
  }

  Result<GetResult> ask(Session& session, const std::string& key, const GetOptions& options) const {
    using Clock = std::chrono::steady_clock;
    const auto until = Clock::now() + std::chrono::milliseconds(wait_ms_.value_or(0));
    while (true) {
      Result<GetResult> answer = session.client().get(key, options);
      if (!answer.ok() || answer->found || Clock::now() >= until) return answer;
      session.interruption().wait_readable(-1, kAskAgainMs);
      if (session.interruption().requested()) {
        return Status(StatusCode::interrupted, "interrupted");
      }
    }
  }

  NodeFlags node_;
  bool raw_ = false;
  std::string proof_;
  std::string after_;
  std::optional<std::uint64_t> wait_ms_;
};

}  // namespace

std::unique_ptr<Verb> make_get() { return std::make_unique<Get>(); }

}  // namespace kvswarm::cli
