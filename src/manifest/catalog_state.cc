#include "manifest/catalog_state.h"

#include <algorithm>

#include "base/hash.h"
#include "format/object_keys.h"

namespace akidb {

Status CatalogState::Apply(const CatalogVersion& next, std::string_view bytes) {
  const auto wrong = [&](const std::string& problem) { return DataLoss(CatalogKey(next.version) + " " + problem); };
  if (version.value() != 0 && next.version != version.Next()) return wrong("does not follow the version before");
  if (version.value() != 0 && next.previous_sha256 != sha256) return wrong("names another predecessor");
  if (next.checkpoint) {
    entries.clear();
    by_name.clear();
    aliases.clear();
    dropped.clear();
    checkpoint_entries = next.put.size();
    last_checkpoint = next.version;
  }
  for (const CollectionId id : next.dropped) {
    if (const auto it = entries.find(id); it != entries.end()) {
      by_name.erase(it->second.spec.name);
      entries.erase(it);
    }
    dropped.insert(id);
  }
  for (const CollectionId id : next.purged) dropped.erase(id);
  for (const std::string& alias : next.aliases_dropped) aliases.erase(alias);
  for (const CatalogEntry& entry : next.put) {
    const std::string& name = entry.spec.name;
    if (const auto it = by_name.find(name); it != by_name.end() && it->second != entry.id) {
      return wrong("names " + name + " twice");
    }
    if (const auto old = entries.find(entry.id); old != entries.end()) by_name.erase(old->second.spec.name);
    entries[entry.id] = entry;
    by_name[name] = entry.id;
  }
  for (const AliasEntry& entry : next.aliases_put) {
    if (!entries.contains(entry.collection)) return wrong("gives " + entry.alias + " to no collection");
    aliases[entry.alias] = entry.collection;
  }
  for (const CatalogEntry& entry : next.put) {
    if (aliases.contains(entry.spec.name)) return wrong("has " + entry.spec.name + " as a name and an alias");
  }
  for (const AliasEntry& entry : next.aliases_put) {
    if (by_name.contains(entry.alias)) return wrong("has " + entry.alias + " as a name and an alias");
  }
  next_id = std::max(next_id, next.next_collection_id);
  version = next.version;
  sha256 = Sha256Hex(bytes);
  return OkStatus();
}

void CatalogState::FillCheckpoint(CatalogVersion* next) const {
  next->checkpoint = true;
  for (const auto& [id, entry] : entries) next->put.push_back(entry);
  next->dropped.assign(dropped.begin(), dropped.end());
  for (const auto& [alias, id] : aliases) next->aliases_put.push_back({alias, id});
}

std::optional<CatalogEntry> CatalogState::FindById(CollectionId id) const {
  const auto it = entries.find(id);
  return it == entries.end() ? std::nullopt : std::optional(it->second);
}

std::optional<CatalogEntry> CatalogState::Find(std::string_view name) const {
  const auto it = by_name.find(name);
  return it == by_name.end() ? std::nullopt : FindById(it->second);
}

std::optional<CatalogEntry> CatalogState::Resolve(std::string_view name_or_alias) const {
  if (auto entry = Find(name_or_alias)) return entry;
  const auto it = aliases.find(name_or_alias);
  return it == aliases.end() ? std::nullopt : FindById(it->second);
}

std::vector<std::string> CatalogState::AliasesOf(CollectionId id) const {
  std::vector<std::string> out;
  for (const auto& [alias, target] : aliases) {
    if (target == id) out.push_back(alias);
  }
  return out;
}

}  // namespace akidb
