// SHA-256 against published digests, and what is computed in pairs against OpenSSL.
#include "base/hash.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace akidb {
namespace {

std::string Pattern(size_t size) {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>((i * 2654435761u) >> 13);
  return out;
}

TEST(Sha256Test, AgreesWithPublishedDigests) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256Hex(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, IsTheSameForEveryLengthAndEveryCut) {
  for (size_t size = 0; size <= 260; ++size) {
    const std::string data = Pattern(size);
    for (const size_t cut : {size / 3, size / 2, size - size / 5}) {
      Sha256 hash(Sha256::Code::kPaired);
      hash.Update(std::string_view(data).substr(0, cut));
      hash.Update(std::string_view(data).substr(cut));
      EXPECT_EQ(hash.HexDigest(), Sha256Hex(data)) << size << " cut at " << cut;
    }
  }
}

TEST(Sha256Test, OfTwoThatBeganAtDifferentPlacesEachIsItsOwn) {
  const std::string data = Pattern(5000);
  const std::string_view all = data;
  for (const auto code : {Sha256::Code::kPaired, Sha256::Code::kOpenSsl}) {
    for (const size_t begin : {size_t{0}, size_t{1}, size_t{63}, size_t{64}, size_t{128}, size_t{1000}}) {
      for (const size_t step : {size_t{1}, size_t{64}, size_t{100}, size_t{4000}}) {
        Sha256 whole(Sha256::Code::kPaired);
        Sha256 part(code);
        whole.Update(all.substr(0, begin));
        for (size_t at = begin; at < all.size(); at += step) Sha256::UpdateBoth(whole, part, all.substr(at, step));
        EXPECT_EQ(whole.HexDigest(), Sha256Hex(all)) << begin << " by " << step;
        EXPECT_EQ(part.HexDigest(), Sha256Hex(all.substr(begin))) << begin << " by " << step;
      }
    }
  }
}

TEST(Sha256Test, DigestAndHexDigestSayTheSame) {
  Sha256 hash;
  hash.Update("abc");
  const auto digest = hash.Digest();
  EXPECT_EQ(digest.front(), 0xba);
  EXPECT_EQ(digest.back(), 0xad);
}

}  // namespace
}  // namespace akidb
