#include "workload.h"

#include <algorithm>
#include <limits>

#include "check.h"

namespace akidb::sim {

namespace {

constexpr int kTablesMax = 4;

}  // namespace

RowPtr RandomRow(Dice& dice, const CollectionSpec& spec, uint64_t version) {
  auto row = std::make_shared<ModelRow>();
  for (uint32_t i = 0; i < spec.dim; ++i) row->vector.push_back(static_cast<float>(dice.Between(0, 80)) - 40);
  if (spec.vector_type == VectorType::kInt8) {
    row->vector[dice.Below(spec.dim)] = dice.Coin() ? 127 : -127;
  } else {
    row->vector[dice.Below(spec.dim)] = 41;
    if (dice.Coin()) row->vector[dice.Below(spec.dim)] += 0.25F;
  }
  row->payload["v"] = std::to_string(version);
  if (dice.Chance(800'000)) row->payload["n"] = std::to_string(dice.Below(120));
  if (dice.Chance(800'000)) row->payload["tag"] = std::string("\"") + static_cast<char>('a' + dice.Below(4)) + "\"";
  row->payload["s"] =
      "\"" + std::string(dice.Below(dice.Chance(100'000) ? 400 : 60), static_cast<char>('a' + dice.Below(26))) + "\"";
  return row;
}

CollectionSpec RandomSpec(Dice& dice, const std::string& name) {
  CollectionSpec spec;
  spec.name = name;
  spec.dim = static_cast<uint32_t>(dice.Between(2, 8));
  spec.distance = static_cast<Distance>(dice.Between(1, 3));
  spec.vector_type = static_cast<VectorType>(dice.Between(1, 3));
  return spec;
}

// A batch and what it must come to.
struct Workload::Request {
  std::vector<std::string> ids;
  std::vector<RowPtr> rows;
  std::vector<float> vectors;
  std::vector<std::string> payloads;
  uint32_t dim = 0;
  WriteMode mode = WriteMode::kUpsert;
  BatchPolicy policy = BatchPolicy::kAllOrNothing;
  Changes changes;                    // of the rows that pass
  std::vector<std::string> refusals;  // reason of each row's refusal, empty if it passes
  std::string refusal;                // of the whole request
};

std::optional<std::string> Workload::PickTable() {
  std::vector<std::string> names;
  for (const auto& [name, table] : machine_->model.tables()) {
    if (!machine_->model.open_ddl().contains(name)) names.push_back(name);
  }
  if (names.empty()) return std::nullopt;
  return names[dice_.Below(names.size())];
}

void Workload::Excuse(const Status& status, const std::string& what) {
  machine_->world.ThrowIfCrashed();
  machine_->world.trace().Line(what + ": " + status.ToString());
  machine_->world.coverage().Count("refused." + std::string(StatusCodeName(status.code())));
  const bool full = status.reason() == "unflushed_full" || status.reason() == "wal_full";
  const bool environment = status.code() == StatusCode::kUnavailable ||
                           status.code() == StatusCode::kDeadlineExceeded ||
                           status.code() == StatusCode::kResourceExhausted;
  Require(full || (faults_on_ && environment), "unexpected error of " + what + ": " + status.ToString());
}

std::shared_ptr<Collection> Workload::Get(Process& process, const std::string& name) {
  OpContext ctx = process.Context();
  auto collection = process.db().Get(ctx, name);
  if (collection) return *collection;
  Excuse(collection.error(), "get " + name);
  return nullptr;
}

Workload::Request Workload::RandomRequest(const CollectionSpec& spec, const Rows& latest) {
  Request request;
  request.dim = spec.dim;
  request.mode = dice_.Chance(700'000) ? WriteMode::kUpsert : dice_.Coin() ? WriteMode::kInsert : WriteMode::kUpdate;
  request.policy = dice_.Chance(800'000) ? BatchPolicy::kAllOrNothing : BatchPolicy::kPartial;
  const uint64_t count = dice_.Chance(400'000) ? 1 : dice_.Between(2, 20);
  std::set<std::string> distinct;
  while (distinct.size() < count) {
    std::string id = RandomId(dice_);
    if (!distinct.insert(id).second) continue;
    request.rows.push_back(RandomRow(dice_, spec, next_version_++));
    request.vectors.insert(request.vectors.end(), request.rows.back()->vector.begin(),
                           request.rows.back()->vector.end());
    request.payloads.push_back(request.rows.back()->PayloadJson());
    request.ids.push_back(std::move(id));
  }
  request.refusals.resize(count);
  if (dice_.Chance(80'000)) {
    const uint64_t bad = dice_.Below(count);
    switch (dice_.Below(5)) {
      case 0:
        request.ids[bad].clear();
        request.refusals[bad] = "empty_id";
        break;
      case 1:
        request.ids[bad] = std::string(600, 'x');
        request.refusals[bad] = "id_too_long";
        break;
      case 2:
        request.vectors[bad * spec.dim] = std::numeric_limits<float>::quiet_NaN();
        request.refusals[bad] = "non_finite";
        break;
      case 3:
        if (bad == 0) break;
        request.ids[bad] = request.ids[bad - 1];
        request.refusals[bad] = "duplicate_id";
        break;
      default:
        request.dim = spec.dim + 1;
        request.vectors.resize(count * request.dim);
        request.refusal = "wrong_dimension";
        break;
    }
  }
  for (uint64_t i = 0; i < count; ++i) {
    if (!request.refusals[i].empty() && request.policy == BatchPolicy::kAllOrNothing && request.refusal.empty()) {
      request.refusal = request.refusals[i];
    }
  }
  for (uint64_t i = 0; i < count; ++i) {
    const bool exists = latest.contains(request.ids[i]);
    if (request.refusals[i].empty() && request.mode == WriteMode::kInsert && exists) request.refusals[i] = "id_exists";
    if (request.refusals[i].empty() && request.mode == WriteMode::kUpdate && !exists)
      request.refusals[i] = "id_not_found";
    if (request.refusals[i].empty()) {
      request.changes.emplace_back(request.ids[i], request.rows[i]);
    } else if (request.policy == BatchPolicy::kAllOrNothing && request.refusal.empty()) {
      request.refusal = request.refusals[i];
    }
  }
  if (!request.refusal.empty()) request.changes.clear();
  return request;
}

void Workload::Finish(const std::string& name, const Result<WriteReceipt>& receipt, uint64_t affected,
                      const std::string& refusal, const std::string& what) {
  World& world = machine_->world;
  if (receipt) {
    Require(refusal.empty(), "I3: " + what + " should have been refused with " + refusal);
    Require(receipt->affected == affected,
            what + " affected " + std::to_string(receipt->affected) + " rows, expected " + std::to_string(affected));
    machine_->model.EndWrite(name, receipt->position.lsn.value());
    unacked_.push_back({name, receipt->position.lsn.value()});
    world.coverage().Count("op.write_applied");
    world.trace().Line(what + " -> lsn " + std::to_string(receipt->position.lsn.value()));
    return;
  }
  machine_->world.ThrowIfCrashed();
  machine_->model.FailWrite(name);
  if (!refusal.empty() && receipt.error().reason() == refusal) {
    world.coverage().Count("op.refused");
    return;
  }
  Excuse(receipt.error(), what);
}

void Workload::Write(Process& process) {
  const auto name = PickTable();
  if (!name) return;
  const auto collection = Get(process, *name);
  if (collection == nullptr) return;
  const Model::Table& table = machine_->model.table(*name);
  const Request request = RandomRequest(table.spec, table.Latest());
  WriteRows rows;
  rows.ids.assign(request.ids.begin(), request.ids.end());
  rows.payloads.assign(request.payloads.begin(), request.payloads.end());
  rows.vectors = request.vectors.data();
  rows.dim = request.dim;
  const std::string what = "write " + *name + " " + std::to_string(request.ids.size()) + " rows from " + request.ids[0];
  machine_->model.BeginWrite(*name, request.changes);
  OpContext ctx = process.Context();
  const auto receipt = collection->Write(ctx, rows, request.mode, request.policy);
  if (receipt && request.policy == BatchPolicy::kPartial) {
    std::vector<std::string> reasons(request.ids.size());
    for (const RowError& error : receipt->errors) reasons[error.index] = error.status.reason();
    Require(reasons == request.refusals, "I3: " + what + ": partial batch refused the wrong rows");
  }
  Finish(*name, receipt, request.changes.size(), request.refusal, what);
}

void Workload::DeleteIds(Process& process) {
  const auto name = PickTable();
  if (!name) return;
  const auto collection = Get(process, *name);
  if (collection == nullptr) return;
  const Rows latest = machine_->model.table(*name).Latest();
  std::vector<std::string> ids;
  for (uint64_t i = dice_.Between(1, 8); i > 0; --i) ids.push_back(RandomId(dice_));
  Changes changes;
  for (const std::string& id : std::set<std::string>(ids.begin(), ids.end())) {
    if (latest.contains(id)) changes.emplace_back(id, nullptr);
  }
  const uint64_t affected = changes.size();
  machine_->model.BeginWrite(*name, std::move(changes));
  OpContext ctx = process.Context();
  const auto receipt = collection->DeleteIds(ctx, std::vector<std::string_view>(ids.begin(), ids.end()));
  Finish(*name, receipt, affected, "", "delete " + *name + " " + std::to_string(affected) + " rows");
}

void Workload::DeleteMatching(Process& process) {
  const auto name = PickTable();
  if (!name) return;
  const auto collection = Get(process, *name);
  if (collection == nullptr) return;
  const ModelFilter filter = RandomFilter(dice_);
  if (filter.kind == ModelFilter::Kind::kNotTag) return;  // would empty the collection too often
  Changes changes;
  for (const auto& [id, row] : machine_->model.table(*name).Latest()) {
    if (filter.Matches(id, *row)) changes.emplace_back(id, nullptr);
  }
  const uint64_t affected = changes.size();
  machine_->model.BeginWrite(*name, std::move(changes));
  OpContext ctx = process.Context();
  const auto receipt = collection->DeleteMatching(ctx, *ParseFilter(filter));
  Finish(*name, receipt, affected, "", "delete " + *name + " by " + filter.Json());
}

void Workload::MergePayload(Process& process) {
  const auto name = PickTable();
  if (!name) return;
  const auto collection = Get(process, *name);
  if (collection == nullptr) return;
  const Rows latest = machine_->model.table(*name).Latest();
  const std::string id = RandomId(dice_);
  const auto old = latest.find(id);
  const std::string version = std::to_string(next_version_++);
  const std::string number = std::to_string(dice_.Below(120));
  const std::string patch = R"({"v":)" + version + R"(,"n":)" + number + R"(,"tag":null})";
  Changes changes;
  if (old != latest.end()) {
    auto row = std::make_shared<ModelRow>(*old->second);
    row->payload["v"] = version;
    row->payload["n"] = number;
    row->payload.erase("tag");
    changes.emplace_back(id, std::move(row));
  }
  const bool exists = !changes.empty();
  machine_->model.BeginWrite(*name, std::move(changes));
  OpContext ctx = process.Context();
  const auto receipt = collection->MergePayload(ctx, id, patch);
  Finish(*name, receipt, 1, exists ? "" : "id_not_found", "merge payload " + *name + " " + id);
}

void Workload::Create(Process& process) {
  const std::string name = "c" + std::to_string(dice_.Below(kTablesMax));
  Model& model = machine_->model;
  if (model.open_ddl().contains(name)) return;
  CollectionSpec spec = RandomSpec(dice_, name);
  spec.ack = process.db().default_ack();
  const bool exists = model.has(name);
  if (!exists) model.BeginDdl(name, true, spec);
  OpContext ctx = process.Context();
  const auto created = process.db().Create(ctx, spec);
  machine_->world.trace().Line("create " + name + (created ? "" : " " + created.error().ToString()));
  if (created) {
    Require(!exists, "create of " + name + " succeeded although it exists");
    model.EndDdl(name);
    machine_->world.coverage().Count("op.create");
    return;
  }
  if (exists && created.error().code() == StatusCode::kAlreadyExists) return;
  Excuse(created.error(), "create " + name);
  if (!exists && created.error().effect() == Effect::kNone) model.FailDdl(name);
}

void Workload::Drop(Process& process) {
  const auto name = PickTable();
  if (!name) return;
  Model& model = machine_->model;
  model.BeginDdl(*name, false, model.table(*name).spec);
  OpContext ctx = process.Context();
  const Status status = process.db().Drop(ctx, *name);
  machine_->world.trace().Line("drop " + *name + " " + status.ToString());
  if (status.ok()) {
    model.EndDdl(*name);
    std::erase_if(unacked_, [&](const Unacked& u) { return u.name == *name; });
    machine_->world.coverage().Count("op.drop");
    return;
  }
  Excuse(status, "drop " + *name);
  if (status.effect() == Effect::kNone) model.FailDdl(*name);
}

void Workload::Flush(Process& process) {
  const auto name = PickTable();
  if (!name) return;
  const auto collection = Get(process, *name);
  if (collection == nullptr) return;
  OpContext ctx = process.Context();
  const Status status = collection->Flush(ctx);
  machine_->world.trace().Line("flush " + *name + " " + status.ToString());
  if (!status.ok()) return Excuse(status, "flush " + *name);
  machine_->world.coverage().Count("op.flush");
  const Model::Table& table = machine_->model.table(*name);
  if (!table.writes.empty()) machine_->model.Ack(*name, table.writes.back().lsn);
}

void Workload::Merge(Process& process) {
  const auto name = PickTable();
  if (!name) return;
  const auto collection = Get(process, *name);
  if (collection == nullptr) return;
  OpContext ctx = process.Context();
  const Status status =
      collection->Merge(ctx, dice_.Coin() ? Collection::MergeScope::kPolicy : Collection::MergeScope::kFull);
  machine_->world.trace().Line("merge " + *name + " " + status.ToString());
  if (!status.ok()) return Excuse(status, "merge " + *name);
  machine_->world.coverage().Count("op.merge");
}

void Workload::Commit(Process& process) {
  if (unacked_.empty()) return;
  // A subset in any order: acknowledgements may come late, and a later write's first.
  std::vector<Unacked> now;
  std::vector<Unacked> later;
  for (Unacked& u : unacked_) (dice_.Chance(800'000) ? now : later).push_back(std::move(u));
  for (size_t i = now.size(); i > 1; --i) std::swap(now[i - 1], now[dice_.Below(i)]);
  unacked_ = std::move(later);
  for (const Unacked& u : now) {
    OpContext ctx = process.Context();
    auto acked = std::make_shared<bool>(false);
    if (machine_->model.open_ddl().contains(u.name)) continue;
    const auto collection = Get(process, u.name);
    if (collection == nullptr) continue;
    if (collection->ack() == AckLevel::kObject) {
      // Published, and then perhaps never in the log; or sent by the log's own task, or by whoever waits.
      const bool commits = dice_.Coin();
      const Status durable = commits ? collection->Flush(ctx) : collection->WaitDurable(ctx, Lsn(u.lsn));
      if (!durable.ok()) {
        Excuse(durable, "waiting for " + u.name);
        unacked_.push_back(u);
        continue;
      }
      if (commits) machine_->world.coverage().Count("op.committed");
    }
    collection->NotifyDurable(ctx, Lsn(u.lsn), [this, u, acked](const Status& durable) {
      *acked = true;
      Require(durable.ok(), "NotifyDurable failed for " + u.name + ": " + durable.ToString());
      machine_->model.Ack(u.name, u.lsn);
      machine_->world.trace().Line("ack " + u.name + " lsn " + std::to_string(u.lsn));
      machine_->world.coverage().Count("op.acked");
    });
    Require(*acked, "NotifyDurable left LSN " + std::to_string(u.lsn) + " waiting although nobody else commits");
  }
}

void Workload::Check(Process& process) {
  Model& model = machine_->model;
  std::set<std::string> listed;
  for (const CatalogEntry& entry : process.db().List()) listed.insert(entry.spec.name);
  for (const auto& [name, table] : model.tables()) {
    Require(listed.contains(name) || model.open_ddl().contains(name), "I1: collection " + name + " is not listed");
  }
  for (const std::string& name : listed) {
    Require(model.has(name) || model.open_ddl().contains(name),
            "I2: collection " + name + " is listed although it was dropped");
    if (!model.has(name) || model.open_ddl().contains(name)) continue;
    const auto collection = Get(process, name);
    if (collection == nullptr) continue;
    const size_t latest_rows = model.table(name).Latest().size();
    OpContext ctx = process.Context();
    const auto snapshot = collection->Read(ctx);
    if (!snapshot) {
      Excuse(snapshot.error(), "opening the segments of " + name);
      continue;
    }
    const Rows expected = model.Expect(name, (*snapshot)->position().lsn.value());
    const Status status = CheckSnapshot(ctx, **snapshot, expected, latest_rows, dice_);
    if (!status.ok()) Excuse(status, "reading " + name);
  }
  machine_->world.coverage().Count("op.check");
}

}  // namespace akidb::sim
