// What a writer of objects may be given without a copy: bytes that somebody keeps.
//
// Threads: those of the writer.
// Errors:  those of Append.
#pragma once

#include <memory>
#include <string_view>

#include "objstore/object_store.h"

namespace akidb {

// An ObjectWriter may be one too.
class KeptBytesWriter {
 public:
  virtual ~KeptBytesWriter() = default;
  // Append, of bytes that stay where and what they are for as long as `owner` is held.
  virtual Status AppendKept(OpContext& ctx, std::string_view bytes, std::shared_ptr<const void> owner) = 0;
};

// A writer that cannot do without its copy makes one.
inline Status AppendKept(OpContext& ctx, ObjectWriter& writer, std::string_view bytes,
                         std::shared_ptr<const void> owner) {
  auto* const keeps = dynamic_cast<KeptBytesWriter*>(&writer);
  return keeps != nullptr ? keeps->AppendKept(ctx, bytes, std::move(owner)) : writer.Append(ctx, bytes);
}

}  // namespace akidb
