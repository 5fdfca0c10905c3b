#include "net/runtime_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/file.h"

namespace kvswarm::net {
namespace {

bool is_own_folder(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode) && about.st_uid == ::geteuid();
}

Result<std::string> choose(const RuntimeDirectoryOptions& options) {
  const auto own = options.environment("KVSWARM_RUNTIME_DIR");
  if (own && !own->empty()) {
    if (own->front() != '/') {
      return Status(StatusCode::usage, "KVSWARM_RUNTIME_DIR is no absolute path: " + *own);
    }
    // Without slashes at its end: O_NOFOLLOW would follow a link named "link/".
    return own->substr(0, own->find_last_not_of('/') + 1);
  }
  const auto shared = options.environment("XDG_RUNTIME_DIR");
  if (shared && !shared->empty() && shared->front() == '/' && is_own_folder(*shared)) {
    return *shared + "/kvswarm";
  }
  return options.temporary_folder + "/kvswarm-" + std::to_string(::geteuid());
}

Status check(const std::string& path) {
  const std::string refused = "the runtime directory " + path + " cannot be used: ";
  const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  const FileDescriptor opened(::open(path.c_str(), flags));
  if (!opened.valid()) {
    if (errno == ENOTDIR || errno == ELOOP) {
      return {StatusCode::failure, refused + "it is a link or no directory"};
    }
    return {StatusCode::failure, status_from_errno(errno, refused + "cannot open it").message()};
  }
  struct stat about {};
  if (::fstat(opened.get(), &about) != 0) return status_from_errno(errno, refused + "cannot stat");
  if (about.st_uid != ::geteuid()) {
    return {StatusCode::failure,
            refused + "it belongs to another user (uid " + std::to_string(about.st_uid) + ")"};
  }
  if ((about.st_mode & 077) != 0) {
    return {StatusCode::failure, refused + "others may enter it (chmod 700 it)"};
  }
  return {};
}

}  // namespace

EnvironmentLookup system_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* const value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

Result<std::string> runtime_directory(const RuntimeDirectoryOptions& options) {
  KVSWARM_ASSIGN_OR_RETURN(const std::string path, choose(options));
  if (path.empty()) return Status(StatusCode::usage, "the runtime directory cannot be /");
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    const Status failed = status_from_errno(errno, "cannot make the runtime directory " + path);
    // Not found is an answer about keys, and a folder that is missing here is none.
    if (failed.code() != StatusCode::not_found) return failed;
    return Status(StatusCode::failure, failed.message());
  }
  KVSWARM_RETURN_IF_ERROR(check(path));
  return path;
}

}  // namespace kvswarm::net
