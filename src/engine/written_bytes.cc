#include "engine/written_bytes.h"

namespace akidb {

class WrittenBytes::Writer final : public ObjectWriter {
 public:
  Writer(WrittenBytes& owner, std::unique_ptr<ObjectWriter> writer) : owner_(owner), writer_(std::move(writer)) {}
  Status Append(OpContext& ctx, std::string_view bytes) override {
    if (owner_.bytes_.size() + bytes.size() > kBytesMax) owner_.Forget();
    if (!owner_.key_.empty()) owner_.bytes_ += bytes;
    return writer_->Append(ctx, bytes);
  }
  Result<ObjectMeta> Commit(OpContext& ctx, const PutCondition& condition) override {
    auto committed = writer_->Commit(ctx, condition);
    if (!committed) owner_.Forget();
    return committed;
  }

 private:
  WrittenBytes& owner_;
  std::unique_ptr<ObjectWriter> writer_;
};

Result<std::unique_ptr<ObjectWriter>> WrittenBytes::OpenWriter(OpContext& ctx, const std::string& key) {
  AKI_ASSIGN_OR_RETURN(std::unique_ptr<ObjectWriter> writer, store_->OpenWriter(ctx, key));
  Forget();
  key_ = key;
  return std::make_unique<Writer>(*this, std::move(writer));
}

Status WrittenBytes::GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                              char* out) {
  if (key_ != key || range.begin > range.end || range.end > bytes_.size()) {
    return store_->GetRange(ctx, key, range, version_id, out);
  }
  bytes_.copy(out, range.size(), range.begin);
  return OkStatus();
}

void WrittenBytes::Forget() {
  key_.clear();
  bytes_.clear();
  bytes_.shrink_to_fit();
}

}  // namespace akidb
