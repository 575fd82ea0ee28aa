// A bucket on the far side of a bad network: requests are atomic and conditions are honoured, but answers get lost,
// requests arrive late (also after their sender died), servers answer 503, bodies break off, and time passes.
//
// Threads: one.
// Errors:  those of ObjectStore; faults are drawn from the bucket's own dice.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "objstore/object_store.h"
#include "sim_world.h"

namespace akidb::sim {

// Parts per million of the requests concerned.
struct BucketFaults {
  uint32_t unavailable_ppm = 0;   // 503, nothing done
  uint32_t lost_request_ppm = 0;  // never arrives; the caller sees a time-out
  uint32_t lost_answer_ppm = 0;   // done; the caller sees a time-out
  uint32_t late_request_ppm = 0;  // done up to a minute later; the caller sees a time-out now
  uint32_t broken_body_ppm = 0;   // a read that ends early
  uint32_t slow_ppm = 0;          // an answer after up to 5 s
  // Lies: a correct engine cannot survive these, and the checker must see it.
  uint32_t ignore_condition_ppm = 0;  // If-None-Match and If-Match are not looked at
  uint32_t forget_ppm = 0;            // an object that was read back is gone later
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
  // Lets requests arrive whose time has come.
  void Deliver();

 private:
  friend class BucketClient;
  struct Object {
    std::string bytes;
    std::string etag;
    WallTime modified_at{};
    bool read_back = false;
  };
  struct Request {
    enum class Kind : uint8_t { kPut, kDelete };
    Kind kind = Kind::kPut;
    std::string key;
    std::string body;
    PutCondition condition;
    MonotonicTime arrives;
  };

  Result<ObjectMeta> Apply(const Request& request);
  void ForgetSomething();
  bool Fault(uint32_t ppm, std::string_view what);
  static ObjectMeta MetaOf(const std::string& key, const Object& object);

  World* world_;
  Dice dice_;
  BucketFaults faults_;
  uint64_t faults_injected_ = 0;
  uint64_t writes_ = 0;
  std::map<std::string, Object> objects_;
  std::vector<Request> on_the_wire_;
};

}  // namespace akidb::sim
