#include "objstore/s3/digest.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <memory>

#include "base/check.h"

namespace akidb::s3 {
namespace {

struct MdCtxFree {
  void operator()(EVP_MD_CTX* ctx) const { EVP_MD_CTX_free(ctx); }
};
struct MacCtxFree {
  void operator()(EVP_MAC_CTX* ctx) const { EVP_MAC_CTX_free(ctx); }
};

EVP_MD_CTX* ThreadMdCtx() {
  thread_local const std::unique_ptr<EVP_MD_CTX, MdCtxFree> ctx(EVP_MD_CTX_new());
  AKI_CHECK(ctx != nullptr);
  return ctx.get();
}

EVP_MAC_CTX* ThreadMacCtx() {
  static EVP_MAC* const mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  thread_local const std::unique_ptr<EVP_MAC_CTX, MacCtxFree> ctx([] {
    EVP_MAC_CTX* made = EVP_MAC_CTX_new(mac);
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_construct_end()};
    AKI_CHECK(made != nullptr && EVP_MAC_CTX_set_params(made, params) == 1);
    return made;
  }());
  return ctx.get();
}

}  // namespace

Digest Sha256Of(std::string_view data) {
  static EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  EVP_MD_CTX* const ctx = ThreadMdCtx();
  Digest out{};
  AKI_CHECK(EVP_DigestInit_ex2(ctx, md, nullptr) == 1 && EVP_DigestUpdate(ctx, data.data(), data.size()) == 1 &&
            EVP_DigestFinal_ex(ctx, out.data(), nullptr) == 1);
  return out;
}

Digest HmacSha256(std::string_view key, std::string_view data) {
  EVP_MAC_CTX* const ctx = ThreadMacCtx();
  // OpenSSL reads a null key as "the previous one".
  const unsigned char* const key_bytes = reinterpret_cast<const unsigned char*>(key.empty() ? "" : key.data());
  Digest out{};
  size_t size = 0;
  AKI_CHECK(EVP_MAC_init(ctx, key_bytes, key.size(), nullptr) == 1 &&
            EVP_MAC_update(ctx, reinterpret_cast<const unsigned char*>(data.data()), data.size()) == 1 &&
            EVP_MAC_final(ctx, out.data(), &size, out.size()) == 1 && size == out.size());
  return out;
}

std::string Hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

std::string Base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<size_t>(size));
  return out;
}

std::string Md5Base64(std::string_view data, std::string_view rest) {
  static EVP_MD* const md = EVP_MD_fetch(nullptr, "MD5", nullptr);
  EVP_MD_CTX* const ctx = ThreadMdCtx();
  std::array<char, 16> out{};
  AKI_CHECK(EVP_DigestInit_ex2(ctx, md, nullptr) == 1 && EVP_DigestUpdate(ctx, data.data(), data.size()) == 1 &&
            EVP_DigestUpdate(ctx, rest.data(), rest.size()) == 1 &&
            EVP_DigestFinal_ex(ctx, reinterpret_cast<unsigned char*>(out.data()), nullptr) == 1);
  return Base64({out.data(), out.size()});
}

}  // namespace akidb::s3
