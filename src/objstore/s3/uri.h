// The parts of a URL that an S3 request is made of: percent-encoding as SigV4 demands it, and endpoints.
//
// Threads: pure functions.
// Errors:  kInvalidArgument naming the text and what was expected.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace akidb::s3 {

// Whether '/' stays as it is (paths) or is encoded too (query names and values).
enum class Slash : uint8_t { kKeep, kEncode };

// Everything but A-Z a-z 0-9 - . _ ~ becomes %XX with upper-case digits.
std::string UriEncode(std::string_view text, Slash slash);
// %XX and '+' (a space) to bytes; nullopt for a broken escape.
std::optional<std::string> UriDecode(std::string_view text);

enum class Scheme : uint8_t { kHttp, kHttps };

// Where a store listens.
struct Endpoint {
  Scheme scheme = Scheme::kHttp;
  std::string host;  // a name or an address, IPv6 without brackets
  uint16_t port = 0;

  // "host" or "host:port" as the Host header has it: without a port that is the scheme's own.
  std::string HostHeader() const;
  // "http://host:port".
  std::string Url() const;
  bool operator==(const Endpoint&) const = default;
};

// "http://HOST[:PORT]" or "https://HOST[:PORT]", without path, query or user.
Result<Endpoint> ParseEndpoint(std::string_view url);

// The endpoint at the front of an absolute URL such as a Location header has; its path is ignored.
Result<Endpoint> EndpointOfUrl(std::string_view url);

}  // namespace akidb::s3
