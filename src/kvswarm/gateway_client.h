// The public Client over any Gateway: turns public types into requests and back.
#pragma once

#include <kvswarm/client.h>

#include <atomic>
#include <memory>

#include "kvswarm/gateway.h"

namespace kvswarm {

class GatewayClient final : public Client {
 public:
  GatewayClient(Gateway& gateway, std::uint64_t timeout_ms)
      : gateway_(&gateway), timeout_ms_(timeout_ms) {}
  GatewayClient(std::shared_ptr<Gateway> gateway, std::uint64_t timeout_ms)
      : owned_(std::move(gateway)), gateway_(owned_.get()), timeout_ms_(timeout_ms) {}

  Result<WriteReport> write(const std::vector<Operation>& operations,
                            const WriteOptions& options) noexcept override;
  Result<WriteReport> await(std::uint64_t first_operation, std::uint64_t last_operation,
                            const WriteOptions& options) noexcept override;
  Result<std::string> receipt(std::uint64_t first_operation,
                              std::uint64_t last_operation) noexcept override;
  Result<GetResult> get(const std::string& key) noexcept override;
  Result<ExportReport> export_all(
      const std::function<bool(const Operation& put)>& each) noexcept override;
  Result<std::vector<EvidenceItem>> evidence() noexcept override;
  Result<StatusReport> status() noexcept override;
  Result<Config> document() noexcept override;
  void interrupt() noexcept override { interrupt_ = true; }

 private:
  template <class Kind>
  Result<Kind> call(Request request);
  Result<bool> export_holder(const NodeId& holder, ExportReport& report,
                             const std::function<bool(const Operation& put)>& each);

  std::shared_ptr<Gateway> owned_;
  Gateway* gateway_;
  std::uint64_t timeout_ms_;
  std::atomic<bool> interrupt_ = false;
};

// usage unless it is -1 or a port.
Status check_port(int port);

// "id@host:port" each; usage otherwise.
Result<std::vector<node::PeerAddress>> parse_peers(const std::vector<std::string>& peers);

}  // namespace kvswarm
