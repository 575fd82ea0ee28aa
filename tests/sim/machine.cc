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
  if (store_kind_ == StoreKind::kBucket) {
    store_ = machine_->bucket.Connect(life_);
  } else {
    AKI_ASSIGN_OR_RETURN(
        store_, OpenLocalFsStore(ctx, *fs_, random_, machine_->world.clock(), options_.data_dir + "/store", env_.die));
  }
  AKI_ASSIGN_OR_RETURN(db_, Database::Open(ctx, env_, store_, options_));
  return OkStatus();
}

Result<std::map<std::string, Rows>> ReadDatabase(Process& process) {
  OpContext ctx = process.Context();
  std::map<std::string, Rows> out;
  for (const CatalogEntry& entry : process.db().List()) {
    AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, process.db().Get(ctx, entry.spec.name));
    AKI_ASSIGN_OR_RETURN(const auto snapshot, collection->Read(ctx));
    AKI_ASSIGN_OR_RETURN(out[entry.spec.name], ReadAll(ctx, *snapshot, 50));
  }
  return out;
}

}  // namespace akidb::sim
