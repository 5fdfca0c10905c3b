#include "kvswarm/store_thread.h"

namespace kvswarm {

StoreThread::StoreThread(std::unique_ptr<node::Backend> backend, Clock& clock, Deliver deliver)
    : backend_(std::move(backend)), clock_(clock), deliver_(std::move(deliver)) {
  thread_ = std::thread([this] { run(); });
}

void StoreThread::ask(node::StoreRequest request) {
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
  }
  wake_.notify_one();
}

void StoreThread::end(std::function<void()> ended) {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    ended_ = std::move(ended);
  }
  wake_.notify_one();
}

void StoreThread::join() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void StoreThread::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return ending_ || !requests_.empty(); });
    if (ending_) break;
    node::StoreRequest request = std::move(requests_.front());
    requests_.pop_front();
    lock.unlock();
    deliver_(backend_->execute(std::move(request), clock_.now().wall_ms));
    lock.lock();
  }
  backend_.reset();
  if (ended_) ended_();
}

}  // namespace kvswarm
