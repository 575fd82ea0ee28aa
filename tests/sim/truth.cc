#include "truth.h"

#include <algorithm>
#include <charconv>

#include "base/hash.h"
#include "format/object_keys.h"
#include "format/wal_object.h"

namespace akidb::sim {

namespace {

constexpr std::string_view kCollections = "t/default/c/";
constexpr ManifestVersion kFirst(1);

// The collection below whose prefix `key` lies.
std::optional<CollectionId> CollectionOf(const std::string& key) {
  if (!key.starts_with(kCollections)) return std::nullopt;
  uint64_t id = 0;
  std::from_chars(key.data() + kCollections.size(), key.data() + key.size(), id);
  return CollectionId(id);
}

Lsn Published(const Manifest& manifest) {
  Lsn lsn;
  for (const SegmentEntry& segment : manifest.segments) lsn = std::max(lsn, segment.lsn_max);
  for (const EpochEntry& epoch : manifest.open_epochs) lsn = std::max(lsn, epoch.watermark);
  return lsn;
}

std::string Name(CollectionId id) { return "collection " + std::to_string(id.value()); }
std::string Text(const Position& position) {
  return "(" + std::to_string(position.epoch.value()) + ", " + std::to_string(position.lsn.value()) + ")";
}

bool IsPinned(const Manifest& head, ManifestVersion version) {
  return std::ranges::find(head.pins, version, &PinEntry::version) != head.pins.end();
}

// Of a dropped collection, what clones and holds need; of another, every pin.
bool PinKeeps(const Manifest& head, const PinEntry& pin) {
  return !head.dropped || (pin.kind != "snapshot" && pin.kind != "reader");
}

}  // namespace

void Truth::Watch(SimBucket* bucket) {
  bucket_ = bucket;
  bucket->set_watcher(this);
}

void Truth::Require(bool condition, const std::string& what) const {
  if (!condition && !store_lies_) throw Violation{what};
}

Truth::Table& Truth::TableOf(CollectionId id) {
  const auto it = tables_.find(id);
  if (it == tables_.end()) throw Violation{"I2: " + Name(id) + " was never created"};
  return it->second;
}
const Truth::Table& Truth::TableOf(CollectionId id) const { return const_cast<Truth*>(this)->TableOf(id); }

Result<Manifest> Truth::Decode(const std::string& body) const {
  AKI_ASSIGN_OR_RETURN(StoredManifest stored, DecodeStoredManifest(body));
  if (!stored.manifest.base) return CompleteManifest(std::move(stored), nullptr);
  const std::string* bytes = bucket_->Find(BaseKeyOf(stored.manifest.collection, *stored.manifest.base));
  if (bytes == nullptr) return std::unexpected(NotFound("the base of a manifest does not exist"));
  AKI_ASSIGN_OR_RETURN(const ManifestBase base, DecodeManifestBase(*bytes));
  return CompleteManifest(std::move(stored), &base);
}

// ---- what the bucket is asked to do

void Truth::Putting(const std::string& key, const std::string* old, const std::string& body) {
  ++changes_;
  if (key.starts_with(kCatalogPrefix)) return PuttingCatalog(key, old, body);
  const auto id = CollectionOf(key);
  if (!id) return;
  if (key.starts_with(CollectionPrefix(*id) + "manifest/")) return PuttingManifest(*id, key, old, body);
  if (purged_.contains(*id)) {
    late_after_purge_.insert(key);
    world_->coverage().Count("garbage.came_after_the_purge");
  }
  // Everything else is written once.
  Require(old == nullptr || *old == body, "I6: " + key + " was overwritten");
  if (old == nullptr && key.starts_with(WalPrefix(*id))) PuttingLogObject(*id, key, body);
}

void Truth::PuttingCatalog(const std::string& key, const std::string* old, const std::string& body) {
  Require(old == nullptr, "I6: " + key + " was overwritten");
  const auto version = DecodeCatalogVersion(body);
  if (!version) throw Violation{key + " is malformed: " + version.error().ToString()};
  CatalogMoment moment{catalog_.back().state, changes_};
  const Status applied = moment.state.Apply(*version, body);
  Require(applied.ok(), "I6: " + key + " does not follow its predecessor: " + applied.ToString());
  if (applied.ok()) catalog_.push_back(std::move(moment));
}

void Truth::PuttingTombstone(CollectionId id, const std::string& key, const std::string* old,
                             const ManifestTombstone& tombstone) {
  world_->coverage().Count("manifest.retired");
  const auto it = tables_.find(id);
  if (tombstone.attempt_id == "purged") {
    world_->coverage().Count("gc.purged");
    purged_.insert(id);
  }
  if (it == tables_.end()) {
    return Require(old == nullptr || tombstone.attempt_id == "purged", key + " is the tombstone of nothing");
  }
  const Manifest& head = it->second.head();
  if (head.dropped) return;
  const auto version = it->second.versions.find(tombstone.version);
  Require(version != it->second.versions.end() && version->second.sha256 == tombstone.sha256,
          "I7: " + key + " is the tombstone of a manifest that was never there");
  Require(tombstone.version < head.gc_boundary && !IsPinned(head, tombstone.version),
          "I8: " + key + " was retired although it is kept");
}

void Truth::CheckSuccessor(const std::string& key, const Manifest& before, const Manifest& next) const {
  Require(next.version == before.version.Next(), "I6: " + key + " leaves a gap in the chain");
  Require(next.epoch >= before.epoch, "I6: the epoch went back in " + key);
  Require(next.gc_boundary >= before.gc_boundary && next.gc_boundary <= next.version,
          "I8: the collector's boundary went back in " + key);
  Require(next.revert_generation >= before.revert_generation, "the revert generation went back in " + key);
  Require(next.dropped || !before.dropped, "a dropped collection came back in " + key);
  Require(Published(next) >= Published(before), "I1: what is published went back in " + key);
  Require(!before.dropped || next.segments == before.segments, "I6: a dropped collection was written to in " + key);
  for (const EpochEntry& entry : next.open_epochs) {
    const auto old = std::ranges::find(before.open_epochs, entry.epoch, &EpochEntry::epoch);
    if (old == before.open_epochs.end()) {
      Require(entry.epoch > before.epoch, "I6: an ended epoch was opened again in " + key);
      continue;
    }
    Require(entry.watermark >= old->watermark && entry.sequence >= old->sequence,
            "I6: a watermark went back in " + key);
    Require(entry.watermark == old->watermark || entry.epoch == next.epoch,
            "I6: an old epoch published something in " + key);
  }
}

// Only a rebind takes the home from a node to another, and it gives up nothing that is published.
void Truth::CheckHome(const std::string& key, const Manifest& before, const Manifest& next) const {
  if (next.rebinds.size() == before.rebinds.size()) {
    if (next.home != before.home) CheckMove(key, before, next);
    Require(!next.home || next.log == LogKind::kLocal, "I1: a bound collection has a log in the bucket in " + key);
    return;
  }
  const RebindEntry& rebind = next.rebinds.back();
  Require(before.home.has_value() && next.home.has_value() && next.home != before.home,
          "I1: a rebind from nobody or to the same in " + key);
  Require(next.rebinds.size() == before.rebinds.size() + 1 && rebind.ended == before.epoch,
          "I6: a rebind of another epoch in " + key);
  Require(rebind.survived == Published(before), "I1: a rebind gives up what is published in " + key);
  Require(rebind.wait_ms > before.home->confirm_ms, "I1: a rebind waits for too short in " + key);
}

// Binding and releasing: an epoch of its own, after which neither log has anything to tell.
void Truth::CheckMove(const std::string& key, const Manifest& before, const Manifest& next) const {
  Require(before.home.has_value() != next.home.has_value(), "I1: the home moved without a rebind in " + key);
  Require(next.log == (next.home ? LogKind::kLocal : LogKind::kBucket), "I1: a log that nobody writes to in " + key);
  Require(next.epoch == before.epoch.Next() && next.open_epochs.size() == 1,
          "I6: the home changed in the middle of an epoch in " + key);
}

void Truth::NoteMove(const std::string& key, Table* table, const Manifest& next) {
  world_->coverage().Count(next.home ? "manifest.bound" : "manifest.released");
  const Lsn published = Published(next);
  std::erase_if(table->writes, [&](const auto& write) {
    const bool lost = write.first > published;
    if (lost && write.second.certain) {
      throw Violation{"I1: the write " + Text({write.second.epoch, {}, write.first}) +
                      ", which was acknowledged or read, is in no log that " + key + " leaves to its readers"};
    }
    return lost;
  });
  // A writer of before that has not heard of it goes on in vain.
  table->first_lsn.try_emplace(next.epoch, published.Next());
}

void Truth::NoteRebind(Table* table, const RebindEntry& rebind) {
  world_->coverage().Count("manifest.rebind");
  std::erase_if(table->writes, [&](const auto& write) {
    const bool lost = write.first > rebind.survived && write.second.epoch <= rebind.ended;
    if (lost && write.second.certain) world_->coverage().Count("write.lost_by_rebind");
    return lost;
  });
  table->certain = std::min(table->certain, rebind.survived);
}

void Truth::PuttingManifest(CollectionId id, const std::string& key, const std::string* old, const std::string& body) {
  const auto tombstone = DecodeManifestTombstone(body);
  if (!tombstone) throw Violation{key + " is malformed: " + tombstone.error().ToString()};
  if (*tombstone) return PuttingTombstone(id, key, old, **tombstone);
  Require(old == nullptr, "I6: two committers won " + key);
  const auto decoded = Decode(body);
  Require(decoded.has_value(), key + " cannot be read: " + (decoded ? "" : decoded.error().ToString()));
  if (!decoded) return;

  Version version;
  version.manifest = std::make_shared<const Manifest>(*decoded);
  version.sha256 = Sha256Hex(body);
  version.published = Published(*decoded);
  version.since = changes_;
  const Manifest& manifest = *version.manifest;
  ForEachObject(manifest,
                [&](CollectionId, const std::string& name, const ObjectRef&) { version.keys.push_back(name); });
  for (const std::string& name : version.keys) {
    Require(manifest.dropped || bucket_->Find(name) != nullptr,
            "I8: " + key + " names " + name + ", which does not exist");
  }
  Table created;
  const bool first = manifest.version == kFirst;
  if (first) {
    if (manifest.cloned_from) {
      const Table& origin = TableOf(manifest.cloned_from->collection);
      const ManifestVersion at = manifest.cloned_from->version;
      Require(origin.versions.contains(at), "I8: " + key + " is a clone of a version that never was");
      Require(IsPinned(origin.head(), at), "I8: " + key + " is a clone of a version that is not pinned");
      if (!origin.versions.contains(at)) return;
      created.base = RowsAt(origin, at, origin.versions.at(at).published);
    }
    tables_[id] = std::move(created);
  }
  const auto known = tables_.find(id);
  Require(known != tables_.end(), "I6: " + key + " has no predecessor");
  if (known == tables_.end()) return;
  Table& table = known->second;
  if (!first) {
    const Version& before = table.versions.rbegin()->second;
    Require(manifest.previous_sha256 == before.sha256, "I6: " + key + " names another predecessor");
    CheckSuccessor(key, *before.manifest, manifest);
    CheckHome(key, *before.manifest, manifest);
    if (manifest.rebinds.size() > before.manifest->rebinds.size()) NoteRebind(&table, manifest.rebinds.back());
    if (manifest.home.has_value() != before.manifest->home.has_value()) NoteMove(key, &table, manifest);
    if (manifest.epoch > before.manifest->epoch) world_->coverage().Count("manifest.takeover");
    if (manifest.gc_boundary > before.manifest->gc_boundary) world_->coverage().Count("manifest.boundary");
    if (manifest.revert_generation > before.manifest->revert_generation) NoteRevert(&table, version);
  }
  for (const PinEntry& pin : manifest.pins) table.once_pinned.insert(pin.version);
  table.versions[manifest.version] = std::move(version);
}

void Truth::NoteRevert(Table* table, const Version& version) {
  world_->coverage().Count("manifest.revert");
  const auto same = [&](const auto& entry) { return entry.second.manifest->segments == version.manifest->segments; };
  const auto target = std::find_if(table->versions.rbegin(), table->versions.rend(), same);
  if (target == table->versions.rend()) throw Violation{"I2: a revert to something that never was"};
  Rows rows = RowsAt(*table, target->first, target->second.published);
  const Epoch epoch = version.manifest->epoch;
  // Its writer had replayed all that there was of older epochs.
  std::erase_if(table->writes, [&](const auto& write) {
    const bool lost = write.first > version.published && write.second.epoch < epoch;
    if (lost && write.second.certain) throw Violation{"I1: a revert lost LSN " + std::to_string(write.first.value())};
    return lost;
  });
  table->reverts.push_back({version.manifest->version, epoch, version.published, std::move(rows)});
}

void Truth::Deleting(const std::string& key, const std::string& old) {
  ++changes_;
  const auto id = CollectionOf(key);
  if (!id) return;
  const std::string prefix = CollectionPrefix(*id);
  const auto it = tables_.find(*id);
  if (it == tables_.end()) return;
  if (key.starts_with(prefix + "manifest/")) {
    return Require(false, "I7: " + key + " was deleted");
  }
  if (key.starts_with(WalPrefix(*id))) return DeletingLogObject(*id, key, old);
  for (const auto& [other, table] : tables_) {
    for (const Version* version : Kept(table)) {
      Require(std::ranges::find(version->keys, key) == version->keys.end(),
              "I8: " + key + " was deleted although version " + std::to_string(version->manifest->version.value()) +
                  " of " + Name(other) + " names it");
    }
  }
  world_->coverage().Count("gc.deleted");
}

// What a stream leaves out, because nobody waited for it there, a manifest has that was committed before.
void Truth::PuttingLogObject(CollectionId id, const std::string& key, const std::string& body) {
  const auto it = tables_.find(id);
  const auto name = ParseWalObjectKey(id, key);
  const auto object = DecodeWalObject(body, id, name->epoch, name->sequence);
  if (it == tables_.end() || !object || object->header.record_count == 0) return;
  Table& table = it->second;
  const Lsn first = object->header.first_lsn;
  Require(first <= std::max(table.logged, Published(table.head())).Next(),
          "I1: " + key + " begins at LSN " + std::to_string(first.value()) +
              ", and what is before that is in no log and no manifest");
  if (first > table.logged.Next()) world_->coverage().Count("log.left_out");
  table.logged = std::max(table.logged, Lsn(first.value() + object->header.record_count - 1));
}

void Truth::DeletingLogObject(CollectionId id, const std::string& key, const std::string& old) const {
  const Manifest& head = TableOf(id).head();
  const auto name = ParseWalObjectKey(id, key);
  const auto object = DecodeWalObject(old, id, name->epoch, name->sequence);
  Require(object && object->header.kind != WalObjectKind::kFence, "I7: the fence " + key + " was deleted");
  if (head.dropped) return;
  const auto entry = std::ranges::find(head.open_epochs, name->epoch, &EpochEntry::epoch);
  const bool done = entry == head.open_epochs.end() ? name->epoch < head.epoch : name->sequence <= entry->sequence;
  Require(done, "I1, I7: " + key + " was deleted although its records are not published");
  world_->coverage().Count("log.trimmed");
}

std::vector<const Truth::Version*> Truth::Kept(const Table& table) {
  std::vector<const Version*> kept;
  if (table.versions.empty()) return kept;
  const Manifest& head = table.head();
  if (!head.dropped) {
    for (auto it = table.versions.lower_bound(head.gc_boundary); it != table.versions.end(); ++it)
      kept.push_back(&it->second);
  }
  for (const PinEntry& pin : head.pins) {
    if (const auto it = table.versions.find(pin.version); PinKeeps(head, pin) && it != table.versions.end())
      kept.push_back(&it->second);
  }
  return kept;
}

std::set<std::string> Truth::NamedKeys() const {
  std::set<std::string> named;
  for (const auto& [id, table] : tables_) {
    for (const Version* version : Kept(table)) named.insert(version->keys.begin(), version->keys.end());
  }
  return named;
}

std::vector<std::string> Truth::Garbage() const {
  const std::set<std::string> named = NamedKeys();
  std::vector<std::string> garbage;
  bucket_->ForEach([&](const std::string& key, const std::string& body) {
    const auto id = CollectionOf(key);
    if (!id || named.contains(key)) return;
    const auto it = tables_.find(*id);
    const bool is_manifest = key.starts_with(CollectionPrefix(*id) + "manifest/");
    // Of a collection that never got a name, its first objects are left: they keep the id taken.
    const bool named_once = std::ranges::any_of(catalog_, [&](const CatalogMoment& moment) {
      return moment.state.entries.contains(*id) || moment.state.dropped.contains(*id);
    });
    if (!named_once || late_after_purge_.contains(key)) return;
    const bool tombstone = is_manifest && DecodeManifestTombstone(body).value_or(std::nullopt).has_value();
    if (tombstone) return;
    const bool gone = !catalog().entries.contains(*id);
    const Manifest* head = it == tables_.end() ? nullptr : &it->second.head();
    // A drop that an alias came in the way of: the name cannot go before the alias does.
    if (!gone && head->dropped) return;
    if (gone && head != nullptr &&
        std::ranges::any_of(head->pins, [&](const PinEntry& pin) { return PinKeeps(*head, pin); })) {
      return;  // its clones need it
    }
    if (is_manifest) {
      const auto version = VersionOfKey(key);
      if (head != nullptr && (*version >= head->gc_boundary || *version == head->version)) return;
      // One that lost its pin when its neighbours were tombstones already may stay what it is.
      if (it != tables_.end() && it->second.once_pinned.contains(*version)) return;
    } else if (const auto name = ParseWalObjectKey(*id, key)) {
      const auto object = DecodeWalObject(body, *id, name->epoch, name->sequence);
      if (object && object->header.kind == WalObjectKind::kFence) return;
      if (gone) return garbage.push_back(key);
      const auto entry = std::ranges::find(head->open_epochs, name->epoch, &EpochEntry::epoch);
      if (entry != head->open_epochs.end() && name->sequence > entry->sequence) return;
      if (name->epoch > head->epoch) return;
    }
    garbage.push_back(key);
  });
  return garbage;
}

// ---- what clients were told

bool Truth::Alive(CollectionId id, const Position& position) const {
  const Table& table = TableOf(id);
  const bool reverted = std::ranges::any_of(table.reverts, [&](const Reverted& revert) {
    return revert.epoch > position.epoch && revert.lsn < position.lsn;
  });
  return !reverted && !table.head().LostByRebind(position.epoch, position.lsn) &&
         std::none_of(table.first_lsn.upper_bound(position.epoch), table.first_lsn.end(),
                      [&](const auto& first) { return first.second <= position.lsn; });
}

Rows Truth::Before(CollectionId id, Lsn lsn) const {
  return RowsAt(TableOf(id), ManifestVersion::Max(), Lsn(lsn.value() - 1));
}

void Truth::Appended(CollectionId id, const Position& position, Changes changes) {
  Table& table = TableOf(id);
  if (!Alive(id, position)) {
    world_->coverage().Count("write.of_a_deposed_writer");
    return;
  }
  for (auto it = table.writes.lower_bound(position.lsn); it != table.writes.end();) {
    if (it->second.epoch == position.epoch) {
      throw Violation{"I1: " + Name(id) + " handed out " + Text(position) + " twice"};
    }
    if (it->second.certain) {
      throw Violation{"I1: the write (" + std::to_string(it->second.epoch.value()) + ", " +
                      std::to_string(it->first.value()) + ") of " + Name(id) +
                      ", which was acknowledged or read, is lost: " + Text(position) + " was handed out"};
    }
    world_->coverage().Count("write.lost_unacknowledged");
    it = table.writes.erase(it);
  }
  table.first_lsn.try_emplace(position.epoch, position.lsn);
  table.writes[position.lsn] = {position.epoch, std::move(changes)};
}

void Truth::Acked(CollectionId id, const Position& position) {
  Table& table = TableOf(id);
  if (const Manifest& head = table.head(); head.LostByRebind(position.epoch, position.lsn)) {
    // Until its successor writes, a home that was not told may go on.
    const bool waited_for = head.rebinds.back().wait_ms > 0 && position.epoch == head.rebinds.back().ended;
    if (!waited_for) throw Violation{"I1: a home acknowledged " + Text(position) + " after another one began"};
    world_->coverage().Count("op.acked_in_the_wait");
    return;
  }
  const auto it = table.writes.find(position.lsn);
  if (it == table.writes.end() || it->second.epoch != position.epoch) {
    throw Violation{"I1: " + Name(id) + " acknowledged " + Text(position) + ", which a later writer does not have"};
  }
  it->second.certain = true;
  table.certain = std::max(table.certain, position.lsn);
  world_->coverage().Count("op.acked");
}

void Truth::Refused(CollectionId id, const Position& position) {
  Table& table = TableOf(id);
  const auto it = table.writes.find(position.lsn);
  if (it == table.writes.end() || it->second.epoch != position.epoch) return;
  if (it->second.certain) throw Violation{"I3: " + Name(id) + " refused " + Text(position) + ", which is there"};
  table.writes.erase(it);
  world_->coverage().Count("write.refused");
}

Lsn Truth::CertainLsn(CollectionId id) const { return TableOf(id).certain; }

void Truth::HomeEnded(const std::string& node, const LogOnDisk& log) {
  for (auto& [id, table] : tables_) {
    const Manifest& head = table.head();
    if (head.dropped || !head.home || head.home->node != node || head.home->disk != log.disk) continue;
    const Lsn published = Published(head);
    for (auto it = table.writes.begin(); it != table.writes.end();) {
      Write& write = it->second;
      const Lsn lsn = it->first;
      write.logged = lsn > published && log.records.contains({id, write.epoch, lsn});
      if (write.logged) world_->coverage().Count(write.certain ? "home.kept" : "home.kept_unacknowledged");
      if (write.logged || lsn <= published) {
        ++it;
        continue;
      }
      if (write.certain) {
        throw Violation{"I1: the write " + Text({write.epoch, {}, lsn}) + " of " + Name(id) +
                        ", which was acknowledged or read, is neither published nor on the disk of its home " + node};
      }
      world_->coverage().Count("home.lost_unacknowledged");
      it = table.writes.erase(it);
    }
  }
}

Lsn Truth::LoggedLsn(CollectionId id) const {
  Lsn newest;
  for (const auto& [lsn, write] : TableOf(id).writes) {
    if (write.logged) newest = lsn;
  }
  return newest;
}

Rows Truth::RowsAt(const Table& table, ManifestVersion version, Lsn lsn) const {
  const Reverted* reverted = nullptr;
  for (const Reverted& revert : table.reverts) {
    if (revert.version <= version) reverted = &revert;
  }
  Rows rows = reverted ? reverted->rows : table.base;
  const auto end = table.writes.upper_bound(lsn);
  for (auto it = reverted ? table.writes.upper_bound(reverted->lsn) : table.writes.begin();
       it != table.writes.end() && it != end; ++it) {
    if (reverted && it->first <= reverted->lsn) continue;
    ApplyChanges(it->second.changes, &rows);
  }
  return rows;
}

Rows Truth::Expect(CollectionId id, ManifestVersion version, Lsn lsn) {
  Table& table = TableOf(id);
  for (const Reverted& revert : table.reverts) {
    if (revert.version > version && revert.lsn < lsn) {
      throw Violation{"I2: a reader of " + Name(id) + " at version " + std::to_string(version.value()) + " sees LSN " +
                      std::to_string(lsn.value()) + ", but not the revert of version " +
                      std::to_string(revert.version.value()) + " before it"};
    }
  }
  for (auto it = table.writes.begin(); it != table.writes.end() && it->first <= lsn; ++it) it->second.certain = true;
  table.certain = std::max(table.certain, lsn);
  return RowsAt(table, version, lsn);
}

std::shared_ptr<const Manifest> Truth::ManifestOf(CollectionId id, ManifestVersion version) const {
  const Table& table = TableOf(id);
  const auto it = table.versions.find(version);
  return it == table.versions.end() ? nullptr : it->second.manifest;
}

std::shared_ptr<const Manifest> Truth::HeadOf(CollectionId id) const {
  return TableOf(id).versions.rbegin()->second.manifest;
}

Lsn Truth::PublishedBy(CollectionId id, ManifestVersion version) const {
  return TableOf(id).versions.at(version).published;
}

bool Truth::CatalogHeld(uint64_t since, const std::function<bool(const CatalogState&)>& holds) const {
  for (size_t i = catalog_.size(); i-- > 0;) {
    if (holds(catalog_[i].state)) return true;
    if (catalog_[i].since <= since) return false;
  }
  return false;
}

bool Truth::ManifestHeld(CollectionId id, uint64_t since, const std::function<bool(const Manifest&)>& holds) const {
  const auto& versions = TableOf(id).versions;
  for (auto it = versions.rbegin(); it != versions.rend(); ++it) {
    if (holds(*it->second.manifest)) return true;
    if (it->second.since <= since) return false;
  }
  return false;
}

}  // namespace akidb::sim
