// One node's line to the bucket. Every request passes a point before it is sent and one before its answer is handed
// over; there it can be held for any time, refused, lost, sent later or twice, or its answer lost, while anything else
// happens elsewhere.
//
// Threads: one.
// Errors:  those of the bucket; kUnavailable (refused), kDeadlineExceeded with effect unknown (lost or late). Whatever
//          the two functions throw passes through.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "objstore/object_store.h"
#include "objstore/store_op.h"
#include "sim_bucket.h"

namespace akidb::sim {

struct WireRequest {
  StoreOp op;
  const std::string& key;              // the prefix of a listing
  const BucketWrite* write = nullptr;  // null for a read
};

// What becomes of a request.
enum class Fate : uint8_t {
  kSend,
  kRefuse,      // 503, nothing done
  kLose,        // it never arrives
  kLate,        // a write arrives when the bucket is told to deliver everything; of a read: as kLose
  kTwice,       // a write arrives twice, the second answer comes back; of a read: as kSend
  kLoseAnswer,  // done, and the caller does not know
};

class Wire final : public ObjectStore {
 public:
  using Outbound = std::function<Fate(const WireRequest&)>;
  using Inbound = std::function<void(const WireRequest&)>;

  Wire(SimBucket& bucket, std::shared_ptr<Life> life) : bucket_(&bucket), base_(bucket.Connect(std::move(life))) {}

  // Asked before a request is sent.
  void set_outbound(Outbound outbound) { outbound_ = std::move(outbound); }
  // Runs when the answer is there and the caller does not have it yet.
  void set_inbound(Inbound inbound) { inbound_ = std::move(inbound); }

  std::string_view kind() const override { return "wire"; }
  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override;
  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                  char* out) override;
  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override;
  Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                         const PutCondition& condition) override;
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override;
  Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                        uint32_t keys_max) override;
  Status Delete(OpContext& ctx, const std::string& key) override;

 private:
  template <class Call>
  auto Pass(const WireRequest& request, const Call& call) -> decltype(call());

  SimBucket* bucket_;
  std::shared_ptr<ObjectStore> base_;
  Outbound outbound_;
  Inbound inbound_;
};

}  // namespace akidb::sim
