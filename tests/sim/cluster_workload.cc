#include "cluster_workload.h"

#include <algorithm>

#include "check.h"
#include "workload.h"

namespace akidb::sim {

namespace {

constexpr int kCollections = 3;
constexpr int kClones = 2;
constexpr int kRebind = 16;  // its place among the actions
constexpr int kAliases = 2;
constexpr int kLateStepsMax = 500;

std::string PointText(const ReadPoint& point) {
  if (const auto* snapshot = std::get_if<AtSnapshot>(&point)) return "snapshot " + snapshot->name;
  if (const auto* version = std::get_if<AtVersion>(&point))
    return "version " + std::to_string(version->version.value());
  return "time " + FormatRfc3339(std::get<AtTime>(point).time);
}

}  // namespace

ClusterWorkload::ClusterWorkload(World* world, Truth* truth, uint64_t seed, Sleep sleep)
    : world_(world), truth_(truth), dice_(seed, 71), sleep_(std::move(sleep)) {
  // In the order of kAll: write, deletes, merge payload, reads, flush, merge, create, drop, alias, snapshots, revert,
  // clone, rebind, alter ack.
  const uint64_t base[kActions] = {60, 15, 5, 10, 25, 20, 12, 12, 6, 6, 2, 5, 7, 4, 4, 4, 2, 6};
  for (int i = 0; i < kActions; ++i) weights_[i] = base[i] * (dice_.Chance(200'000) ? 0 : dice_.Between(1, 3));
  for (const int needed : {0, 4, 8}) weights_[needed] = std::max(weights_[needed], base[needed]);
}

void ClusterWorkload::Any(Node& node) {
  static constexpr void (ClusterWorkload::* kAll[kActions])(Node&) = {
      &ClusterWorkload::Write,          &ClusterWorkload::DeleteIds,      &ClusterWorkload::DeleteMatching,
      &ClusterWorkload::MergePayload,   &ClusterWorkload::Read,           &ClusterWorkload::ReadYourWrites,
      &ClusterWorkload::ReadThePast,    &ClusterWorkload::Flush,          &ClusterWorkload::Merge,
      &ClusterWorkload::Create,         &ClusterWorkload::Drop,           &ClusterWorkload::Alias,
      &ClusterWorkload::CreateSnapshot, &ClusterWorkload::DeleteSnapshot, &ClusterWorkload::Revert,
      &ClusterWorkload::Clone,          &ClusterWorkload::Rebind,         &ClusterWorkload::AlterAck};
  uint64_t total = 0;
  for (const uint64_t weight : weights_) total += weight;
  uint64_t draw = dice_.Below(total);
  int action = 0;
  while (draw >= weights_[action]) draw -= weights_[action++];
  if (truth_->catalog().entries.empty()) return Create(node);
  (this->*kAll[action])(node);
}

void ClusterWorkload::RebindOften() { weights_[kRebind] = weights_[0]; }

void ClusterWorkload::Excuse(const Status& status, const std::string& what) {
  world_->trace().Line(what + ": " + status.ToString());
  world_->coverage().Count("refused." + std::string(StatusCodeName(status.code())));
  switch (status.code()) {
    case StatusCode::kUnavailable:
    case StatusCode::kDeadlineExceeded:
    case StatusCode::kAborted:
    case StatusCode::kPermissionDenied: return;  // 403 from a store without quorum
    case StatusCode::kResourceExhausted:
    case StatusCode::kAlreadyExists:
    case StatusCode::kNotFound:
    case StatusCode::kFailedPrecondition: return Require(!status.reason().empty(), what + ": " + status.ToString());
    default: throw Violation{"unexpected error of " + what + ": " + status.ToString()};
  }
}

std::string ClusterWorkload::AnyName(Node& node) {
  std::vector<std::string> names;
  for (const CatalogEntry& entry : node.db().List()) names.push_back(entry.spec.name);
  if (names.empty() || dice_.Chance(200'000)) {
    for (const auto& [name, id] : truth_->catalog().by_name) names.push_back(name);
  }
  if (dice_.Chance(100'000)) return "a" + std::to_string(dice_.Below(kAliases));
  return names.empty() ? "c0" : names[dice_.Below(names.size())];
}

ClusterWorkload::Handle ClusterWorkload::Get(Node& node, const std::string& name) {
  NodeContext ctx = node.Context();
  const auto found = node.db().Get(ctx, name);
  if (!found) {
    Excuse(found.error(), node.name() + " get " + name);
    return nullptr;
  }
  const CollectionId id = (*found)->id();
  Require(truth_->CatalogHeld(0,
                              [&](const CatalogState& state) {
                                const auto entry = state.Resolve(name);
                                return entry && entry->id == id;
                              }),
          "I2: " + name + " was never collection " + std::to_string(id.value()));
  return *found;
}

// ---- writes

void ClusterWorkload::Finish(Node& node, Collection& collection, const Result<WriteReceipt>& receipt, bool was_dropped,
                             const ChangesOf& changes_of, const std::string& what) {
  if (!receipt) return Excuse(receipt.error(), what);
  const CollectionId id = collection.id();
  const Position position = receipt->position;
  const std::string where =
      what + " -> (" + std::to_string(position.epoch.value()) + ", " + std::to_string(position.lsn.value()) + ")";
  world_->trace().Line(where);
  world_->coverage().Count("op.write");
  Changes changes;
  if (truth_->Alive(id, position)) {
    changes = changes_of(truth_->Before(id, position.lsn));
    Require(changes.size() == receipt->affected, "I3: " + where + " affected " + std::to_string(receipt->affected) +
                                                     " rows, expected " + std::to_string(changes.size()));
  }
  truth_->Appended(id, position, std::move(changes));
  if (dice_.Chance(250'000)) return;
  NodeContext ctx = node.Context();
  const bool commits = dice_.Coin();
  const Status durable =
      commits ? WaitCommitted(node, collection, position.lsn) : collection.WaitDurable(ctx, position.lsn);
  if (durable.ok()) {
    if (commits) world_->coverage().Count("op.committed");
    // A drop does not wait for a home.
    Require(!was_dropped || truth_->IsBound(id),
            "I1: " + where + " was acknowledged although the collection had been dropped");
    truth_->Acked(id, position);
    if (!truth_->IsLost(id, position)) last_acked_[id] = position;
    world_->trace().Line("ack " + where);
    return;
  }
  if (durable.effect() == Effect::kNone) truth_->Refused(id, position);
  Excuse(durable, "waiting for " + where);
}

void ClusterWorkload::Write(Node& node) {
  if (const Handle collection = GetAny(node)) WriteRows(node, *collection);
}

void ClusterWorkload::WriteRows(Node& node, Collection& collection) {
  const CollectionSpec spec = collection.spec();
  const WriteMode mode = dice_.Chance(700'000) ? WriteMode::kUpsert
                         : dice_.Coin()        ? WriteMode::kInsert
                                               : WriteMode::kUpdate;
  std::map<std::string, RowPtr> rows;
  for (uint64_t i = dice_.Chance(400'000) ? 1 : dice_.Between(2, 12); i > 0; --i)
    rows[RandomId(dice_)] = RandomRow(dice_, spec, next_version_++);
  std::vector<float> vectors;
  std::vector<std::string> payloads;
  akidb::WriteRows request;
  for (const auto& [id, row] : rows) {
    request.ids.push_back(id);
    payloads.push_back(row->PayloadJson());
    vectors.insert(vectors.end(), row->vector.begin(), row->vector.end());
  }
  request.payloads.assign(payloads.begin(), payloads.end());
  request.vectors = vectors.data();
  request.dim = spec.dim;
  const bool was_dropped = !truth_->catalog().FindById(collection.id());
  NodeContext ctx = node.Context();
  const auto receipt = collection.Write(ctx, request, mode, BatchPolicy::kPartial);
  const auto changes = [&](const Rows& before) {
    Changes out;
    for (const auto& [id, row] : rows) {
      if (mode == WriteMode::kUpsert || before.contains(id) == (mode == WriteMode::kUpdate)) out.emplace_back(id, row);
    }
    return out;
  };
  Finish(node, collection, receipt, was_dropped, changes,
         node.name() + " write " + spec.name + " from " + rows.begin()->first);
}

void ClusterWorkload::DeleteIds(Node& node) {
  const Handle collection = GetAny(node);
  if (!collection) return;
  std::set<std::string> ids;
  for (uint64_t i = dice_.Between(1, 8); i > 0; --i) ids.insert(RandomId(dice_));
  const bool was_dropped = !truth_->catalog().FindById(collection->id());
  NodeContext ctx = node.Context();
  const auto receipt = collection->DeleteIds(ctx, std::vector<std::string_view>(ids.begin(), ids.end()));
  const auto changes = [&](const Rows& before) {
    Changes out;
    for (const std::string& id : ids) {
      if (before.contains(id)) out.emplace_back(id, nullptr);
    }
    return out;
  };
  Finish(node, *collection, receipt, was_dropped, changes, node.name() + " delete in " + collection->spec().name);
}

void ClusterWorkload::DeleteMatching(Node& node) {
  const Handle collection = GetAny(node);
  if (!collection) return;
  const ModelFilter filter = RandomFilter(dice_);
  if (filter.kind == ModelFilter::Kind::kNotTag) return;  // would empty the collection too often
  const bool was_dropped = !truth_->catalog().FindById(collection->id());
  NodeContext ctx = node.Context();
  const auto receipt = collection->DeleteMatching(ctx, *ParseFilter(filter));
  const auto changes = [&](const Rows& before) {
    Changes out;
    for (const auto& [id, row] : before) {
      if (filter.Matches(id, *row)) out.emplace_back(id, nullptr);
    }
    return out;
  };
  Finish(node, *collection, receipt, was_dropped, changes, node.name() + " delete by " + filter.Json());
}

void ClusterWorkload::MergePayload(Node& node) {
  const Handle collection = GetAny(node);
  if (!collection) return;
  const std::string id = RandomId(dice_);
  const std::string version = std::to_string(next_version_++);
  const std::string number = std::to_string(dice_.Below(120));
  const bool was_dropped = !truth_->catalog().FindById(collection->id());
  NodeContext ctx = node.Context();
  const auto receipt =
      collection->MergePayload(ctx, id, R"({"v":)" + version + R"(,"n":)" + number + R"(,"tag":null})");
  const auto changes = [&](const Rows& before) {
    Changes out;
    if (const auto old = before.find(id); old != before.end()) {
      auto row = std::make_shared<ModelRow>(*old->second);
      row->payload["v"] = version;
      row->payload["n"] = number;
      row->payload.erase("tag");
      out.emplace_back(id, std::move(row));
    }
    return out;
  };
  Finish(node, *collection, receipt, was_dropped, changes, node.name() + " merge payload of " + id);
}

// ---- reads

Status ClusterWorkload::CheckRead(Node& node, Collection& collection) {
  NodeContext ctx = node.Context();
  AKI_ASSIGN_OR_RETURN(const auto snapshot, collection.Read(ctx));
  const Position position = snapshot->position();
  const CollectionId id = collection.id();
  Seen& seen = seen_[&node][id];
  const uint64_t denied = world_->coverage().Of("fault.no_read_quorum");
  // A collection that is opened while the store denies what it has begins with what can be read.
  const bool excused = seen.denied != denied;
  if (truth_->IsLost(id, position)) {
    world_->coverage().Count("read.of_a_home_that_was");
    return OkStatus();
  }
  if (position.lsn < seen.lsn && truth_->IsLost(id, {seen.epoch, {}, seen.lsn})) {
    world_->coverage().Count("read.after_a_rebind");
  } else if (position.lsn < seen.lsn) {
    Require(excused, "I2: " + node.name() + " went back from LSN " + std::to_string(seen.lsn.value()) + " to " +
                         std::to_string(position.lsn.value()) + " of " + collection.spec().name);
    world_->coverage().Count("read.went_back_without_quorum");
  }
  if (const auto& home = truth_->HeadOf(id)->home; home && node.IsAt(*home)) {
    const Lsn logged = truth_->LoggedLsn(id);
    Require(position.lsn >= logged, "I1: " + node.name() + " shows LSN " + std::to_string(position.lsn.value()) +
                                        " of " + collection.spec().name + ", but LSN " +
                                        std::to_string(logged.value()) + " was in its log when it ended");
  }
  seen = {position.lsn, position.epoch, denied};
  const Rows expected = truth_->Expect(id, position.version, position.lsn);
  world_->trace().Line(node.name() + " read " + collection.spec().name + " at version " +
                       std::to_string(position.version.value()) + " lsn " + std::to_string(position.lsn.value()));
  return CheckSnapshot(ctx, *snapshot, expected, snapshot->live_rows(), dice_);
}

void ClusterWorkload::Read(Node& node) {
  const std::string name = AnyName(node);
  const auto entry = truth_->catalog().Find(name);
  const auto loaded = node.db().Loaded();
  const bool fresh = entry && std::ranges::none_of(loaded, [&](const auto& c) { return c->id() == entry->id; });
  Lsn certain;
  if (fresh && truth_->Knows(entry->id)) {
    // What only its home's disk has, other nodes do not show.
    certain = truth_->IsBound(entry->id) ? truth_->PublishedBy(entry->id, truth_->HeadOf(entry->id)->version)
                                         : truth_->CertainLsn(entry->id);
  }
  const uint64_t denied = world_->coverage().Of("fault.no_read_quorum");
  const Handle collection = Get(node, name);
  if (!collection) return;
  const Status status = CheckRead(node, *collection);
  if (!status.ok()) return Excuse(status, node.name() + " read " + name);
  world_->coverage().Count("op.read");
  // Without a quorum a 404 may hide the end of a log; elsewhere an empty node shows everything.
  if (!fresh || entry->id != collection->id() || world_->coverage().Of("fault.no_read_quorum") != denied) return;
  Require(seen_[&node][entry->id].lsn >= certain, "I1: " + node.name() + " opened " + name + " and shows LSN " +
                                                      std::to_string(seen_[&node][entry->id].lsn.value()) +
                                                      ", but LSN " + std::to_string(certain.value()) +
                                                      " was acknowledged before");
  world_->coverage().Count("op.read_fresh");
}

Status ClusterWorkload::WaitVisible(Node& node, Collection& collection, const Position& position, Duration timeout) {
  const auto answer = std::make_shared<std::optional<Status>>();
  NodeContext ctx = node.Context(timeout);
  collection.NotifyVisible(ctx, position, [answer](const Status& status) { *answer = status; });
  return WaitAnswer(node, collection, ctx, *answer);
}

Status ClusterWorkload::WaitCommitted(Node& node, Collection& collection, Lsn lsn) {
  const auto answer = std::make_shared<std::optional<Status>>();
  NodeContext ctx = node.Context(std::chrono::milliseconds(dice_.Between(1, 30'000)));
  collection.NotifyCommitted(ctx, lsn, [answer](const Status& status) { *answer = status; });
  return WaitAnswer(node, collection, ctx, *answer);
}

Status ClusterWorkload::WaitAnswer(Node& node, Collection& collection, const OpContext& ctx,
                                   const std::optional<Status>& answer) {
  // Time may pass in one slow request of another task; what counts is how often the node could have answered since.
  for (int late = 0; !answer;) {
    if (node.clock().Now() > ctx.deadline() && ++late > kLateStepsMax) {
      throw Violation{node.name() + " never answers who waits for a write of " + collection.spec().name};
    }
    if (!node.executor().StepOne(dice_)) sleep_(node, std::chrono::milliseconds(20));
  }
  return *answer;
}

void ClusterWorkload::ReadYourWrites(Node& node) {
  if (last_acked_.empty()) return;
  const auto it = std::next(last_acked_.begin(), static_cast<std::ptrdiff_t>(dice_.Below(last_acked_.size())));
  const auto entry = truth_->catalog().FindById(it->first);
  if (!entry) return;
  const Position position = it->second;
  const Handle collection = Get(node, entry->spec.name);
  if (!collection || collection->id() != entry->id) return;
  const std::string what = node.name() + " read " + entry->spec.name + " with min_commit";
  if (const Status visible = WaitVisible(node, *collection, position, std::chrono::seconds(30)); !visible.ok())
    return Excuse(visible, what);
  if (const Status read = CheckRead(node, *collection); !read.ok()) return Excuse(read, what);
  NodeContext ctx = node.Context();
  const auto read = collection->Read(ctx);
  // It goes on to show what a rebind took away until it hears of it.
  const bool was_home = read && truth_->IsLost(entry->id, {(*read)->position().epoch, {}, Lsn::Max()});
  if (truth_->IsLost(entry->id, position)) {
    // Only such a home still knows the write; others say that it is lost.
    Require(!read || was_home, "I1: " + what + " is lost");
    return world_->coverage().Count("op.read_lost_write");
  }
  if (was_home) return Require((*read)->position().lsn >= position.lsn, "I1: " + what + " does not show its write");
  Require(seen_[&node][entry->id].lsn >= position.lsn, "I1: " + what + " does not show its write");
  world_->coverage().Count("op.read_your_writes");
}

ReadPoint ClusterWorkload::AnyPoint(Node& node, Collection& collection) {
  const uint64_t head = truth_->HeadOf(collection.id())->version.value();
  if (dice_.Coin()) return AtSnapshot{SnapshotName()};
  if (dice_.Chance(200'000))
    return AtTime{node.clock().WallNow() - std::chrono::seconds(static_cast<int64_t>(dice_.Below(60)))};
  return AtVersion{ManifestVersion(head - std::min(head - 1, dice_.Below(5)))};
}

void ClusterWorkload::ReadThePast(Node& node) {
  const Handle collection = GetAny(node);
  if (!collection) return;
  const ReadPoint point = AnyPoint(node, *collection);
  const std::string what = node.name() + " read " + collection->spec().name + " at " + PointText(point);
  NodeContext ctx = node.Context();
  const auto snapshot = collection->ReadAt(ctx, point);
  if (!snapshot) return Excuse(snapshot.error(), what);
  const CollectionId id = collection->id();
  const Position position = (*snapshot)->position();
  if (const auto* version = std::get_if<AtVersion>(&point)) {
    Require(position.version == version->version, what + " gave another version");
  } else if (const auto* named = std::get_if<AtSnapshot>(&point)) {
    const bool held = truth_->ManifestHeld(id, 0, [&](const Manifest& manifest) {
      const auto pin = FindSnapshotPin(manifest, named->name);
      return pin != manifest.pins.end() && pin->version == position.version;
    });
    Require(held, what + " gave version " + std::to_string(position.version.value()) + ", which it never was");
  }
  Require(position.lsn == truth_->PublishedBy(id, position.version), what + " stands at a wrong LSN");
  const Rows expected = truth_->Expect(id, position.version, position.lsn);
  const Status status = CheckSnapshot(ctx, **snapshot, expected, expected.size(), dice_);
  if (!status.ok()) return Excuse(status, what);
  world_->coverage().Count("op.read_past");
}

// ---- what changes manifests and the catalog

void ClusterWorkload::Flush(Node& node) {
  const Handle collection = GetAny(node);
  if (!collection) return;
  NodeContext ctx = node.Context();
  const Status status = collection->Flush(ctx);
  if (!status.ok()) return Excuse(status, node.name() + " flush " + collection->spec().name);
  world_->coverage().Count("op.flush");
}

void ClusterWorkload::Merge(Node& node) {
  const Handle collection = GetAny(node);
  if (!collection) return;
  NodeContext ctx = node.Context();
  const Status status =
      collection->Merge(ctx, dice_.Coin() ? Collection::MergeScope::kPolicy : Collection::MergeScope::kFull);
  if (!status.ok()) return Excuse(status, node.name() + " merge " + collection->spec().name);
  world_->coverage().Count("op.merge");
}

void ClusterWorkload::Create(Node& node) {
  const std::string name = "c" + std::to_string(dice_.Below(kCollections));
  CollectionSpec spec = RandomSpec(dice_, name);
  spec.ack = dice_.Chance(300'000) ? AckLevel::kLocal : node.db().default_ack();
  const uint64_t since = truth_->now();
  NodeContext ctx = node.Context();
  const auto created = node.db().Create(ctx, spec);
  if (!created) return Excuse(created.error(), node.name() + " create " + name);
  const CollectionId id = (*created)->id();
  Require(truth_->CatalogHeld(since,
                              [&](const CatalogState& state) {
                                const auto entry = state.Find(name);
                                return entry && entry->id == id;
                              }),
          "I6: " + node.name() + " created " + name + ", which is not in the catalog");
  world_->trace().Line(node.name() + " created " + name + " as " + std::to_string(id.value()));
  world_->coverage().Count("op.create");
}

void ClusterWorkload::Drop(Node& node) {
  const std::string name = AnyName(node);
  const uint64_t since = truth_->now();
  NodeContext ctx = node.Context();
  const Status status = node.db().Drop(ctx, name);
  if (!status.ok()) return Excuse(status, node.name() + " drop " + name);
  Require(truth_->CatalogHeld(since, [&](const CatalogState& state) { return !state.by_name.contains(name); }),
          "I6: " + node.name() + " dropped " + name + ", which is in the catalog");
  world_->trace().Line(node.name() + " dropped " + name);
  world_->coverage().Count("op.drop");
}

void ClusterWorkload::Alias(Node& node) {
  const std::string alias = "a" + std::to_string(dice_.Below(kAliases));
  const std::string name = "c" + std::to_string(dice_.Below(kCollections));
  const std::string other = "c" + std::to_string(dice_.Below(kCollections));
  const uint64_t since = truth_->now();
  NodeContext ctx = node.Context();
  const uint64_t kind = dice_.Below(3);
  const Status status = kind == 0   ? node.db().SetAlias(ctx, alias, name)
                        : kind == 1 ? node.db().SwitchAlias(ctx, alias, other, name)
                                    : node.db().DropAlias(ctx, alias);
  if (!status.ok()) return Excuse(status, node.name() + " alias " + alias);
  const bool held = truth_->CatalogHeld(since, [&](const CatalogState& state) {
    const auto target = state.aliases.find(alias);
    if (kind == 2) return target == state.aliases.end();
    const auto entry = state.Find(name);
    return target != state.aliases.end() && entry && target->second == entry->id;
  });
  Require(held, "I6: " + node.name() + " moved alias " + alias + ", which the catalog does not show");
  world_->coverage().Count("op.alias");
}

void ClusterWorkload::CreateSnapshot(Node& node) {
  const Handle collection = GetAny(node);
  if (!collection) return;
  const CollectionId id = collection->id();
  const std::string name = SnapshotName();
  const Lsn certain = truth_->CertainLsn(id);
  const uint64_t since = truth_->now();
  const std::string what = node.name() + " snapshot " + name + " of " + collection->spec().name;
  NodeContext ctx = node.Context();
  const auto info = collection->CreateSnapshot(ctx, name);
  if (!info) return Excuse(info.error(), what);
  const bool held = truth_->ManifestHeld(id, since, [&](const Manifest& manifest) {
    const auto pin = FindSnapshotPin(manifest, name);
    return pin != manifest.pins.end() && pin->version == info->version;
  });
  Require(held, "I6: " + what + " is in no manifest");
  Require(truth_->PublishedBy(id, info->version) >= std::min(certain, truth_->CertainLsn(id)),
          "I1: " + what + " lacks an acknowledged write");
  world_->trace().Line(what + " -> version " + std::to_string(info->version.value()));
  world_->coverage().Count("op.snapshot");
}

void ClusterWorkload::DeleteSnapshot(Node& node) {
  const Handle collection = GetAny(node);
  if (!collection) return;
  const std::string name = SnapshotName();
  const uint64_t since = truth_->now();
  const std::string what = node.name() + " delete snapshot " + name + " of " + collection->spec().name;
  NodeContext ctx = node.Context();
  const Status status = collection->DeleteSnapshot(ctx, name);
  if (!status.ok()) return Excuse(status, what);
  const bool held = truth_->ManifestHeld(collection->id(), since, [&](const Manifest& manifest) {
    return FindSnapshotPin(manifest, name) == manifest.pins.end();
  });
  Require(held, "I6: " + what + " removed nothing");
  world_->coverage().Count("op.unpin");
}

void ClusterWorkload::Revert(Node& node) {
  const Handle collection = GetAny(node);
  if (!collection) return;
  const CollectionId id = collection->id();
  const ReadPoint point = AnyPoint(node, *collection);
  const uint64_t since = truth_->now();
  const std::string what = node.name() + " revert " + collection->spec().name + " to " + PointText(point);
  NodeContext ctx = node.Context();
  const auto reverted = collection->Revert(ctx, point);
  if (!reverted) return Excuse(reverted.error(), what);
  world_->trace().Line(what + " -> version " + std::to_string(reverted->value()));
  Require(truth_->ManifestHeld(id, since, [&](const Manifest& manifest) { return manifest.version == *reverted; }),
          "I6: " + what + " is in no manifest");
  const auto* version = std::get_if<AtVersion>(&point);
  const auto before = truth_->ManifestOf(id, ManifestVersion(reverted->value() - 1));
  const auto after = truth_->ManifestOf(id, *reverted);
  if (version != nullptr && after->revert_generation != before->revert_generation) {
    const Rows wanted = truth_->Expect(id, version->version, truth_->PublishedBy(id, version->version));
    const Rows got = truth_->Expect(id, *reverted, truth_->PublishedBy(id, *reverted));
    Require(SameRows(wanted, got), what + " went elsewhere: " + DescribeDifference(wanted, got));
  }
  world_->coverage().Count("op.revert");
}

void ClusterWorkload::Clone(Node& node) {
  const Handle source = GetAny(node);
  if (!source) return;
  const std::string name = "k" + std::to_string(dice_.Below(kClones));
  const std::string of = source->spec().name;
  std::optional<ReadPoint> at;
  if (dice_.Coin()) at = AnyPoint(node, *source);
  const Lsn certain = truth_->CertainLsn(source->id());
  const uint64_t since = truth_->now();
  const std::string what = node.name() + " clone " + of + " as " + name + (at ? " at " + PointText(*at) : "");
  NodeContext ctx = node.Context();
  const auto cloned = node.db().Clone(ctx, of, name, at);
  if (!cloned) return Excuse(cloned.error(), what);
  const CollectionId id = (*cloned)->id();
  const bool held = truth_->CatalogHeld(since, [&](const CatalogState& state) {
    const auto entry = state.Find(name);
    return entry && entry->id == id;
  });
  Require(held, "I6: " + what + " is not in the catalog");
  const auto first = truth_->ManifestOf(id, ManifestVersion(1));
  Require(first && first->cloned_from, what + " has no origin");
  if (!at && first->cloned_from->collection == source->id()) {
    Require(truth_->PublishedBy(source->id(), first->cloned_from->version) >=
                std::min(certain, truth_->CertainLsn(source->id())),
            "I1: " + what + " lacks an acknowledged write");
  }
  world_->trace().Line(what + " -> " + std::to_string(id.value()));
  world_->coverage().Count("op.clone");
}

void ClusterWorkload::Rebind(Node& node) {
  const std::string name = AnyName(node);
  NodeContext ctx = node.Context();
  const auto report = node.db().Rebind(ctx, name);
  if (!report) return Excuse(report.error(), node.name() + " rebind " + name);
  world_->trace().Line(node.name() + " rebound " + name + " from " + report->previous_node);
  world_->coverage().Count("op.rebind");
}

void ClusterWorkload::AlterAck(Node& node) {
  const std::string name = AnyName(node);
  const AckLevel ack = dice_.Coin() ? AckLevel::kLocal : AckLevel::kObject;
  const std::string what = node.name() + " alter ack of " + name + " to " + std::string(AckLevelName(ack));
  const uint64_t since = truth_->now();
  const auto edit = [&](const CollectionSpec& newest) {
    CollectionSpec spec = newest;
    spec.ack = ack;
    return Result<CollectionSpec>(spec);
  };
  NodeContext ctx = node.Context();
  const Status status = node.db().Alter(ctx, name, edit, Database::AckGiven::kYes);
  if (!status.ok()) return Excuse(status, what);
  std::optional<CollectionId> id;
  const bool held = truth_->CatalogHeld(since, [&](const CatalogState& state) {
    const auto entry = state.Find(name);
    if (!entry || entry->spec.ack != ack) return false;
    id = entry->id;
    return true;
  });
  Require(held, "I6: " + what + " is not in the catalog");
  Require(
      truth_->ManifestHeld(
          *id, since, [&](const Manifest& manifest) { return manifest.home.has_value() == (ack == AckLevel::kLocal); }),
      "I6: " + what + " is in no manifest");
  world_->trace().Line(what);
  world_->coverage().Count("op.alter_ack");
}

}  // namespace akidb::sim
