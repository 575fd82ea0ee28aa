#include "engine/written_bytes.h"

#include <algorithm>

#include "objstore/kept_bytes.h"

namespace akidb {

class WrittenBytes::Writer final : public ObjectWriter, public KeptBytesWriter {
 public:
  Writer(WrittenBytes& owner, std::unique_ptr<ObjectWriter> writer) : owner_(owner), writer_(std::move(writer)) {}
  Status Append(OpContext& ctx, std::string_view bytes) override {
    owner_.Remember(bytes);
    return writer_->Append(ctx, bytes);
  }
  Status AppendKept(OpContext& ctx, const KeptBytes& kept) override {
    if (kept.owner) {
      owner_.RememberKept(kept.bytes, kept.owner);
    } else {
      owner_.Remember(kept.bytes);
    }
    return akidb::AppendKept(ctx, *writer_, kept);
  }
  Result<ObjectMeta> Commit(OpContext& ctx, const PutCondition& condition) override {
    auto committed = writer_->Commit(ctx, condition);
    if (!committed) owner_.Forget();
    if (committed) owner_.version_id_ = committed->version_id;
    return committed;
  }

 private:
  WrittenBytes& owner_;
  std::unique_ptr<ObjectWriter> writer_;
};

Result<std::unique_ptr<ObjectWriter>> WrittenBytes::OpenWriter(OpContext& ctx, const std::string& key) {
  AKI_ASSIGN_OR_RETURN(std::unique_ptr<ObjectWriter> writer, store_->OpenWriter(ctx, key));
  Forget();
  key_ = written_key_ = key;
  version_id_.clear();
  return std::make_unique<Writer>(*this, std::move(writer));
}

bool WrittenBytes::MakeRoom(size_t bytes) {
  if (!key_.empty() && size_bytes_ + bytes > bytes_max_) Forget();
  return !key_.empty();
}

void WrittenBytes::Remember(std::string_view bytes) {
  if (!MakeRoom(bytes.size())) return;
  while (!bytes.empty()) {
    if (chunks_.empty() || chunks_.back().owner || chunks_.back().copy.size() == kChunkBytes) {
      // The first one grows with what it holds, because most objects are of a few rows.
      const bool goes_on = !chunks_.empty() && !chunks_.back().owner;
      chunks_.push_back({.begin = size_bytes_, .copy = {}, .kept = {}, .owner = nullptr});
      if (goes_on) chunks_.back().copy.reserve(kChunkBytes);
    }
    std::string& chunk = chunks_.back().copy;
    const size_t taken = std::min(bytes.size(), kChunkBytes - chunk.size());
    chunk += bytes.substr(0, taken);
    bytes.remove_prefix(taken);
    size_bytes_ += taken;
  }
}

void WrittenBytes::RememberKept(std::string_view bytes, std::shared_ptr<const void> owner) {
  if (bytes.empty() || !MakeRoom(bytes.size())) return;
  chunks_.push_back({.begin = size_bytes_, .copy = {}, .kept = bytes, .owner = std::move(owner)});
  size_bytes_ += bytes.size();
}

Status WrittenBytes::GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                              char* out) {
  if (key_ != key || range.begin > range.end || range.end > size_bytes_) {
    const bool written = version_id.empty() && key == written_key_;
    return store_->GetRange(ctx, key, range, written ? version_id_ : version_id, out);
  }
  auto chunk = std::ranges::upper_bound(chunks_, range.begin, {}, &Chunk::begin);
  for (uint64_t at = range.begin; at < range.end; ++chunk) {
    const Chunk& from = *std::prev(chunk);
    const size_t copied = from.bytes().copy(out, range.end - at, at - from.begin);
    out += copied;
    at += copied;
  }
  return OkStatus();
}

void WrittenBytes::Forget() {
  key_.clear();
  chunks_ = {};
  size_bytes_ = 0;
}

}  // namespace akidb
