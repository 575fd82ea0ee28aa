// What all catalog versions up to one add up to: names, settings, aliases, and what was dropped.
//
// Threads: a value; the owner locks.
// Errors:  Apply: kDataLoss if the version does not follow, or contradicts what is known.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "format/manifest_format.h"

namespace akidb {

// An alias and the name of its collection.
struct AliasTarget {
  std::string alias;
  std::string collection;
};

struct CatalogState {
  ManifestVersion version;
  std::string sha256;
  ManifestVersion last_checkpoint;
  size_t checkpoint_entries = 0;
  CollectionId next_id{1};
  std::map<CollectionId, CatalogEntry> entries;
  std::map<std::string, CollectionId, std::less<>> by_name;
  std::map<std::string, CollectionId, std::less<>> aliases;
  std::set<CollectionId> dropped;

  Status Apply(const CatalogVersion& next, std::string_view bytes);
  // Everything, as a checkpoint has it.
  void FillCheckpoint(CatalogVersion* next) const;

  std::optional<CatalogEntry> FindById(CollectionId id) const;
  // By its own name.
  std::optional<CatalogEntry> Find(std::string_view name) const;
  // By its own name or an alias.
  std::optional<CatalogEntry> Resolve(std::string_view name_or_alias) const;
  std::vector<std::string> AliasesOf(CollectionId id) const;
};

}  // namespace akidb
