// The object of one segment in the store, and reading it in order.
//
// Threads: SegmentObject is immutable and thread-safe; an ObjectStream belongs to one thread. Reads may block.
// Errors:  kUnavailable naming the segment when the store denies what a manifest names, whatever it answers (I11);
//          kDataLoss when the object is shorter than it must be; the store's own otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/context.h"
#include "base/ids.h"
#include "base/status.h"
#include "format/segment_format.h"
#include "objstore/object_store.h"

namespace akidb {

// One range GET carries at most this much.
inline constexpr uint64_t kSegmentReadBytesMax = 8ull << 20;

class SegmentObject {
 public:
  SegmentObject(std::shared_ptr<ObjectStore> store, std::string key, std::string version_id)
      : store_(std::move(store)), key_(std::move(key)), version_id_(std::move(version_id)) {}

  const std::string& key() const { return key_; }
  Result<uint64_t> Size(OpContext& ctx) const;
  // One request.
  Status Read(OpContext& ctx, ByteRange range, char* out) const;
  // Puts the segment's name before a decoding error.
  Status Named(Status status) const;
  Status Broken(const std::string& what) const { return DataLoss("segment " + key_ + ": " + what); }

  struct Footer {
    SegmentFooter directory;
    ByteRange range;
  };
  // Where the footer lies is known from a manifest (`hint`), or found through the trailer when `hint` is empty.
  Result<Footer> ReadFooter(OpContext& ctx, ByteRange hint) const;
  // Checks `stored` against the directory and unpacks it into `raw` (block.raw_bytes of room).
  Status Unpack(SegmentSection section, uint32_t block_number, const SegmentBlock& block, std::string_view stored,
                char* raw) const;

 private:
  Status Denied(Status status) const;

  std::shared_ptr<ObjectStore> store_;
  std::string key_;
  std::string version_id_;
};

// Runs `read`, and once more past every cache if the bytes were bad: they may have been damaged on their way here.
template <class Read>
auto ReadAgainIfBad(OpContext& ctx, const Read& read) -> decltype(read()) {
  auto first = read();
  if (first || first.error().code() != StatusCode::kDataLoss) return first;
  const ReadFromStore proof(ctx);
  return read();
}

// Bytes [begin, end) of an object from front to back, fetched in large ranges.
class ObjectStream {
 public:
  ObjectStream(const SegmentObject& object, ByteRange range) : object_(object), range_(range) {}

  uint64_t position() const { return range_.begin - (buffer_.size() - consumed_); }
  // A view of the next `size` bytes, valid until the next call.
  Result<std::string_view> Next(OpContext& ctx, uint64_t size);
  // The bytes up to `offset` must be padding: zeros.
  Status SkipZeros(OpContext& ctx, uint64_t offset);

 private:
  const SegmentObject& object_;
  ByteRange range_;  // not fetched yet
  std::string buffer_;
  size_t consumed_ = 0;
};

}  // namespace akidb
