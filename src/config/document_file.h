// Documents in files (docs/formats/document.md, "Files"). Thread: any; blocks on the disk.
#pragma once

#include <string>

#include "base/status.h"
#include "config/document.h"

namespace kvswarm::config {

// Refuses what Document::parse refuses; a missing file, a folder, a file larger than
// limits::kDocumentBytes (usage); a file that group or others may write, or of another user than
// us or root (failure). Every message names the path.
Result<Document> load_document(const std::string& path);

// Replaces the file as a whole and makes it durable. Mode 0644, whatever the umask.
Status save_document(const std::string& path, const Document& document);

}  // namespace kvswarm::config
