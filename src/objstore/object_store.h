// A bucket seen as a flat map from key to immutable bytes, with conditional writes.
// It exists so that all code above runs unchanged on MinIO, a local directory, memory or a hostile fake.
//
// Threads:    ObjectStore is thread-safe. An ObjectWriter belongs to one thread. Both may block, never beyond
//             ctx.deadline().
// Errors:     kNotFound; kAborted (condition lost, reason "condition_lost": re-read, then decide); kUnavailable (retry
//             with backoff); kDeadlineExceeded; kPermissionDenied; kResourceExhausted (store full or over quota);
//             kDataLoss (checksum). A failed write may have effect = unknown.
// Durability: after an OK Put or Commit every later Get from any process returns these bytes, across power loss.
// Cost:       one request per call unless the method says otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/ids.h"
#include "base/status.h"

namespace akidb {

// When a Put may take effect.
struct PutCondition {
  enum class Kind : uint8_t { kNone, kIfAbsent, kIfEtagIs };
  Kind kind = Kind::kNone;
  std::string etag;

  static PutCondition None() { return {}; }
  static PutCondition IfAbsent() { return {Kind::kIfAbsent, {}}; }
  static PutCondition IfEtagIs(std::string etag) { return {Kind::kIfEtagIs, std::move(etag)}; }
};

struct ObjectMeta {
  std::string key;
  uint64_t size_bytes = 0;
  std::string etag;        // opaque; changes with every write of the key
  std::string version_id;  // empty where the store has no versions
  WallTime modified_at{};
};

struct ObjectBody {
  ObjectMeta meta;
  std::string bytes;
};

struct ListPage {
  std::vector<ObjectMeta> objects;  // in bytewise key order
  bool truncated = false;           // more keys follow the last one
};

// Streams one object of unknown length. Nothing is visible before Commit; destroying it abandons the upload.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  virtual Status Append(OpContext& ctx, std::string_view bytes) = 0;
  virtual Result<ObjectMeta> Commit(OpContext& ctx, const PutCondition& condition) = 0;
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // A word for metrics and messages: "localfs", "memory", "s3".
  virtual std::string_view kind() const = 0;

  // The whole object. kResourceExhausted if it is larger than `size_max`.
  virtual Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) = 0;

  // `range` of the object into `out` (range.size() bytes of room). A range that ends past the object is kOutOfRange.
  // A non-empty `version_id` reads that version where the store has them, and is ignored elsewhere.
  virtual Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                          char* out) = 0;

  virtual Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) = 0;

  // Creates or replaces `key` if `condition` holds, whole or not at all.
  virtual Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                                 const PutCondition& condition) = 0;

  virtual Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) = 0;

  // Keys under `prefix` greater than `start_after`, in order, at most `keys_max` (1..1000). Keys written or deleted
  // meanwhile may be missed: a listing is a hint, never proof of absence (I11).
  virtual Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                                uint32_t keys_max) = 0;

  // Deletes `key`; a missing key is OK. Where the store has versions, a delete marker hides those that were written.
  virtual Status Delete(OpContext& ctx, const std::string& key) = 0;

  // Deletes one version for good, without a marker; a missing one is OK. Needs a right of its own on most stores. Where
  // there are no versions, which is where `version_id` is empty, it is Delete.
  virtual Status DeleteVersion(OpContext& ctx, const std::string& key, const std::string& version_id) {
    (void)version_id;
    return Delete(ctx, key);
  }
};

inline constexpr size_t kObjectKeyBytesMax = 1024;
inline constexpr uint32_t kListKeysMax = 1000;

// Keys are 1-1024 bytes of [A-Za-z0-9_.-/], no empty, "." or ".." part, no '/' at either end.
Status ValidateObjectKey(std::string_view key);
// The arguments of List: `prefix` is the beginning of a key (or empty), `start_after` at most as long as one.
Status ValidateListing(std::string_view prefix, std::string_view start_after, uint32_t keys_max);

}  // namespace akidb
