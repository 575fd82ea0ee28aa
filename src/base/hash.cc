#include "base/hash.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/sha256_blocks.h"

namespace akidb {
namespace {

// Fetched once: implicit fetches take a lock in OpenSSL 3.0 (openssl#17064).
const EVP_MD* Sha256Md() {
  static EVP_MD* md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  AKI_CHECK(md != nullptr);
  return md;
}

const unsigned char* Bytes(std::string_view data) { return reinterpret_cast<const unsigned char*>(data.data()); }

}  // namespace

uint64_t Xxh3(std::string_view data, uint64_t seed) { return XXH3_64bits_withSeed(data.data(), data.size(), seed); }

struct Sha256::State {
  EVP_MD_CTX* ctx = nullptr;  // null: the instructions of the CPU
  internal::Sha256Words words = internal::kSha256Begin;
  std::array<unsigned char, internal::kSha256BlockBytes> begun{};  // of a block that is not whole yet
  size_t begun_bytes = 0;
  uint64_t size_bytes = 0;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(ctx); }

  // Takes from `data` what completes the block that was begun, or all of it.
  void Complete(std::string_view* data) {
    if (begun_bytes == 0) return;
    const size_t taken = std::min(begun.size() - begun_bytes, data->size());
    Keep(data->substr(0, taken));
    data->remove_prefix(taken);
    if (begun_bytes < begun.size()) return;
    internal::Sha256Blocks(&words, begun.data(), 1);
    begun_bytes = 0;
  }
  void Keep(std::string_view data) {
    if (!data.empty()) std::memcpy(begun.data() + begun_bytes, data.data(), data.size());
    begun_bytes += data.size();
  }
  std::array<unsigned char, 32> Finish() {
    const uint64_t bits = std::byteswap(size_bytes * 8);
    std::array<unsigned char, 2 * internal::kSha256BlockBytes> end{};
    std::memcpy(end.data(), begun.data(), begun_bytes);
    end[begun_bytes] = 0x80;
    const size_t blocks = begun_bytes + 1 + sizeof(bits) <= begun.size() ? 1 : 2;
    std::memcpy(end.data() + blocks * begun.size() - sizeof(bits), &bits, sizeof(bits));
    internal::Sha256Blocks(&words, end.data(), blocks);
    std::array<unsigned char, 32> digest{};
    for (size_t i = 0; i < words.size(); ++i) {
      const uint32_t word = std::byteswap(words[i]);
      std::memcpy(digest.data() + i * sizeof(word), &word, sizeof(word));
    }
    return digest;
  }
};

Sha256::Sha256(Code code) : state_(std::make_unique<State>()) {
  if (code == Code::kPaired && internal::CpuHasSha256()) return;
  state_->ctx = EVP_MD_CTX_new();
  AKI_CHECK(state_->ctx != nullptr && EVP_DigestInit_ex2(state_->ctx, Sha256Md(), nullptr) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::Update(std::string_view data) {
  State& state = *state_;
  if (state.ctx != nullptr) {
    AKI_CHECK(EVP_DigestUpdate(state.ctx, data.data(), data.size()) == 1);
    return;
  }
  state.size_bytes += data.size();
  state.Complete(&data);
  const size_t blocks = data.size() / internal::kSha256BlockBytes;
  internal::Sha256Blocks(&state.words, Bytes(data), blocks);
  state.Keep(data.substr(blocks * internal::kSha256BlockBytes));
}

void Sha256::UpdateBoth(Sha256& one, Sha256& other, std::string_view data) {
  State& a = *one.state_;
  State& b = *other.state_;
  // Blocks are shared where they begin at the same bytes.
  if (a.ctx != nullptr || b.ctx != nullptr || a.begun_bytes != b.begun_bytes) {
    one.Update(data);
    other.Update(data);
    return;
  }
  a.size_bytes += data.size();
  b.size_bytes += data.size();
  std::string_view rest = data;
  a.Complete(&rest);
  b.Complete(&data);
  const size_t blocks = rest.size() / internal::kSha256BlockBytes;
  internal::Sha256BlocksOfTwo(&a.words, &b.words, Bytes(rest), blocks);
  rest.remove_prefix(blocks * internal::kSha256BlockBytes);
  a.Keep(rest);
  b.Keep(rest);
}

std::array<unsigned char, 32> Sha256::Digest() {
  if (state_->ctx == nullptr) return state_->Finish();
  std::array<unsigned char, 32> digest{};
  AKI_CHECK(EVP_DigestFinal_ex(state_->ctx, digest.data(), nullptr) == 1);
  return digest;
}

std::string Sha256::HexDigest() {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(64);
  for (const unsigned char byte : Digest()) {
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
