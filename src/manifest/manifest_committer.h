// The committed head of one collection's manifest chain, and the way to move it: optimistic, by edits that are applied
// again on whatever head they meet.
//
// Threads:    one thread at a time (the collection's maintenance lock).
// Errors:     those of VersionChain; kAborted when others kept winning; whatever an edit returns (nothing was changed).
// Durability: after an OK Commit the returned head is in the bucket.
// Cost:       1 PUT a commit without contention.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/environment.h"
#include "format/manifest_format.h"
#include "manifest/version_chain.h"

namespace akidb {

// A manifest together with the hash that its successor will name.
struct ManifestHead {
  Manifest manifest;
  std::string sha256;
};

class ManifestCommitter {
 public:
  // An edit changes the copy of the head it is given. It must recognise its own effect: after an unknown outcome it may
  // meet a head that already has it.
  enum class Edited : uint8_t { kChanged, kAlreadyThere };
  using Edit = std::function<Result<Edited>(Manifest*)>;

  ManifestCommitter(ObjectStore& store, const Environment& env, CollectionId collection);

  // Creates version 1. kAlreadyExists if the id was taken before.
  Status CreateFirst(OpContext& ctx, const Manifest& first);
  // Finds and reads the newest version. kUnavailable if there is none: the catalog names this collection (I11).
  Status Load(OpContext& ctx);

  // Adopts what others committed since; true if there was anything. Cost: 1 GET, and 1 more for each version found.
  Result<bool> Follow(OpContext& ctx);

  // Null before CreateFirst or Load. Replaced, never changed.
  const std::shared_ptr<const ManifestHead>& head() const { return head_; }

  Result<std::shared_ptr<const ManifestHead>> Commit(OpContext& ctx, const Edit& edit);

  // Reads version `version` again and checks that it is the very one this chain had: kDataLoss if it is gone or other.
  Status ReRead(OpContext& ctx, const ManifestHead& expected);

 private:
  Status Adopt(ManifestVersion version, std::string bytes);
  Status ResolvePending(OpContext& ctx);
  Status FollowTo(OpContext& ctx, ManifestVersion version);

  Environment env_;
  CollectionId collection_;
  VersionChain chain_;
  std::shared_ptr<const ManifestHead> head_;
};

}  // namespace akidb
