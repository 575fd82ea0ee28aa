#include "base/hash.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include "base/check.h"

namespace akidb {
namespace {

// Fetched once: implicit fetches take a lock in OpenSSL 3.0 (openssl#17064).
const EVP_MD* Sha256Md() {
  static EVP_MD* md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  AKI_CHECK(md != nullptr);
  return md;
}

}  // namespace

uint64_t Xxh3(std::string_view data, uint64_t seed) { return XXH3_64bits_withSeed(data.data(), data.size(), seed); }

struct Sha256::State {
  EVP_MD_CTX* ctx = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(ctx); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  AKI_CHECK(state_->ctx != nullptr && EVP_DigestInit_ex2(state_->ctx, Sha256Md(), nullptr) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::Update(std::string_view data) { AKI_CHECK(EVP_DigestUpdate(state_->ctx, data.data(), data.size()) == 1); }

std::string Sha256::HexDigest() {
  std::array<unsigned char, 32> digest{};
  AKI_CHECK(EVP_DigestFinal_ex(state_->ctx, digest.data(), nullptr) == 1);
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(64);
  for (const unsigned char byte : digest) {
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 15]);
  }
  return out;
}

std::string Sha256Hex(std::string_view data) {
  Sha256 hash;
  hash.Update(data);
  return hash.HexDigest();
}

}  // namespace akidb
