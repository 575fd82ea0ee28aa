// A bucket on the far side of a bad network: requests are atomic and conditions are honoured, but answers get lost,
// requests arrive late (also after their sender died) or twice, servers answer 503, bodies break off, listings lag, and
// time passes. What its drives do when too few are left is that of MinIO.
//
// Threads: one.
// Errors:  those of ObjectStore; faults are drawn from the bucket's own dice.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "objstore/object_store.h"
#include "sim_world.h"

namespace akidb::sim {

// How many drives answer. Without a quorum nothing is written, and what a read or a listing denies may be there (I11).
enum class Quorum : uint8_t { kFull, kReadOnly, kNone };

// Parts per million of the requests concerned.
struct BucketFaults {
  uint32_t unavailable_ppm = 0;   // 503, nothing done
  uint32_t lost_request_ppm = 0;  // never arrives; the caller sees a time-out
  uint32_t lost_answer_ppm = 0;   // done; the caller sees a time-out
  uint32_t late_request_ppm = 0;  // done up to `late_max` later; the caller sees a time-out now
  uint32_t twice_ppm = 0;         // a write sent twice on its way; the caller sees the second answer
  uint32_t broken_body_ppm = 0;   // a read that ends early
  uint32_t slow_ppm = 0;          // an answer after up to 5 s
  uint32_t silence_ppm = 0;       // a write is done, and no request is answered for a while from then on
  Duration late_max = std::chrono::minutes(1);
  Duration list_lag_max{};  // a listing may miss what was written more recently than this
  Quorum quorum = Quorum::kFull;
  // Lies: a correct engine cannot survive these, and the checker must see it.
  uint32_t ignore_condition_ppm = 0;  // If-None-Match and If-Match are not looked at
  uint32_t forget_ppm = 0;            // an object that was read back is gone later
  uint32_t hide_ppm = 0;              // an object that no listing ever shows
};

// Of one seed in four, so that the others get further.
uint32_t SilencePpm(uint64_t seed);

// Sees every change of the bucket, whoever makes it and whenever it arrives. May throw.
class BucketWatcher {
 public:
  virtual ~BucketWatcher() = default;
  // `old`: what the key held, null if nothing.
  virtual void Putting(const std::string& key, const std::string* old, const std::string& body) = 0;
  virtual void Deleting(const std::string& key, const std::string& old) = 0;
};

// A write on its way.
struct BucketWrite {
  enum class Kind : uint8_t { kPut, kDelete };
  Kind kind = Kind::kPut;
  std::string key;
  std::string body;
  PutCondition condition;
  MonotonicTime arrives{};
};

class SimBucket {
 public:
  SimBucket(World& world, uint64_t stream) : world_(&world), dice_(world.seed(), stream) {}
  // A copy of the objects and of what is still on the wire, for a world that branches off.
  SimBucket(World& world, const SimBucket& other, uint64_t stream);

  // The bucket as one life of the process sees it.
  std::shared_ptr<ObjectStore> Connect(std::shared_ptr<Life> life);

  BucketFaults& faults() { return faults_; }
  uint64_t faults_injected() const { return faults_injected_; }
  size_t object_count() const { return objects_.size(); }
  size_t requests_on_the_wire() const { return on_the_wire_.size(); }
  void set_watcher(BucketWatcher* watcher) { watcher_ = watcher; }
  const std::string* Find(const std::string& key) const;
  void ForEach(const std::function<void(const std::string& key, const std::string& body)>& visit) const;

  // Sends `write`, which arrives after `delay`; nobody waits for its answer.
  void SendLate(BucketWrite write, Duration delay);
  // Lets requests arrive whose time has come.
  void Deliver();
  // Lets all of them arrive now; how many were granted.
  int DeliverAll();
  // What a store on one drive may do with an acknowledged write when the power goes.
  void Forget(const std::string& key);

 private:
  friend class BucketClient;
  struct Object {
    std::string bytes;
    std::string etag;
    WallTime modified_at{};
    MonotonicTime written_at{};
    bool read_back = false;
    bool hidden = false;
  };

  Result<ObjectMeta> Apply(const BucketWrite& write);
  bool Arrive(const BucketWrite& write);
  void ForgetSomething();
  bool Fault(uint32_t ppm, std::string_view what);
  static ObjectMeta MetaOf(const std::string& key, const Object& object);

  World* world_;
  Dice dice_;
  BucketFaults faults_;
  uint64_t faults_injected_ = 0;
  uint64_t writes_ = 0;
  uint64_t silent_ = 0;  // requests that are not answered yet
  std::map<std::string, Object> objects_;
  std::vector<BucketWrite> on_the_wire_;
  BucketWatcher* watcher_ = nullptr;
};

// Gathers a body for one Put to `store` at the end.
std::unique_ptr<ObjectWriter> NewGatheringWriter(ObjectStore& store, std::string key);

}  // namespace akidb::sim
