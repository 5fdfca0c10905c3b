#include "crypto/identity_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/file.h"
#include "crypto/secret.h"

namespace kvswarm::crypto {
namespace {

constexpr BytesView kTitle = "kvswarm-identity ";
constexpr BytesView kVersion = "1";
constexpr BytesView kSecretLabel = "secret ";
constexpr BytesView kIdLabel = "id ";
constexpr std::size_t kHexDigits = 64;
constexpr std::size_t kMostFileBytes = 4096;  // room for later versions to be told apart
constexpr int kTemporaryNameAttempts = 100;

Bytes encode(const SigningKey& key) {
  Bytes digits = to_hex(key.seed());
  Bytes out;
  out.reserve(kMostFileBytes);  // so that no reallocation leaves a copy of the secret behind
  out.append(kTitle).append(kVersion).append("\n");
  out.append(kSecretLabel).append(digits).append("\n");
  out.append(kIdLabel).append(to_hex(key.id())).append("\n");
  wipe(digits);
  return out;
}

bool take(BytesView& rest, BytesView expected) {
  if (rest.substr(0, expected.size()) != expected) return false;
  rest.remove_prefix(expected.size());
  return true;
}

BytesView take_digits(BytesView& rest) {
  const BytesView digits = rest.substr(0, kHexDigits);
  rest.remove_prefix(digits.size());
  return digits;
}

// Whether the version is a number, as it should be, but a later one than ours.
bool is_newer(BytesView rest) {
  const std::size_t digits = rest.find_first_not_of("0123456789");
  if (digits == BytesView::npos || digits == 0 || rest[digits] != '\n' || rest[0] == '0') {
    return false;
  }
  return digits > kVersion.size() || rest.substr(0, digits) > kVersion;
}

Result<SigningKey> decode(BytesView rest, const std::string& path) {
  const Status malformed{StatusCode::corruption, path + ": truncated, or not an identity file"};
  if (!take(rest, kTitle)) return malformed;
  if (is_newer(rest)) {
    return Status{StatusCode::newer_version, path + ": written by a newer version of kvswarm"};
  }
  if (!take(rest, kVersion) || !take(rest, "\n") || !take(rest, kSecretLabel)) return malformed;
  const BytesView secret_digits = take_digits(rest);
  if (!take(rest, "\n") || !take(rest, kIdLabel)) return malformed;
  const auto id = fixed_from_hex<NodeId>(take_digits(rest));
  if (!id || rest != "\n") return malformed;
  auto seed = from_hex(secret_digits);
  if (!seed || seed->size() != SigningKey::kSeedBytes) return malformed;
  SigningKey key = SigningKey::from_seed(*seed);
  wipe(*seed);
  if (key.id() != *id) {
    return Status{StatusCode::corruption, path + ": the id in it does not belong to its secret"};
  }
  return key;
}

Status check_file(const struct stat& info, const std::string& path) {
  if (!S_ISREG(info.st_mode)) {
    return {StatusCode::failure, path + ": not a regular file, refused as an identity"};
  }
  if (info.st_uid != ::geteuid()) {
    return {StatusCode::failure, path + ": belongs to another user (uid " +
                                     std::to_string(info.st_uid) + "), refused as an identity"};
  }
  if ((info.st_mode & 077) != 0) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(info.st_mode & 07777));
    return {StatusCode::failure, path + ": others can read or write this secret key (mode " + mode +
                                     "); run: chmod 600 " + path};
  }
  return {};
}

