#include "store/level_db_log.h"

#include <array>
#include <memory>

namespace kvswarm::store {
namespace {

constexpr std::size_t kBlockBytes = 32 * 1024;
constexpr std::size_t kHeaderBytes = 7;  // checksum 4, length 2, type 1

enum class Piece : unsigned char { full = 1, first = 2, middle = 3, last = 4 };

std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0x82f63b78U : 0);
    table[i] = value;
  }
  return table;
}

std::uint32_t little_endian(BytesView bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

// LevelDB stores checksums of checksums-within-data altered, so that they do not cancel out.
std::uint32_t masked(std::uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8U; }

// Follows the pieces of a log, block after block.
class LogParser {
 public:
  explicit LogParser(const TakeRecord& take) : take_(take) {}

  // False: the end, or something that is no piece. `valid()` stands behind the last whole record.
  bool take_block(BytesView block) {
    const std::uint64_t block_start = at_;
    while (block.size() >= kHeaderBytes) {
      const std::size_t length = little_endian(block.substr(4, 2));
      if (kHeaderBytes + length > block.size()) return false;
      const BytesView checked = block.substr(6, 1 + length);
      if (little_endian(block.substr(0, 4)) != masked(crc32c(checked))) return false;
      at_ += kHeaderBytes + length;
      if (!take_piece(static_cast<Piece>(block[6]), block.substr(kHeaderBytes, length))) {
        return false;
      }
      block.remove_prefix(kHeaderBytes + length);
    }
    at_ = block_start + kBlockBytes;
    return true;
  }

  std::uint64_t valid() const { return valid_; }
  const Status& status() const { return status_; }

 private:
  bool take_piece(Piece piece, BytesView bytes) {
    const bool begins = piece == Piece::full || piece == Piece::first;
    const bool known = begins || piece == Piece::middle || piece == Piece::last;
    if (!known || begins == inside_) return false;
    if (begins) record_.clear();
    record_.append(bytes);
    inside_ = piece == Piece::first || piece == Piece::middle;
    if (inside_) return true;
    if (take_) status_ = take_(record_, valid_);
    if (status_.ok()) valid_ = at_;
    return status_.ok();
  }

  const TakeRecord& take_;
  Bytes record_;
  bool inside_ = false;  // the record goes on
  std::uint64_t at_ = 0;
  std::uint64_t valid_ = 0;
  Status status_;
};

}  // namespace

std::uint32_t crc32c(BytesView bytes, std::uint32_t before) {
  static const std::array<std::uint32_t, 256> kTable = make_table();
  std::uint32_t crc = ~before;
  for (const char byte : bytes) {
    crc = kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xff] ^ (crc >> 8);
  }
  return ~crc;
}

Result<std::uint64_t> read_level_db_log(leveldb::Env& env, const std::string& path,
                                        const TakeRecord& take) {
  leveldb::SequentialFile* opened = nullptr;
  leveldb::Status status = env.NewSequentialFile(path, &opened);
  const std::unique_ptr<leveldb::SequentialFile> file(opened);
  LogParser parser(take);
  Bytes scratch(kBlockBytes, '\0');
  while (status.ok()) {
    leveldb::Slice block;
    status = file->Read(kBlockBytes, &block, scratch.data());
    if (!status.ok()) break;
    if (!parser.take_block({block.data(), block.size()}) || block.size() < kBlockBytes) {
      KVSWARM_RETURN_IF_ERROR(parser.status());
      return parser.valid();
    }
  }
  return Status(StatusCode::failure, "cannot read " + path + ": " + status.ToString());
}

}  // namespace kvswarm::store
