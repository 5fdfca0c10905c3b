// The public Client over any Gateway: turns public types into requests and back.
#pragma once

#include <kvswarm/client.h>

#include <atomic>
#include <memory>

#include "kvswarm/gateway.h"

namespace kvswarm {

class GatewayClient final : public Client {
 public:
  // `directory` is the one that the gateway's node owns.
  GatewayClient(Gateway& gateway, std::string directory, std::uint64_t timeout_ms)
      : gateway_(&gateway), directory_(std::move(directory)), timeout_ms_(timeout_ms) {}
  GatewayClient(std::shared_ptr<Gateway> gateway, std::string directory, std::uint64_t timeout_ms)
      : owned_(std::move(gateway)),
        gateway_(owned_.get()),
        directory_(std::move(directory)),
        timeout_ms_(timeout_ms) {}

  Result<WriteReport> write(const std::vector<Operation>& operations,
                            const WriteOptions& options) noexcept override;
  Result<WriteReport> await(std::uint64_t first_operation, std::uint64_t last_operation,
                            const WriteOptions& options) noexcept override;
  Result<std::string> receipt(std::uint64_t first_operation,
                              std::uint64_t last_operation) noexcept override;
  Result<GetResult> get(const std::string& key, const GetOptions& options) noexcept override;
  Result<ExportReport> export_all(
      const std::function<bool(const Operation& put)>& each) noexcept override;
  Result<std::vector<EvidenceItem>> evidence() noexcept override;
  using AuditEach = std::function<void(const AuditReport& so_far)>;
  Result<AuditReport> audit(const std::string& node, const AuditEach& each) noexcept override;
  Result<BackupReport> backup(
      const std::string& path,
      const std::function<void(const BackupReport& so_far)>& each) noexcept override;
  Result<StatusReport> status() noexcept override;
  Result<Config> document() noexcept override;
  void interrupt() noexcept override { interrupt_ = true; }

 private:
  template <class Kind>
  Result<Kind> call(Request request);
  template <class Kind, class Asked>
  Result<Kind> audit_step(Asked request);
  Result<bool> export_holder(const NodeId& holder, ExportReport& report,
                             const std::function<bool(const Operation& put)>& each);

  std::shared_ptr<Gateway> owned_;
  Gateway* gateway_;
  std::string directory_;
  std::uint64_t timeout_ms_;
  std::atomic<bool> interrupt_ = false;
};

// usage unless it is -1 or a port.
Status check_port(int port);

// "id@host:port" each; usage otherwise.
Result<std::vector<node::PeerAddress>> parse_peers(const std::vector<std::string>& peers);

}  // namespace kvswarm
