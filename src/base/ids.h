// Strong types for the numbers that must not be swapped, and half-open byte ranges.
//
// Threads: values.
// Errors:  none.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

namespace akidb {

// An integer that only compares with its own kind.
template <class Tag, class T>
class StrongInt {
 public:
  using value_type = T;
  constexpr StrongInt() = default;
  constexpr explicit StrongInt(T v) : value_(v) {}
  constexpr T value() const { return value_; }
  constexpr auto operator<=>(const StrongInt&) const = default;
  constexpr StrongInt Next() const { return StrongInt(value_ + 1); }
  static constexpr StrongInt Max() { return StrongInt(std::numeric_limits<T>::max()); }

 private:
  T value_ = 0;
};

// Names a collection for ever; minted at creation, never reused.
using CollectionId = StrongInt<struct CollectionIdTag, uint64_t>;
// Log sequence number: one counter a node, strictly increasing in commit order. 0 means "before everything".
using Lsn = StrongInt<struct LsnTag, uint64_t>;
// Generation of a collection's writer; every process start that writes takes a new one.
using Epoch = StrongInt<struct EpochTag, uint64_t>;
// Number of a log object in its epoch's stream on a bucket; the first is 1.
using WalSequence = StrongInt<struct WalSequenceTag, uint64_t>;
// Version of a manifest or catalog; the first is 1.
using ManifestVersion = StrongInt<struct ManifestVersionTag, uint64_t>;
// Number of a row inside its segment.
using RowIndex = uint32_t;

struct ByteRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  constexpr uint64_t size() const { return end - begin; }
  constexpr bool operator==(const ByteRange&) const = default;
};

}  // namespace akidb

template <class Tag, class T>
struct std::hash<akidb::StrongInt<Tag, T>> {
  size_t operator()(akidb::StrongInt<Tag, T> v) const noexcept { return std::hash<T>()(v.value()); }
};
