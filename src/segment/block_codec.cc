#include "segment/block_codec.h"

#include <zstd.h>

#include <cstring>

#include "base/check.h"

namespace akidb {

struct BlockPacker::Context {
  ZSTD_CCtx* zstd = ZSTD_createCCtx();
  ~Context() { ZSTD_freeCCtx(zstd); }
};

BlockPacker::BlockPacker(int zstd_level) : context_(std::make_unique<Context>()), level_(zstd_level) {
  AKI_CHECK(context_->zstd != nullptr);
}
BlockPacker::~BlockPacker() = default;

std::string_view BlockPacker::Pack(std::string_view raw, SegmentBlock* block) {
  AKI_CHECK(raw.size() <= kSegmentBlockBytesMax);
  packed_.resize(ZSTD_compressBound(raw.size()));
  const size_t size = ZSTD_compressCCtx(context_->zstd, packed_.data(), packed_.size(), raw.data(), raw.size(), level_);
  AKI_CHECK(ZSTD_isError(size) == 0);
  // Less than an eighth saved is not worth decompressing at every read.
  const bool pays = size < raw.size() - raw.size() / 8;
  const std::string_view stored = pays ? std::string_view(packed_).substr(0, size) : raw;
  block->codec = pays ? BlockCodec::kZstd : BlockCodec::kRaw;
  block->raw_bytes = static_cast<uint32_t>(raw.size());
  block->stored_bytes = static_cast<uint32_t>(stored.size());
  return stored;
}

bool UnpackBlock(const SegmentBlock& block, std::string_view stored, char* raw) {
  if (stored.size() != block.stored_bytes) return false;
  if (block.codec == BlockCodec::kRaw) {
    std::memcpy(raw, stored.data(), stored.size());
    return true;
  }
  struct Decompressor {
    ZSTD_DCtx* zstd = ZSTD_createDCtx();
    ~Decompressor() { ZSTD_freeDCtx(zstd); }
  };
  thread_local Decompressor decompressor;
  AKI_CHECK(decompressor.zstd != nullptr);
  return ZSTD_decompressDCtx(decompressor.zstd, raw, block.raw_bytes, stored.data(), stored.size()) == block.raw_bytes;
}

}  // namespace akidb
