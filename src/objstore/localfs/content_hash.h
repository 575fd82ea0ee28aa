// The etag of the local-directory store: a hash of an object's bytes and length that can be computed piece by piece.
// XXH3 is enough, because the directory has one owner and nobody gains by a collision with an own object.
//
// Threads: one object, one thread.
// Errors:  none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/hash.h"

namespace akidb {

// Bytes are taken in pieces of this size, so that every way of reading an object gives the same hash.
inline constexpr size_t kHashPieceBytes = 1 << 20;

class ContentHash {
 public:
  // Every piece but the last has kHashPieceBytes.
  void AddPiece(std::string_view piece) {
    hash_ = Xxh3(piece, hash_);
    size_bytes_ += piece.size();
  }

  void AddAll(std::string_view bytes) {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(kHashPieceBytes, bytes.size()))) {
      AddPiece(bytes.substr(0, kHashPieceBytes));
    }
  }

  uint64_t size_bytes() const { return size_bytes_; }

  // "<16 hexadecimal digits>-<size>".
  std::string Etag() const {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string etag;
    for (int shift = 60; shift >= 0; shift -= 4) etag.push_back(kDigits[hash_ >> shift & 15]);
    return etag + "-" + std::to_string(size_bytes_);
  }

 private:
  uint64_t hash_ = 0;
  uint64_t size_bytes_ = 0;
};

}  // namespace akidb
