// The committed head of one collection's manifest chain, and the way to move it: optimistic, by edits that are applied
// again on whatever head they meet.
//
// Threads:    one thread at a time (the collection's maintenance lock).
// Errors:     those of VersionChain; kAborted when others kept winning; whatever an edit returns (nothing was changed).
// Durability: after an OK Commit the returned head is in the bucket, and so is its base.
// Cost:       1 PUT a commit without contention, of a manifest below kManifestInlineBytesMax, and below 16 KiB over a
//             small base. Once the segments that its base does not have need more than half of that, or than those
//             16 KiB have room for: 1 PUT more, of a new base with all of them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/environment.h"
#include "format/manifest_format.h"
#include "manifest/manifest_reader.h"
#include "manifest/version_chain.h"

namespace akidb {

class ManifestCommitter {
 public:
  // An edit changes the copy of the head it is given. It must recognise its own effect: after an unknown outcome it may
  // meet a head that already has it. `base` is the committer's, except that an edit that goes back to the segments of
  // another version may also take over its base.
  enum class Edited : uint8_t { kChanged, kAlreadyThere };
  using Edit = std::function<Result<Edited>(Manifest*)>;

  ManifestCommitter(ObjectStore& store, const Environment& env, CollectionId collection);

  // Creates version 1. kAlreadyExists if the id was taken before. `first` may name the base of another collection.
  Status CreateFirst(OpContext& ctx, const Manifest& first);
  // Finds and reads the newest version. kUnavailable if there is none: the catalog names this collection (I11).
  Status Load(OpContext& ctx);

  // Adopts what others committed since; true if there was anything. Cost: 1 GET, and 1 more for each version found.
  Result<bool> Follow(OpContext& ctx);

  // Null before CreateFirst or Load. Replaced, never changed.
  const std::shared_ptr<const ManifestHead>& head() const { return head_; }

  Result<std::shared_ptr<const ManifestHead>> Commit(OpContext& ctx, const Edit& edit);

  // Reads this collection's manifests beside the committer, also after its end and in other threads.
  const std::shared_ptr<ManifestReader>& reader() const { return reader_; }

 private:
  using Base = std::shared_ptr<const ManifestBase>;
  Status Adopt(OpContext& ctx, ManifestVersion version, std::string_view bytes);
  Status ResolvePending(OpContext& ctx);
  Status FollowTo(OpContext& ctx, ManifestVersion version);
  // Adopts `bytes`, read as `version`; if they are a tombstone, the newest version instead.
  Status GoTo(OpContext& ctx, ManifestVersion version, std::string_view bytes);
  // Chooses the base of `next`, whose `base` is a proposal, and uploads a new one if none fits.
  Result<Base> ChooseBase(OpContext& ctx, Manifest* next);
  Result<ObjectRef> UploadBase(OpContext& ctx, const ManifestBase& base);

  Environment env_;
  ObjectStore& store_;
  CollectionId collection_;
  VersionChain chain_;
  std::shared_ptr<ManifestReader> reader_;
  std::optional<ObjectRef> spare_base_;  // uploaded for a commit that lost or failed
  std::shared_ptr<const ManifestHead> head_;
};

}  // namespace akidb
