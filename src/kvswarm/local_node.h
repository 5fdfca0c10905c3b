// The public Node over a Runtime of this process. Thread: as kvswarm/node.h says.
#pragma once

#include <kvswarm/node.h>

#include <memory>

#include "kvswarm/gateway_client.h"
#include "kvswarm/runtime.h"
#include "kvswarm/write_cache.h"

namespace kvswarm {

class LocalNode final : public Node {
 public:
  explicit LocalNode(std::shared_ptr<Runtime> runtime);

  std::string id() const noexcept override { return to_hex(runtime_->id()); }
  std::string address() const noexcept override { return runtime_->address(); }
  Client& client() noexcept override { return client_; }

  Status put(std::string key, std::string value) noexcept override;
  Status del(std::string key) noexcept override;
  Result<Call> flush(const WriteOptions& options, Callback<WriteReport> done) noexcept override;
  Result<Call> get(std::string key, std::uint64_t timeout_ms, const GetOptions& options,
                   Callback<GetResult> done) noexcept override;
  Result<Call> status(Callback<StatusReport> done) noexcept override;
  Status cancel(Call call) noexcept override;

  Status connect(const std::vector<std::string>& peers) noexcept override;
  Status disconnect() noexcept override;
  Result<Call> listen(const ListenOptions& options, Callback<std::string> done) noexcept override;

  Result<Call> get_config(Callback<Config> done) noexcept override;
  Result<Call> set_config(const Config& config, Callback<Config> done) noexcept override;
  Result<Call> update_config(const ConfigUpdate& changes, Callback<Config> done) noexcept override;
  Result<Call> set_capacities(const Capacities& capacities,
                              Callback<Config> done) noexcept override;
  Result<Call> get_writers(Callback<std::vector<std::string>> done) noexcept override;
  Result<Call> set_writers(const std::vector<std::string>& ids,
                           Callback<Config> done) noexcept override;
  Result<Call> add_writer(const std::string& id, Callback<Config> done) noexcept override;
  Result<Call> remove_writer(const std::string& id, Callback<Config> done) noexcept override;

  bool post(std::function<void()> task) noexcept override;
  Status close(std::function<void(const Status& why)> closed) noexcept override;
  void stop() noexcept override { runtime_->end(); }
  Status wait() noexcept override { return runtime_->wait(); }

 private:
  using Derive = std::function<Result<Config>(const Config& in_force)>;
  Status check_thread() const;
  Status add(Operation::Kind kind, std::string key, std::string value);
  Result<Call> change(Derive derive, Callback<Config> done);
  template <class Kind>
  Result<Call> ask(Request request, std::function<void(Result<Kind>)> done);

  std::shared_ptr<Runtime> runtime_;
  std::shared_ptr<WriteCache> cache_ = std::make_shared<WriteCache>();  // flushes outlive the node
  GatewayClient client_;
};

// What the program gave, so that it may be empty and that its exceptions end the process.
template <class... Arguments>
std::function<void(Arguments...)> guarded(std::function<void(Arguments...)> callback) {
  return [callback = std::move(callback)](Arguments... arguments) noexcept {
    if (callback) callback(std::forward<Arguments>(arguments)...);
  };
}

}  // namespace kvswarm
