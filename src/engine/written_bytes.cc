#include "engine/written_bytes.h"

#include <algorithm>

namespace akidb {

class WrittenBytes::Writer final : public ObjectWriter {
 public:
  Writer(WrittenBytes& owner, std::unique_ptr<ObjectWriter> writer) : owner_(owner), writer_(std::move(writer)) {}
  Status Append(OpContext& ctx, std::string_view bytes) override {
    owner_.Remember(bytes);
    return writer_->Append(ctx, bytes);
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

void WrittenBytes::Remember(std::string_view bytes) {
  if (key_.empty()) return;
  if (size_bytes_ + bytes.size() > bytes_max_) return Forget();
  size_bytes_ += bytes.size();
  while (!bytes.empty()) {
    if (chunks_.empty() || chunks_.back().size() == kChunkBytes) {
      // The first one grows with what it holds, because most objects are of a few rows.
      if (chunks_.empty())
        chunks_.emplace_back();
      else
        chunks_.emplace_back().reserve(kChunkBytes);
    }
    std::string& chunk = chunks_.back();
    const size_t taken = std::min(bytes.size(), kChunkBytes - chunk.size());
    chunk += bytes.substr(0, taken);
    bytes.remove_prefix(taken);
  }
}

Status WrittenBytes::GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                              char* out) {
  if (key_ != key || range.begin > range.end || range.end > size_bytes_) {
    const bool written = version_id.empty() && key == written_key_;
    return store_->GetRange(ctx, key, range, written ? version_id_ : version_id, out);
  }
  for (uint64_t at = range.begin; at < range.end;) {
    const std::string& chunk = chunks_[at / kChunkBytes];
    const size_t copied = chunk.copy(out, range.end - at, at % kChunkBytes);
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
