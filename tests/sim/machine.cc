#include "machine.h"

#include "check.h"
#include "objstore/localfs/localfs_store.h"

namespace akidb::sim {

Process::Process(Machine* machine, StoreKind store_kind, const EngineOptions& options, uint64_t random_seed)
    : machine_(machine),
      store_kind_(store_kind),
      options_(options),
      fs_(machine->disk.Mount(life_)),
      executor_(machine->world),
      random_(random_seed, 21) {
  options_.shared_store = store_kind == StoreKind::kShared;
  env_.clock = &machine_->world.clock();
  env_.random = &random_;
  env_.fs = fs_.get();
  env_.executor = &executor_;
  env_.die = [this](const Status& status) {
    life_->alive = false;
    machine_->world.trace().Line("die: " + status.ToString());
    throw SimDied{status.ToString()};
  };
}

Process::~Process() {
  life_->alive = false;
  life_->torn_down = true;
}

OpContext Process::Context() { return OpContext(machine_->world.clock()); }

Status Process::Open() {
  OpContext ctx = Context();
  AKI_RETURN_IF_ERROR(MakeDirs(*fs_, options_.data_dir));
  if (store_kind_ != StoreKind::kLocalFs) {
    store_ = machine_->bucket.Connect(life_);
  } else {
    AKI_ASSIGN_OR_RETURN(
        store_, OpenLocalFsStore(ctx, *fs_, random_, machine_->world.clock(), options_.data_dir + "/store", env_.die));
  }
  AKI_ASSIGN_OR_RETURN(db_, Database::Open(ctx, env_, store_, options_));
  return options_.shared_store ? TakeOver(ctx) : OkStatus();
}

// What a dead process sent may arrive until its streams are fenced; only then is it known what there is.
Status Process::TakeOver(OpContext& ctx) {
  for (const CatalogEntry& entry : db_->List()) {
    const auto collection = db_->Get(ctx, entry.spec.name);
    if (!collection && collection.error().code() == StatusCode::kNotFound) continue;  // its drop was under way
    if (!collection) return collection.error();
    AKI_RETURN_IF_ERROR((*collection)->DeleteIds(ctx, {}));
  }
  return OkStatus();
}

Result<std::map<std::string, Rows>> ReadDatabase(Process& process) {
  OpContext ctx = process.Context();
  std::map<std::string, Rows> out;
  for (const CatalogEntry& entry : process.db().List()) {
    const auto found = process.db().Get(ctx, entry.spec.name);
    if (!found && found.error().code() == StatusCode::kNotFound) continue;  // its drop was under way
    if (!found) return std::unexpected(found.error());
    const std::shared_ptr<Collection> collection = *found;
    AKI_ASSIGN_OR_RETURN(const auto snapshot, collection->Read(ctx));
    AKI_ASSIGN_OR_RETURN(out[entry.spec.name], ReadAll(ctx, *snapshot, 50));
  }
  return out;
}

}  // namespace akidb::sim
