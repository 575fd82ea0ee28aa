// What was appended to an object and not sent yet: a run of bytes that somebody keeps for us, then a copy of what came
// after it; and the digest of its beginning.
//
// Threads: movable value, one thread at a time.
// Errors:  none.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "objstore/s3/digest.h"

namespace akidb::s3 {

class PartBytes {
 public:
  // Both together are the bytes.
  std::string_view kept() const { return kept_; }
  std::string_view copied() const { return copy_; }
  size_t size() const { return kept_.size() + copy_.size(); }

  // `bytes` are appended next, and `whole` wants them too.
  void Hash(std::string_view bytes, Sha256* whole);
  // Once.
  Digest TakeSha256();

  // At most `size_max` bytes are held.
  void Append(std::string_view bytes, size_t size_max);
  void AppendKept(std::string_view bytes, std::shared_ptr<const void> owner, size_t size_max);

 private:
  std::string_view kept_;
  std::shared_ptr<const void> owner_;  // of kept_
  std::string copy_;
  Sha256 sha256_{Sha256::Code::kPaired};
  size_t hashed_ = 0;
};

}  // namespace akidb::s3
