#include "sim_node.h"

#include "engine/disk_identity.h"
#include "model.h"
#include "wal/wal_recovery.h"

namespace akidb::sim {

namespace {

Duration DrawOffset(uint64_t seed) {
  Dice dice(seed, 91);
  return std::chrono::seconds(dice.Below(100'000));
}

EngineOptions OptionsOf(const std::string& name, EngineOptions options) {
  options.data_dir = "/data";
  options.node = name;
  options.shared_store = true;
  return options;
}

}  // namespace

Node::Node(World& world, SimBucket& bucket, const std::string& name, const EngineOptions& options, uint64_t seed)
    : world_(&world),
      bucket_(&bucket),
      options_(OptionsOf(name, options)),
      disk_(world, seed),
      clock_(world.clock(), DrawOffset(seed)),
      random_(seed, 92) {}

void Node::set_outbound(Wire::Outbound outbound) {
  outbound_ = std::move(outbound);
  if (wire_) wire_->set_outbound(outbound_);
}

void Node::set_inbound(Wire::Inbound inbound) {
  inbound_ = std::move(inbound);
  if (wire_) wire_->set_inbound(inbound_);
}

Status Node::Start() {
  life_ = std::make_shared<Life>();
  fs_ = disk_.Mount(life_);
  executor_ = std::make_unique<SimExecutor>(*world_, clock_);
  wire_ = std::make_shared<Wire>(*bucket_, life_);
  wire_->set_outbound(outbound_);
  wire_->set_inbound(inbound_);
  Environment env;
  env.clock = &clock_;
  env.random = &random_;
  env.fs = fs_.get();
  env.executor = executor_.get();
  env.die = [life = life_](const Status& status) {
    life->alive = false;
    throw SimDied{status.ToString()};
  };
  NodeContext ctx = Context();
  AKI_RETURN_IF_ERROR(MakeDirs(*fs_, options_.data_dir));
  AKI_ASSIGN_OR_RETURN(db_, Database::Open(ctx, env, wire_, options_));
  return OkStatus();
}

void Node::Kill(bool power_lost) {
  life_->alive = false;
  life_->torn_down = true;
  db_.reset();
  wire_.reset();
  executor_.reset();
  fs_.reset();
  power_lost ? disk_.LosePower() : disk_.EndProcess();
}

std::string Node::DiskId(FileSystem& fs) {
  const auto id = FindDiskId(fs, WalDir(), options_.store_name);
  if (!id) throw Violation{"I5: the identity of " + name() + "'s log cannot be read: " + id.error().ToString()};
  return id->value_or(std::string());
}

bool Node::IsAt(const Home& home) {
  if (home.node != name()) return false;
  const auto fs = disk_.Mount(std::make_shared<Life>());
  return DiskId(*fs) == home.disk;
}

LogOnDisk Node::ReadLog() {
  const auto fs = disk_.Mount(std::make_shared<Life>());
  LogOnDisk out{.disk = DiskId(*fs), .records = {}};
  if (out.disk.empty()) return out;
  WalScanOptions options;
  options.on_record = [&](const WalRecord& record) {
    out.records.emplace(record.collection, record.epoch, record.lsn);
    return OkStatus();
  };
  const auto names = fs->List(WalDir());
  if (!names) throw Violation{"I5: " + name() + "'s log cannot be listed: " + names.error().ToString()};
  const auto scan = ScanWal(*fs, WalDir(), *names, options);
  const Status read = scan ? scan->status() : scan.error();
  if (!read.ok()) throw Violation{"I5: " + name() + "'s log cannot be read: " + read.ToString()};
  return out;
}

}  // namespace akidb::sim
