#include "objstore/s3/uri.h"

#include <charconv>

namespace akidb::s3 {
namespace {

constexpr char kHex[] = "0123456789ABCDEF";

bool IsUnreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

uint16_t DefaultPort(Scheme scheme) { return scheme == Scheme::kHttps ? 443 : 80; }

bool IsHostByte(char c, bool bracketed) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || (bracketed && c == ':');
}

}  // namespace

std::string UriEncode(std::string_view text, Slash slash) {
  std::string out;
  out.reserve(text.size() + 16);
  for (const char c : text) {
    if (IsUnreserved(c) || (c == '/' && slash == Slash::kKeep)) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  return out;
}

std::optional<std::string> UriDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out.push_back(' ');
    } else if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = HexValue(text[i + 1]);
      const int low = HexValue(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::string Endpoint::HostHeader() const {
  std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != DefaultPort(scheme)) out += ":" + std::to_string(port);
  return out;
}

std::string Endpoint::Url() const {
  const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return (scheme == Scheme::kHttps ? "https://" : "http://") + shown + ":" + std::to_string(port);
}

Result<Endpoint> ParseEndpoint(std::string_view url) {
  std::string_view rest = url;
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const size_t scheme_end = rest.find("://");
  if (scheme_end != std::string_view::npos && rest.find_first_of("/?#", scheme_end + 3) != std::string_view::npos) {
    return std::unexpected(InvalidArgument("endpoint '" + std::string(url.substr(0, 128)) +
                                           "' has a path; expected http://HOST:PORT or https://HOST:PORT"));
  }
  return EndpointOfUrl(rest);
}

Result<Endpoint> EndpointOfUrl(std::string_view url) {
  const Status bad = InvalidArgument("endpoint '" + std::string(url.substr(0, 128)) +
                                     "': expected http://HOST:PORT or https://HOST:PORT");
  Endpoint endpoint;
  std::string_view rest = url;
  if (rest.starts_with("http://")) {
    endpoint.scheme = Scheme::kHttp;
    rest.remove_prefix(7);
  } else if (rest.starts_with("https://")) {
    endpoint.scheme = Scheme::kHttps;
    rest.remove_prefix(8);
  } else {
    return std::unexpected(bad);
  }
  rest = rest.substr(0, rest.find_first_of("/?#"));
  endpoint.port = DefaultPort(endpoint.scheme);
  const bool bracketed = rest.starts_with('[');
  const size_t host_end = bracketed ? rest.find(']') : rest.find(':');
  if (bracketed && host_end == std::string_view::npos) return std::unexpected(bad);
  std::string_view host = bracketed ? rest.substr(1, host_end - 1) : rest.substr(0, host_end);
  std::string_view after;
  if (host_end != std::string_view::npos) after = rest.substr(bracketed ? host_end + 1 : host_end);
  if (host.empty() || host.size() > 253) return std::unexpected(bad);
  for (const char c : host) {
    if (!IsHostByte(c, bracketed)) return std::unexpected(bad);
  }
  if (!after.empty()) {
    if (!after.starts_with(':')) return std::unexpected(bad);
    after.remove_prefix(1);
    const auto [end, error] = std::from_chars(after.data(), after.data() + after.size(), endpoint.port);
    if (error != std::errc() || end != after.data() + after.size() || endpoint.port == 0) return std::unexpected(bad);
  }
  endpoint.host = host;
  return endpoint;
}

}  // namespace akidb::s3
