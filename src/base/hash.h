// Checksums and digests: XXH3-64 against accidents, SHA-256 for the identity of objects.
//
// Threads: pure functions; Sha256 is one stream, one thread.
// Errors:  none.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace akidb {

// XXH3 64 bits; `seed` binds the checksum to a place (file number, block number) so that moved bytes do not pass.
uint64_t Xxh3(std::string_view data, uint64_t seed = 0);

// Incremental SHA-256 (FIPS 180-4).
class Sha256 {
 public:
  // OpenSSL's code, or ours for one of two that are given the same bytes, where the CPU has instructions for it
  // (docs/adr/0011-two-digests-in-one-pass.md).
  enum class Code { kOpenSsl, kPaired };
  explicit Sha256(Code code = Code::kOpenSsl);
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void Update(std::string_view data);
  // As if both were given `data`, at less than the cost of that if they are kPaired.
  static void UpdateBoth(Sha256& one, Sha256& other, std::string_view data);
  // Call one of them, once.
  std::array<unsigned char, 32> Digest();
  std::string HexDigest();  // 64 lower-case digits

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string Sha256Hex(std::string_view data);

}  // namespace akidb
