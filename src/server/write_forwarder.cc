#include "server/write_forwarder.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/hash.h"
#include "objstore/s3/http_pool.h"

namespace akidb {
namespace {

// Of the answer, what the client gets; the rest is about the connection, or written anew.
constexpr std::array<std::string_view, 4> kRelayed = {"retry-after", "x-akidb-answered-by", "allow", "location"};
constexpr size_t kHostBytesMax = 100;

bool IsLoopback(std::string_view host) {
  return host == "localhost" || host == "::1" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

std::string HeadOf(const HttpRequest& request, const s3::Endpoint& endpoint) {
  std::string head = request.method + " " + request.target + " HTTP/1.1\r\nHost: " + endpoint.HostHeader() +
                     "\r\nContent-Length: " + std::to_string(request.body.size()) + "\r\n";
  for (const auto& [name, value] : request.headers) head.append(name).append(": ").append(value).append("\r\n");
  return head + "\r\n";
}

class PoolForwarder final : public WriteForwarder {
 public:
  PoolForwarder(const s3::Endpoint& own, const ForwarderOptions& options, std::unique_ptr<s3::Dialer> dialer)
      : options_(options), pool_({own}, s3::PoolOptions{}, std::move(dialer)) {}

  Result<HttpResponse> Send(OpContext& ctx, const std::string& address, const HttpRequest& request) override {
    AKI_ASSIGN_OR_RETURN(const s3::Endpoint endpoint, s3::ParseEndpoint(address));
    auto lease = pool_.Acquire(ctx, endpoint, s3::HttpPool::Freshness::kAny);
    if (!lease) return std::unexpected(NotSent(std::move(lease).error()));
    const std::string head = HeadOf(request, endpoint);
    auto answer = lease->connection->Exchange(ctx, {.head = head, .body = request.body, .answer_has_body = true});
    if (!answer) {
      // A request of which a part is missing is never executed: it is not whole.
      if (!lease->connection->request_sent()) return std::unexpected(NotSent(std::move(answer).error()));
      return std::unexpected(std::move(answer).error().WithEffectUnknown());
    }
    auto response = ReadAnswer(ctx, *lease->connection, *answer);
    if (!response) return std::unexpected(std::move(response).error().WithEffectUnknown());
    pool_.Release(ctx, std::move(*lease));
    return response;
  }

 private:
  static Status NotSent(Status status) {
    return status.reason() == "connect_failed" ? std::move(status) : std::move(status).WithReason("not_sent");
  }

  Result<HttpResponse> ReadAnswer(OpContext& ctx, s3::HttpConnection& connection, const s3::HttpHead& head) const {
    HttpResponse response;
    response.status = head.status;
    response.content_type = head.Header("content-type");
    for (const std::string_view name : kRelayed) {
      if (const auto value = head.Header(name); !value.empty()) response.headers.emplace_back(name, value);
    }
    if (head.content_length.value_or(0) > options_.answer_bytes_max) return std::unexpected(TooLong());
    std::array<char, 16u << 10> part{};
    while (true) {
      AKI_ASSIGN_OR_RETURN(const size_t size, connection.ReadBody(ctx, part.data(), part.size()));
      if (size == 0) return response;
      if (response.body.size() + size > options_.answer_bytes_max) return std::unexpected(TooLong());
      response.body.append(part.data(), size);
    }
  }

  Status TooLong() const {
    return Unavailable("the writer's answer has more than " + std::to_string(options_.answer_bytes_max) + " bytes");
  }

  const ForwarderOptions options_;
  s3::HttpPool pool_;
};

}  // namespace

std::unique_ptr<WriteForwarder> NewWriteForwarder(const s3::Endpoint& own, const ForwarderOptions& options,
                                                  std::unique_ptr<s3::Dialer> dialer) {
  return std::make_unique<PoolForwarder>(own, options, std::move(dialer));
}

Result<s3::Endpoint> AdvertisedEndpoint(std::string_view advertise, std::string_view listen_host, uint16_t port,
                                        std::string_view secret) {
  if (advertise.empty()) return s3::Endpoint{s3::Scheme::kHttp, std::string(listen_host), port};
  auto endpoint = s3::ParseEndpoint(advertise);
  if (!endpoint) return std::unexpected(std::move(endpoint).error().Annotate("server.advertise"));
  if (IsLoopback(endpoint->host) || !secret.empty()) return endpoint;
  return std::unexpected(
      InvalidArgument("server.advertise is '" + std::string(advertise) +
                      "', which other machines can reach: set server.forward_secret_file, the same on "
                      "all nodes"));
}

std::string DefaultNodeName(std::string_view host, std::string_view data_dir) {
  std::string name;
  for (const char c : host.substr(0, kHostBytesMax)) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    name.push_back(fits ? c : '-');
  }
  if (name.empty() || name.front() == '-') name.insert(0, "node");
  return name + "-" + Sha256Hex(data_dir).substr(0, 8);
}

}  // namespace akidb
