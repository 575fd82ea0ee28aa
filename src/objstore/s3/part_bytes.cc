#include "objstore/s3/part_bytes.h"

#include <algorithm>
#include <utility>

namespace akidb::s3 {

void PartBytes::Hash(std::string_view bytes, Sha256* whole) {
  if (hashed_ != size()) return whole->Update(bytes);
  Sha256::UpdateBoth(*whole, sha256_, bytes);
  hashed_ += bytes.size();
}

Digest PartBytes::TakeSha256() {
  sha256_.Update(kept_.substr(std::min(hashed_, kept_.size())));
  sha256_.Update(std::string_view(copy_).substr(hashed_ - std::min(hashed_, kept_.size())));
  return sha256_.Digest();
}

void PartBytes::Append(std::string_view bytes, size_t size_max) {
  constexpr size_t kSmallBytes = 64u << 10;
  // A small object leaves in one piece.
  if (copy_.empty() && kept_.size() + bytes.size() <= kSmallBytes) copy_.assign(std::exchange(kept_, {}));
  const size_t copied_max = size_max - kept_.size();
  if (copy_.capacity() < copied_max && copy_.size() + bytes.size() > kSmallBytes) copy_.reserve(copied_max);
  copy_.append(bytes);
}

void PartBytes::AppendKept(std::string_view bytes, std::shared_ptr<const void> owner, size_t size_max) {
  if (size() == 0) {
    kept_ = bytes;
    owner_ = std::move(owner);
  } else if (copy_.empty() && owner_ == owner && kept_.data() + kept_.size() == bytes.data()) {
    kept_ = std::string_view(kept_.data(), kept_.size() + bytes.size());
  } else {
    Append(bytes, size_max);
  }
}

}  // namespace akidb::s3
