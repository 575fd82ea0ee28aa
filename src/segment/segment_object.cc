#include "segment/segment_object.h"

#include <algorithm>
#include <cstring>

#include "segment/block_codec.h"

namespace akidb {

Status SegmentObject::Denied(Status status) const {
  switch (status.code()) {
    case StatusCode::kOk:
    case StatusCode::kCancelled:
    case StatusCode::kDeadlineExceeded:
    case StatusCode::kDataLoss:
    case StatusCode::kResourceExhausted: return std::move(status).Annotate("segment " + key_);
    case StatusCode::kOutOfRange: return Broken("the object is shorter than the manifest or its directory says");
    default: return Unavailable("segment " + key_ + " cannot be read: " + status.ToString());
  }
}

Status SegmentObject::Named(Status status) const { return std::move(status).Annotate("segment " + key_); }

Result<uint64_t> SegmentObject::Size(OpContext& ctx) const {
  Result<ObjectMeta> meta = store_->Head(ctx, key_);
  if (!meta) return std::unexpected(Denied(std::move(meta).error()));
  return meta->size_bytes;
}

Status SegmentObject::Read(OpContext& ctx, ByteRange range, char* out) const {
  return Denied(store_->GetRange(ctx, key_, range, version_id_, out));
}

Result<SegmentObject::Footer> SegmentObject::ReadFooter(OpContext& ctx, ByteRange hint) const {
  Footer footer{.directory = {}, .range = hint};
  if (hint.size() == 0) {
    AKI_ASSIGN_OR_RETURN(const uint64_t object_bytes, Size(ctx));
    if (object_bytes < kSegmentHeaderBytes + kSegmentTrailerBytes)
      return std::unexpected(Broken("too short to be a segment"));
    std::string trailer(kSegmentTrailerBytes, '\0');
    AKI_RETURN_IF_ERROR(Read(ctx, {object_bytes - kSegmentTrailerBytes, object_bytes}, trailer.data()));
    const Result<uint64_t> footer_offset = DecodeSegmentTrailer(trailer, object_bytes);
    if (!footer_offset) return std::unexpected(Named(footer_offset.error()));
    footer.range = {*footer_offset, object_bytes};
  }
  if (footer.range.size() > kSegmentFooterBytesMax) return std::unexpected(Broken("footer is larger than 1 GiB"));
  std::string bytes(footer.range.size(), '\0');
  AKI_RETURN_IF_ERROR(Read(ctx, footer.range, bytes.data()));
  Result<SegmentFooter> directory = DecodeSegmentFooter(bytes, footer.range.begin);
  if (!directory) return std::unexpected(Named(std::move(directory).error()));
  footer.directory = std::move(*directory);
  return footer;
}

Status SegmentObject::Unpack(SegmentSection section, uint32_t block_number, const SegmentBlock& block,
                             std::string_view stored, char* raw) const {
  const bool intact = BlockChecksum(section, block_number, stored) == block.checksum;
  if (intact && UnpackBlock(block, stored, raw)) return OkStatus();
  return Broken("section " + std::string(SectionName(section)) + " block " + std::to_string(block_number) +
                (intact ? " does not decompress" : ": checksum mismatch"));
}

Result<std::string_view> ObjectStream::Next(OpContext& ctx, uint64_t size) {
  const size_t left = buffer_.size() - consumed_;
  if (size > left) {
    if (size - left > range_.size()) return std::unexpected(object_.Broken("sections reach beyond their end"));
    buffer_.erase(0, consumed_);
    consumed_ = 0;
    while (buffer_.size() < size) {
      const uint64_t fetch = std::min(range_.size(), kSegmentReadBytesMax);
      const size_t old_size = buffer_.size();
      buffer_.resize(old_size + fetch);
      AKI_RETURN_IF_ERROR(object_.Read(ctx, {range_.begin, range_.begin + fetch}, buffer_.data() + old_size));
      range_.begin += fetch;
    }
  }
  const std::string_view out = std::string_view(buffer_).substr(consumed_, size);
  consumed_ += size;
  return out;
}

Status ObjectStream::SkipZeros(OpContext& ctx, uint64_t offset) {
  AKI_ASSIGN_OR_RETURN(const std::string_view padding, Next(ctx, offset - position()));
  return padding.find_first_not_of('\0') == std::string_view::npos
             ? OkStatus()
             : object_.Broken("padding before byte " + std::to_string(offset) + " is not zero");
}

}  // namespace akidb
