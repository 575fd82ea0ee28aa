#include "base/random.h"

#include <sys/random.h>

#include <atomic>

#include "base/check.h"

namespace akidb {
namespace {

class SplitMix64 final : public Random {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}
  uint64_t Next() override {
    constexpr uint64_t kGamma = 0x9E3779B97F4A7C15;
    uint64_t z = state_.fetch_add(kGamma, std::memory_order_relaxed) + kGamma;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }

 private:
  std::atomic<uint64_t> state_;
};

}  // namespace

std::string Random::Hex(int digits) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  uint64_t bits = 0;
  for (int i = 0; i < digits; ++i) {
    if (i % 16 == 0) bits = Next();
    out.push_back(kDigits[bits & 15]);
    bits >>= 4;
  }
  return out;
}

std::unique_ptr<Random> NewSeededRandom(uint64_t seed) { return std::make_unique<SplitMix64>(seed); }

std::unique_ptr<Random> NewSystemRandom() {
  uint64_t seed = 0;
  AKI_CHECK(getrandom(&seed, sizeof(seed), 0) == sizeof(seed));
  return NewSeededRandom(seed);
}

}  // namespace akidb
