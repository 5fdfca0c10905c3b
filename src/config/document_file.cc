#include "config/document_file.h"

#include <filesystem>
#include <system_error>

#include "base/file.h"
#include "base/limits.h"

namespace kvswarm::config {
namespace {

constexpr mode_t kMode = 0644;

}  // namespace

Result<Document> load_document(const std::string& path) {
  // Opening a folder works and reading it does not: say so in plain words.
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return Status(StatusCode::usage, path + " is a folder, not a document");
  }
  ReadFileOptions options;
  options.only_owner_may_write = true;
  auto text = read_file(path, limits::kDocumentBytes, options);
  if (!text.ok()) {
    // not_found is about keys; a wrong path is the caller's.
    const bool absent = text.status().code() == StatusCode::not_found;
    return absent ? Status(StatusCode::usage, text.status().message()) : text.status();
  }
  auto document = Document::parse(*text);
  if (!document.ok()) return document.status().with_context(path);
  return document;
}

Status save_document(const std::string& path, const Document& document) {
  return write_file_atomically(path, document.to_json(), kMode);
}

}  // namespace kvswarm::config
