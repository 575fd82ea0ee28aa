#include "objstore/s3/sigv4.h"

#include <algorithm>

#include "objstore/s3/uri.h"

namespace akidb::s3 {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

// A header's value as it is signed: trimmed, runs of spaces as one.
void AppendTrimmed(std::string_view value, std::string* out) {
  const size_t begin = value.find_first_not_of(' ');
  if (begin == std::string_view::npos) return;
  value = value.substr(begin, value.find_last_not_of(' ') + 1 - begin);
  char last = 0;
  for (const char c : value) {
    if (c != ' ' || last != ' ') out->push_back(c);
    last = c;
  }
}

std::vector<const std::pair<std::string, std::string>*> Sorted(const NameValues& headers) {
  std::vector<const std::pair<std::string, std::string>*> out;
  out.reserve(headers.size());
  for (const auto& header : headers) out.push_back(&header);
  std::ranges::sort(out, {}, [](const auto* header) -> const std::string& { return header->first; });
  return out;
}

std::string SignedHeaders(const NameValues& headers) {
  std::string out;
  for (const auto* header : Sorted(headers)) {
    if (!out.empty()) out.push_back(';');
    out += header->first;
  }
  return out;
}

}  // namespace

std::string CanonicalQuery(const NameValues& query) {
  NameValues encoded;
  encoded.reserve(query.size());
  for (const auto& [name, value] : query) {
    encoded.emplace_back(UriEncode(name, Slash::kEncode), UriEncode(value, Slash::kEncode));
  }
  std::ranges::sort(encoded);
  std::string out;
  for (const auto& [name, value] : encoded) {
    if (!out.empty()) out.push_back('&');
    out.append(name).append("=").append(value);
  }
  return out;
}

std::string CanonicalRequest(const SignedRequest& request) {
  std::string out;
  out.reserve(512);
  out.append(request.method).append("\n").append(request.path).append("\n").append(request.query).append("\n");
  for (const auto* header : Sorted(request.headers)) {
    out.append(header->first).append(":");
    AppendTrimmed(header->second, &out);
    out.push_back('\n');
  }
  out.append("\n").append(SignedHeaders(request.headers)).append("\n").append(request.payload_hash);
  return out;
}

std::string Signer::Sign(const Credentials& credentials, std::string_view amz_date, const SignedRequest& request) {
  const std::string_view day = amz_date.substr(0, 8);
  std::string scope(day);
  scope.append("/").append(region_).append("/").append(service_).append("/aws4_request");
  std::string to_sign(kAlgorithm);
  to_sign.append("\n").append(amz_date).append("\n").append(scope).append("\n");
  to_sign += Hex(AsBytes(Sha256Of(CanonicalRequest(request))));
  const Digest key = KeyFor(credentials, day);
  std::string out(kAlgorithm);
  out.append(" Credential=").append(credentials.access_key).append("/").append(scope);
  out.append(", SignedHeaders=").append(SignedHeaders(request.headers));
  out.append(", Signature=").append(Hex(AsBytes(HmacSha256(AsBytes(key), to_sign))));
  return out;
}

Digest Signer::KeyFor(const Credentials& credentials, std::string_view day) {
  const MutexLock lock(mutex_);
  if (cached_day_ != day || cached_secret_ != credentials.secret_key) {
    Digest key = HmacSha256("AWS4" + credentials.secret_key, day);
    key = HmacSha256(AsBytes(key), region_);
    key = HmacSha256(AsBytes(key), service_);
    cached_key_ = HmacSha256(AsBytes(key), "aws4_request");
    cached_day_ = day;
    cached_secret_ = credentials.secret_key;
  }
  return cached_key_;
}

}  // namespace akidb::s3
