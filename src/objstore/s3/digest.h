// SHA-256, HMAC-SHA-256 and base64, as raw bytes: what signing and checksum headers are made of.
//
// Threads: pure functions; OpenSSL's algorithms are fetched once, its contexts are per thread.
// Errors:  none.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace akidb::s3 {

using Digest = std::array<unsigned char, 32>;

Digest Sha256Of(std::string_view data);
Digest HmacSha256(std::string_view key, std::string_view data);
inline std::string_view AsBytes(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string Hex(std::string_view bytes);
std::string Base64(std::string_view bytes);

// The MD5 of `data` and what follows it in base64: Content-MD5, which bucket settings need on stores without newer
// checksums.
std::string Md5Base64(std::string_view data, std::string_view rest = {});

// SHA-256 of nothing, in hexadecimal.
inline constexpr std::string_view kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

}  // namespace akidb::s3
