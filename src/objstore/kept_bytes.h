// What a writer of objects may be given beyond bytes, so that it does nothing twice: that somebody keeps them, and a
// digest that wants them too.
//
// Threads: those of the writer.
// Errors:  those of Append.
#pragma once

#include <memory>
#include <string_view>

#include "base/hash.h"
#include "objstore/object_store.h"

namespace akidb {

struct KeptBytes {
  std::string_view bytes;
  std::shared_ptr<const void> owner{};  // while it is held they stay where and what they are; null: until the call ends
  Sha256* whole = nullptr;              // is given them once, too, if all goes well
};

// An ObjectWriter may be one too.
class KeptBytesWriter {
 public:
  virtual ~KeptBytesWriter() = default;
  virtual Status AppendKept(OpContext& ctx, const KeptBytes& kept) = 0;
};

// A writer that cannot do without its copy makes one.
inline Status AppendKept(OpContext& ctx, ObjectWriter& writer, const KeptBytes& kept) {
  if (auto* const keeps = dynamic_cast<KeptBytesWriter*>(&writer)) return keeps->AppendKept(ctx, kept);
  if (kept.whole != nullptr) kept.whole->Update(kept.bytes);
  return writer.Append(ctx, kept.bytes);
}

}  // namespace akidb