Result<SigningKey> read_key_file(int directory_fd, const std::string& path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const FileDescriptor file(
      ::openat(directory_fd, kIdentityFileName, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) {
    if (errno == ENOENT) return Status{StatusCode::not_found, path + ": no identity here"};
    if (errno == ELOOP) {
      return Status{StatusCode::failure, path + ": a symbolic link, refused as an identity"};
    }
    return status_from_errno(errno, "cannot read " + path);
  }
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return status_from_errno(errno, "cannot read " + path);
  KVSWARM_RETURN_IF_ERROR(check_file(info, path));

  Bytes content(kMostFileBytes, '\0');
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t got = ::read(file.get(), content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return status_from_errno(errno, "cannot read " + path);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  Result<SigningKey> key = decode(BytesView(content).substr(0, size), path);
  wipe(content);
  return key;
}

Status write_and_sync(int fd, BytesView bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return status_from_errno(errno, "cannot write " + path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  // A umask may have taken bits away, never added any.
  if (::fchmod(fd, 0600) != 0 || ::fsync(fd) != 0)
    return status_from_errno(errno, "cannot write " + path);
  return {};
}

// Writes `bytes` under a name of its own in the directory; the name is the result.
Result<std::string> write_temporary(int directory_fd, BytesView bytes, const std::string& path,
                                    Random& random) {
  for (int attempt = 0; attempt < kTemporaryNameAttempts; ++attempt) {
    char name[48];
    std::snprintf(name, sizeof name, "%s.new.%016llx", kIdentityFileName,
                  static_cast<unsigned long long>(random.next_u64()));
    const FileDescriptor file(
        ::openat(directory_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.valid() && errno == EEXIST) continue;
    if (!file.valid()) return status_from_errno(errno, "cannot write " + path);
    if (Status status = write_and_sync(file.get(), bytes, path); !status.ok()) {
      ::unlinkat(directory_fd, name, 0);
      return status;
    }
    return std::string(name);
  }
  return Status{StatusCode::failure, path + ": no free temporary name beside it"};
}

// Puts a new key's file in place unless one is there by then, which is no error.
Status create_file(int directory_fd, const std::string& path, const SigningKey& key,
                   Random& random) {
  Bytes content = encode(key);
  auto temporary = write_temporary(directory_fd, content, path, random);
  wipe(content);
  if (!temporary.ok()) return temporary.status();
  Status linked;
  if (::linkat(directory_fd, temporary->c_str(), directory_fd, kIdentityFileName, 0) != 0 &&
      errno != EEXIST) {
    linked = status_from_errno(errno, "cannot write " + path);
  }
  ::unlinkat(directory_fd, temporary->c_str(), 0);
  return linked;
}

}  // namespace

Result<SigningKey> read_identity(const std::string& directory) {
  const std::string path = directory + "/" + kIdentityFileName;
  const FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() && errno == ENOENT) {
    return Status{StatusCode::not_found, directory + ": no such directory"};
  }
  if (!fd.valid()) return status_from_errno(errno, "cannot use " + directory);
  return read_key_file(fd.get(), path);
}

Result<SigningKey> open_or_create_identity(const std::string& directory, Random& random) {
  if (directory.empty()) return Status{StatusCode::usage, "the data directory has no name"};
  KVSWARM_RETURN_IF_ERROR(make_directories(directory));
  const std::string path = directory + "/" + kIdentityFileName;
  const FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return status_from_errno(errno, "cannot use " + directory);
  Result<SigningKey> key = read_key_file(fd.get(), path);
  if (!key.ok() && key.status().code() == StatusCode::not_found) {
    KVSWARM_RETURN_IF_ERROR(create_file(fd.get(), path, SigningKey::generate(random), random));
    key = read_key_file(fd.get(), path);
  }
  // Also for a key that was there: who made it may have died before this line.
  if (key.ok() && ::fsync(fd.get()) != 0)
    return status_from_errno(errno, "cannot use " + directory);
  return key;
}

Status write_identity(const std::string& directory, const SigningKey& key, Random& random) {
  const std::string path = directory + "/" + kIdentityFileName;
  const FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return status_from_errno(errno, "cannot use " + directory);
  KVSWARM_RETURN_IF_ERROR(create_file(fd.get(), path, key, random));
  KVSWARM_ASSIGN_OR_RETURN(const SigningKey there, read_key_file(fd.get(), path));
  if (there.id() != key.id()) return {StatusCode::conflict, path + ": another identity is there"};
  if (::fsync(fd.get()) != 0) return status_from_errno(errno, "cannot use " + directory);
  return {};
}

}  // namespace kvswarm::crypto
