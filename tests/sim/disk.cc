#include "sim/disk.h"

#include <cerrno>

#include "base/assert.h"
#include "disk/simulated_env.h"

namespace kvswarm::sim {
namespace {

Status full_disk() { return {StatusCode::disk_full, "the disk is full"}; }

// LevelDB on bytes that may be torn, and calls that may fail.
class LevelDbDisk final : public Disk {
 public:
  ~LevelDbDisk() override { KVSWARM_ASSERT(open_ == nullptr); }

  Result<std::unique_ptr<store::Store>> open() override {
    KVSWARM_ASSERT(open_ == nullptr);
    look_.reset();
    KVSWARM_ASSIGN_OR_RETURN(auto inner, store::LevelDbStore::open(kFolder, options(env_)));
    note_opened();
    return std::unique_ptr<store::Store>(std::make_unique<Handle>(this, std::move(inner)));
  }
  void set_faults(const DiskFaults& faults) override {
    bytes_.set_free_bytes(faults.is_full ? std::optional<std::uint64_t>(0) : std::nullopt);
  }
  void fail_next_write(bool) override { bytes_.fail_from(bytes_.calls() + 1, EIO, 1); }
  void fail_no_write() override { bytes_.fail_from(~std::size_t{0}, 0); }
  std::size_t ways_down() const override { return std::size(test::kEveryPolicy) + 1; }
  void go_down(std::size_t way, Random& random) override {
    KVSWARM_ASSERT(open_ == nullptr);
    look_.reset();
    if (way + 1 < ways_down()) bytes_.cut(test::kEveryPolicy[way], random);
  }
  std::string rot(Random& random) override {
    look_.reset();
    return bytes_.rot(random);
  }
  bool is_slow_to_look() const override { return true; }
  std::optional<Bytes> after_cut(BytesView key) override {
    test::SimulatedDisk bytes = bytes_;
    bytes.fail_from(~std::size_t{0}, 0);
    bytes.set_free_bytes(std::nullopt);
    SeededRandom random(0);
    bytes.cut(test::Kept::none, random);
    test::SimulatedEnv env(&bytes);
    const auto store = store::LevelDbStore::open(kFolder, options(env));
    if (!store.ok()) return std::nullopt;
    auto row = (*store)->get(key);
    return row.ok() ? std::move(row).value() : std::nullopt;
  }

  store::Store& rows() override {
    if (open_ != nullptr) return *open_;
    if (!look_) look_ = std::make_unique<Look>(bytes_);
    return *look_->store;
  }
  void put_back(const Image& image) override {
    KVSWARM_ASSERT(open_ == nullptr);
    bytes_ = test::SimulatedDisk();
    const auto opened = open();
    KVSWARM_ASSERT(opened.ok());
    store::Batch batch;
    for (const auto& [key, value] : image) batch.put(key, value);
    const Status written = (*opened)->write(batch, store::Sync::yes);
    KVSWARM_ASSERT(written.ok());
  }

 private:
  static constexpr const char* kFolder = "/db";
  static store::LevelDbOptions options(test::SimulatedEnv& env) {
    store::LevelDbOptions options = env.options();
    options.write_buffer_bytes = 64 * 1024;  // the least; tables then come and go in a short story
    return options;
  }

  // The node's; the disk knows it to look through it.
  class Handle final : public store::Store {
   public:
    Handle(LevelDbDisk* disk, std::unique_ptr<store::Store> inner)
        : disk_(disk), inner_(std::move(inner)) {
      disk_->open_ = inner_.get();
    }
    ~Handle() override { disk_->open_ = nullptr; }
    Result<std::optional<Bytes>> get(BytesView key) override { return inner_->get(key); }
    Status write(const store::Batch& batch, store::Sync sync) override {
      return disk_->noted(inner_->write(batch, sync));
    }
    std::unique_ptr<store::Cursor> cursor() override { return inner_->cursor(); }
    std::size_t ask_to_merge(const std::vector<Bytes>& absent_keys) override {
      return inner_->ask_to_merge(absent_keys);
    }
    Status refused() const override { return inner_->refused(); }

   private:
    LevelDbDisk* const disk_;
    const std::unique_ptr<store::Store> inner_;
  };

  // A store on a copy of the disk, which opening would change; while nothing changes the disk.
  struct Look {
    explicit Look(const test::SimulatedDisk& disk) : bytes(disk), env(&bytes) {
      bytes.fail_from(~std::size_t{0}, 0);
      bytes.set_free_bytes(std::nullopt);
      auto opened = store::LevelDbStore::open(kFolder, options(env));
      KVSWARM_ASSERT(opened.ok());
      store = std::move(opened).value();
    }
    test::SimulatedDisk bytes;
    test::SimulatedEnv env;
    std::unique_ptr<store::Store> store;
  };

  test::SimulatedDisk bytes_;
  test::SimulatedEnv env_{&bytes_};
  store::Store* open_ = nullptr;
  std::unique_ptr<Look> look_;
};

}  // namespace

Disk::Image Disk::image() {
  Image image;
  const auto cursor = rows().cursor();
  for (cursor->seek(""); cursor->valid(); cursor->next()) {
    image.emplace(cursor->key(), cursor->value());
  }
  KVSWARM_ASSERT(cursor->status().ok());
  return image;
}

// It may be full. Opened while it is, it is there for reading only, as the real one is.
class MemoryDisk::Handle final : public store::Store {
 public:
  explicit Handle(MemoryDisk* disk) : disk_(disk), store_(disk->store_) {
    if (disk_->faults_.is_full) {
      refused_ = full_disk();
    } else {
      store_->reopen();
    }
  }
  Result<std::optional<Bytes>> get(BytesView key) override { return store_->get(key); }
  Status write(const store::Batch& batch, store::Sync sync) override {
    if (refused_.ok() && disk_->faults_.is_full) refused_ = full_disk();
    return disk_->noted(refused_.ok() ? store_->write(batch, sync) : refused_);
  }
  std::unique_ptr<store::Cursor> cursor() override { return store_->cursor(); }
  Status refused() const override { return refused_; }

 private:
  MemoryDisk* const disk_;  // outlives its handles
  const std::shared_ptr<store::MemoryStore> store_;
  Status refused_;
};

Result<std::unique_ptr<store::Store>> MemoryDisk::open() {
  note_opened();
  return std::unique_ptr<store::Store>(std::make_unique<Handle>(this));
}

void MemoryDisk::fail_next_write(bool landed) {
  using Fate = store::MemoryStore::FailedWrite;
  store_->fail_next_write(Status(StatusCode::failure, "input/output error"),
                          landed ? Fate::landed : Fate::lost);
}

std::unique_ptr<Disk> level_db_disk() { return std::make_unique<LevelDbDisk>(); }

}  // namespace kvswarm::sim
