// What really happened on a bucket that several nodes share: every manifest, log object and catalog version that it
// ever held, and what the nodes told their clients. From these follows what any reader at any position must see, and
// whether a change of the bucket breaks a rule at the moment it arrives, whoever sent it and however late.
//
// The rule it checks by: a write stands at (epoch, LSN). Once a later epoch has handed out an LSN, writes of older
// epochs at or above it are lost, and all below survive; so a position alone decides what is seen.
//
// A collection that is bound to a node's disk shares its log with others, so there a position decides nothing: what its
// home's disk still has when the home ends decides which of the writes that nobody was told of go on to exist.
//
// Threads: one.
// Errors:  Violation, thrown, says which promise was broken.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/write.h"
#include "format/manifest_format.h"
#include "manifest/catalog_state.h"
#include "model.h"
#include "sim_bucket.h"
#include "sim_node.h"

namespace akidb::sim {

class Truth final : public BucketWatcher {
 public:
  explicit Truth(World* world) : world_(world) {}

  // A store that lies breaks the rules by itself: then only what clients see is judged.
  void set_store_lies(bool lies) { store_lies_ = lies; }
  void Watch(SimBucket* bucket);

  void Putting(const std::string& key, const std::string* old, const std::string& body) override;
  void Deleting(const std::string& key, const std::string& old) override;

  // Whether a write at `position` can still happen, as far as anybody knows.
  bool Alive(CollectionId id, const Position& position) const;
  // What its writer had in memory just before a live write at `lsn`.
  Rows Before(CollectionId id, Lsn lsn) const;
  // A node applied a write. Others must not see it before it is durable.
  void Appended(CollectionId id, const Position& position, Changes changes);
  void Acked(CollectionId id, const Position& position);
  // A client was told that it never happens.
  void Refused(CollectionId id, const Position& position);
  // The greatest LSN that was acknowledged or read, and not given up by a rebind.
  Lsn CertainLsn(CollectionId id) const;
  // Whether the collection is bound to a node.
  bool IsBound(CollectionId id) const { return HeadOf(id)->home.has_value(); }
  // Whether a rebind took away what a node has at `position`.
  bool IsLost(CollectionId id, const Position& position) const {
    return HeadOf(id)->LostByRebind(position.epoch, position.lsn);
  }
  // The process of `node` has ended, and its disk has `log`: of the collections bound to it, everything certain is
  // there or published, and what is neither never comes back.
  void HomeEnded(const std::string& node, const LogOnDisk& log);
  // The greatest LSN that the home's disk had when it last ended and no manifest carried: the home shows it again.
  Lsn LoggedLsn(CollectionId id) const;
  // What a reader of `version` and the log up to `lsn` must see. From now on it is certain.
  Rows Expect(CollectionId id, ManifestVersion version, Lsn lsn);

  bool Knows(CollectionId id) const { return tables_.contains(id); }
  // The manifest of a version that was ever committed; null if none was.
  std::shared_ptr<const Manifest> ManifestOf(CollectionId id, ManifestVersion version) const;
  std::shared_ptr<const Manifest> HeadOf(CollectionId id) const;
  // The last LSN that `version` publishes.
  Lsn PublishedBy(CollectionId id, ManifestVersion version) const;
  const CatalogState& catalog() const { return catalog_.back().state; }

  // Moments: an operation that began at `since` and has returned took effect in between, or not at all.
  uint64_t now() const { return changes_; }
  bool CatalogHeld(uint64_t since, const std::function<bool(const CatalogState&)>& holds) const;
  bool ManifestHeld(CollectionId id, uint64_t since, const std::function<bool(const Manifest&)>& holds) const;

  // Objects that nothing refers to and that nobody will ever need.
  std::vector<std::string> Garbage() const;

 private:
  struct Write {
    Epoch epoch;
    Changes changes;
    bool certain = false;
    bool logged = false;  // on the home's disk, when that last ended
  };
  struct Reverted {
    ManifestVersion version;
    Epoch epoch;
    Lsn lsn;  // of the last write before it
    Rows rows;
  };
  struct Version {
    std::shared_ptr<const Manifest> manifest;
    std::string sha256;
    std::vector<std::string> keys;  // of all it names
    Lsn published;
    uint64_t since = 0;
  };
  struct Table {
    Rows base;  // what a clone began with
    std::map<Lsn, Write> writes;
    std::map<Epoch, Lsn> first_lsn;
    std::vector<Reverted> reverts;
    std::map<ManifestVersion, Version> versions;
    std::set<ManifestVersion> once_pinned;
    Lsn certain;
    Lsn logged;  // the greatest that any stream in the bucket has had

    const Manifest& head() const { return *versions.rbegin()->second.manifest; }
  };
  struct CatalogMoment {
    CatalogState state;
    uint64_t since = 0;
  };

  void PuttingCatalog(const std::string& key, const std::string* old, const std::string& body);
  void PuttingManifest(CollectionId id, const std::string& key, const std::string* old, const std::string& body);
  void PuttingTombstone(CollectionId id, const std::string& key, const std::string* old,
                        const ManifestTombstone& tombstone);
  void CheckSuccessor(const std::string& key, const Manifest& before, const Manifest& next) const;
  void NoteRevert(Table* table, const Version& version);
  void CheckHome(const std::string& key, const Manifest& before, const Manifest& next) const;
  void CheckMove(const std::string& key, const Manifest& before, const Manifest& next) const;
  void NoteRebind(Table* table, const RebindEntry& rebind);
  void NoteMove(const std::string& key, Table* table, const Manifest& next);
  void PuttingLogObject(CollectionId id, const std::string& key, const std::string& body);
  void DeletingLogObject(CollectionId id, const std::string& key, const std::string& old) const;
  Result<Manifest> Decode(const std::string& body) const;
  Table& TableOf(CollectionId id);
  const Table& TableOf(CollectionId id) const;
  Rows RowsAt(const Table& table, ManifestVersion version, Lsn lsn) const;
  // The versions of a table whose objects must stay.
  static std::vector<const Version*> Kept(const Table& table);
  std::set<std::string> NamedKeys() const;
  // Judged only while the store keeps its own rules.
  void Require(bool condition, const std::string& what) const;

  World* world_;
  const SimBucket* bucket_ = nullptr;
  bool store_lies_ = false;
  uint64_t changes_ = 0;
  std::map<CollectionId, Table> tables_;
  std::set<CollectionId> purged_;
  std::set<std::string> late_after_purge_;  // whose senders slept through the end of their collection
  std::vector<CatalogMoment> catalog_{1};
};

}  // namespace akidb::sim
