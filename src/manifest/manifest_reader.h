// Whole manifests of one collection from what lies in the store: a numbered object and, if it names one, its base.
//
// Threads: thread-safe.
// Errors:  kUnavailable if something named cannot be read; kDataLoss if it stays malformed over several reads or is not
//          what its hash says; kNotFound (reason "version_retired") for a version that is a tombstone.
// Cost:    Read, ReRead: 1 GET. Read: another one for a base that is not among the last few.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/mutex.h"
#include "format/manifest_format.h"
#include "objstore/object_store.h"

namespace akidb {

// A manifest together with the hash that its successor will name.
struct ManifestHead {
  Manifest manifest;
  std::string sha256;
};

// What is named but denied by the store is unavailable, not absent (I11): `error` of reading `key` says so.
Status NamedButNotRead(const std::string& key, Status error);

class ManifestReader {
 public:
  // `store` must outlive the reader.
  ManifestReader(ObjectStore& store, CollectionId collection) : store_(store), collection_(collection) {}

  Result<std::shared_ptr<const ManifestHead>> Read(OpContext& ctx, ManifestVersion version);
  // Reads a version again, from the store: kDataLoss if it is not the very one that is expected.
  Status ReRead(OpContext& ctx, const ManifestHead& expected);
  // The manifest that `bytes` are, which were read as `version`. Asks the store only for a base.
  Result<std::shared_ptr<const ManifestHead>> Decode(OpContext& ctx, ManifestVersion version, std::string_view bytes);

  Result<std::shared_ptr<const ManifestBase>> ReadBase(OpContext& ctx, const ObjectRef& base);
  // Lets `base`, which is about to be named, be found without the store.
  void Remember(std::shared_ptr<const ManifestBase> base);

 private:
  Result<std::string> ReadBytes(OpContext& ctx, ManifestVersion version, bool* retired);
  std::shared_ptr<const ManifestBase> Recall(CollectionId owner, std::string_view id);

  ObjectStore& store_;
  const CollectionId collection_;
  Mutex mutex_;
  std::vector<std::shared_ptr<const ManifestBase>> bases_ AKI_GUARDED_BY(mutex_);  // last used last
};

}  // namespace akidb
