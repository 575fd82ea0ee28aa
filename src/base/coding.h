// Little-endian integers to and from bytes, and a reader that never runs past the end.
//
// Threads: values.
// Errors:  ByteReader turns false at the first short read and stays false.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace akidb {

static_assert(std::endian::native == std::endian::little, "the formats are little-endian; add swaps before porting");

template <class T>
  requires std::integral<T> || std::floating_point<T>
void PutLe(std::string* out, std::type_identity_t<T> value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out->append(bytes, sizeof(T));
}

// Reads a T at `p`, which need not be aligned.
template <class T>
T GetLe(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

class ByteReader {
 public:
  explicit ByteReader(std::string_view data) : data_(data) {}

  bool ok() const { return ok_; }
  size_t remaining() const { return data_.size() - position_; }
  size_t position() const { return position_; }

  template <class T>
  T Read() {
    const std::string_view bytes = Bytes(sizeof(T));
    return ok_ ? GetLe<T>(bytes.data()) : T{};
  }
  // A view of the next `size` bytes; empty, and !ok(), if there are fewer.
  std::string_view Bytes(uint64_t size) {
    if (!ok_ || size > remaining()) {
      ok_ = false;
      return {};
    }
    const std::string_view out = data_.substr(position_, size);
    position_ += size;
    return out;
  }

 private:
  std::string_view data_;
  size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace akidb
