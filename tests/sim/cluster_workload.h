// What clients ask of several nodes that share a bucket: draws requests, sends them to one node, and compares what
// comes back with the truth.
//
// Threads: one; each request runs in its node's fiber, and stops at every request that the node sends.
// Errors:  Violation for a wrong answer. Errors that a network, a store or another node explains change nothing, unless
//          they say that it is not known.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim_node.h"
#include "truth.h"

namespace akidb::sim {

class ClusterWorkload {
 public:
  // Lets time pass in the fiber of a node.
  using Sleep = std::function<void(Node&, Duration)>;

  ClusterWorkload(World* world, Truth* truth, uint64_t seed, Sleep sleep);

  // One request of a random kind to `node`.
  void Any(Node& node);

  void Write(Node& node);
  void DeleteIds(Node& node);
  void DeleteMatching(Node& node);
  void MergePayload(Node& node);
  void Read(Node& node);
  // A read with min_commit of a write that any node acknowledged.
  void ReadYourWrites(Node& node);
  void ReadThePast(Node& node);
  void Flush(Node& node);
  void Merge(Node& node);
  void Create(Node& node);
  void Drop(Node& node);
  void Alias(Node& node);
  void CreateSnapshot(Node& node);
  void DeleteSnapshot(Node& node);
  void Revert(Node& node);
  void Clone(Node& node);
  void Rebind(Node& node);
  // From now on homes are taken away as often as rows are written.
  void RebindOften();
  // Binds a collection to the node, or releases it.
  void AlterAck(Node& node);

  // In good weather: `node` shows everything that was acknowledged. Throws if it does not get there.
  void MustShowAll(Node& node);
  // In good weather: `node` becomes the writer of every collection that is bound to none, writes a row and publishes
  // what is in its log.
  void MustTakeOver(Node& node);
  // The same for those that are bound to `node`, which are counted.
  int MustWriteBound(Node& node);
  // How many are bound to any.
  int BoundCount() const;
  // The node begins a new life.
  void Started(Node& node) { seen_.erase(&node); }

 private:
  using Handle = std::shared_ptr<Collection>;
  static constexpr int kActions = 18;

  std::string AnyName(Node& node);
  Handle Get(Node& node, const std::string& name);
  Handle GetAny(Node& node) { return Get(node, AnyName(node)); }
  std::string SnapshotName() { return "s" + std::to_string(dice_.Below(3)); }
  ReadPoint AnyPoint(Node& node, Collection& collection);
  // Tells the truth about a write and, often, waits for its acknowledgement.
  using ChangesOf = std::function<Changes(const Rows& before)>;
  void WriteRows(Node& node, Collection& collection);
  void Finish(Node& node, Collection& collection, const Result<WriteReceipt>& receipt, bool was_dropped,
              const ChangesOf& changes_of, const std::string& what);
  Status CheckRead(Node& node, Collection& collection);
  // Whether reads go on to be compared: false if the node was not seen to have come so far.
  Status PublishAll(Node& node, const std::string& name);
  // As ack=committed does.
  Status WaitCommitted(Node& node, Collection& collection, Lsn lsn);
  Status WaitAnswer(Node& node, Collection& collection, const OpContext& ctx, const std::optional<Status>& answer);
  Status WaitVisible(Node& node, Collection& collection, const Position& position, Duration timeout);
  void Excuse(const Status& status, const std::string& what);
  // Tries again for a while, as a client does; the last error is a violation.
  void Insist(Node& node, const std::string& what, const std::function<Status()>& attempt);

  World* world_;
  Truth* truth_;
  Dice dice_;
  Sleep sleep_;
  uint64_t next_version_ = 1;
  uint64_t weights_[kActions] = {};
  std::map<CollectionId, Position> last_acked_;
  // What a node last showed: positions only grow in one life.
  struct Seen {
    Lsn lsn;
    Epoch epoch;
    uint64_t denied = 0;  // reads that a store without quorum had refused by then
  };
  std::map<const Node*, std::map<CollectionId, Seen>> seen_;
};

}  // namespace akidb::sim
