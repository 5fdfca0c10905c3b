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

  std::string id() const override { return to_hex(runtime_->id()); }
  std::string address() const override { return runtime_->address(); }
  Client& client() override { return client_; }

  Status put(std::string key, std::string value) override;
  Status del(std::string key) override;
  Result<Call> flush(const WriteOptions& options, Callback<WriteReport> done) override;
  Result<Call> get(std::string key, std::uint64_t timeout_ms, Callback<GetResult> done) override;
  Result<Call> status(Callback<StatusReport> done) override;
  Status cancel(Call call) override;

  Status connect(const std::vector<std::string>& peers) override;
  Status disconnect() override;
  Result<Call> listen(const ListenOptions& options, Callback<std::string> done) override;

  Result<Call> get_config(Callback<Config> done) override;
  Result<Call> set_config(const Config& config, Callback<Config> done) override;
  Result<Call> update_config(const ConfigUpdate& changes, Callback<Config> done) override;
  Result<Call> set_capacities(const Capacities& capacities, Callback<Config> done) override;
  Result<Call> get_writers(Callback<std::vector<std::string>> done) override;
  Result<Call> set_writers(const std::vector<std::string>& ids, Callback<Config> done) override;
  Result<Call> add_writer(const std::string& id, Callback<Config> done) override;
  Result<Call> remove_writer(const std::string& id, Callback<Config> done) override;

  bool post(std::function<void()> task) override;
  Status close(std::function<void(const Status& why)> closed) override;
  void stop() override { runtime_->end(); }
  Status wait() override { return runtime_->wait(); }

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
