#include <kvswarm/json.h>
#include <kvswarm/verify.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "input.h"
#include "output.h"
#include "session.h"
#include "text.h"
#include "verb.h"

namespace kvswarm::cli {

namespace {

constexpr std::size_t kMostDocuments = 4096;

// A document, or all *.json files of a folder, which must all be documents.
Result<std::vector<Config>> load_documents(const std::string& path) {
  std::error_code error;
  std::vector<std::string> files;
  if (!std::filesystem::is_directory(path, error)) {
    files.push_back(path);
  } else {
    std::filesystem::directory_iterator entries(path, error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
      if (entries->path().extension() == ".json") files.push_back(entries->path().string());
    }
    if (error) return Status(StatusCode::failure, path + ": " + error.message());
  }
  if (files.empty()) return Status(StatusCode::usage, path + " holds no file *.json");
  if (files.size() > kMostDocuments) {
    return Status(StatusCode::usage,
                  path + " holds more than " + with_commas(kMostDocuments) + " files *.json");
  }
  std::sort(files.begin(), files.end());
  std::vector<Config> documents;
  for (const std::string& file : files) {
    Result<Config> document = Config::load(file);
    if (!document.ok()) return document.status();
    documents.push_back(std::move(*document));
  }
  return documents;
}

class Verify final : public Verb {
 public:
  void declare(Flags& flags) override {
    flags.describe(
        "checks a receipt, a read or evidence that kvswarm saved, offline, and says what it shows",
        "FILE",
        "kvswarm -d /tmp/x write --put.greeting=hi --receipt-file hi.receipt\n"
        "kvswarm verify hi.receipt -c config.json\n"
        "kvswarm -d /tmp/x get greeting --proof greeting.proof\n"
        "kvswarm verify greeting.proof -c config.json --max-age 1h");
    flags.words(1, 1);
    flags.text("-c,--config", "FILE|FOLDER", &config_,
               "the swarm's document, or a folder of all of them (else $KVSWARM_CONFIG)");
    flags.duration("--max-age", &max_age_ms_,
                   "of a read: how long ago its holder may have signed it, by its own clock");
    declare_json(flags, &json_);
  }

  Status run(const Arguments& arguments) override {
    const std::string path = config_path(config_);
    if (path.empty()) {
      return Status(StatusCode::usage, "verify needs -c FILE or FOLDER (or KVSWARM_CONFIG)");
    }
    const Result<std::vector<Config>> documents = load_documents(path);
    if (!documents.ok()) return documents.status();
    const std::string& file = arguments.words.front();
    const Result<std::string> bytes = read_whole_file(file, kSavedFileBytes);
    if (!bytes.ok()) return bytes.status();
    const Result<Verification> verified = verify(*bytes, *documents, options());
    if (verified.ok()) return json_ ? print_line(verified->json) : print(verified->text);
    return refused(file, verified.status());
  }

 private:
  VerifyOptions options() const {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    VerifyOptions out;
    out.max_age_ms = max_age_ms_;
    out.now_ms = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
    return out;
  }

  Status refused(const std::string& file, const Status& status) const {
    if (json_) {
      const Status printed = print_line(JsonObject()
                                            .add("verified", false)
                                            .add("error", to_string(status.code()))
                                            .add("message", status.message())
                                            .text());
      if (!printed.ok()) return printed;
    }
    const bool holds_not = status.code() == StatusCode::corruption;
    return status.with_context(file + (holds_not ? " does not hold" : " cannot be checked"));
  }

  std::string config_;
  bool json_ = false;
  std::optional<std::uint64_t> max_age_ms_;
};

}  // namespace

std::unique_ptr<Verb> make_verify() { return std::make_unique<Verify>(); }

}  // namespace kvswarm::cli
