#include "cluster_sim.h"
#include "db_sim.h"
#include "race_sim.h"
#include "run.h"
#include "store_sim.h"
#include "wal_sim.h"

namespace akidb::sim {

namespace {

template <Lie lie>
RunResult Wal(const RunOptions& options) {
  return RunWal(options, lie);
}

template <Lie lie>
RunResult Store(const RunOptions& options) {
  return RunStore(options, lie);
}

template <StoreKind store, Lie lie, Weather weather = Weather::kAny>
RunResult Db(const RunOptions& options) {
  return RunDatabase(options, store, lie, weather);
}

template <Lie lie>
RunResult Cluster(const RunOptions& options) {
  return RunCluster(options, lie);
}

template <Lie lie>
RunResult Races(const RunOptions& options) {
  return RunRaces(options, lie);
}

const std::vector<std::string_view> kWalMustReach = {
    "wal.rotation",
    "wal.trim",
    "wal.unsynced_record_lost",
    "wal.unsynced_record_survived",
    "recovery.after_double_crash",
    "disk.torn_file",
    "disk.lost_names",
    "crash.died",
    "crash.power",
    "crash.kill",
    "fault.sync_error",
    "fault.disk_full",
};

const std::vector<std::string_view> kStoreMustReach = {
    "store.put",       "store.delete", "store.condition_lost", "store.open_outcome_settled", "disk.torn_file",
    "disk.lost_names", "crash.died",   "fault.sync_error",     "fault.dir_sync_error",       "fault.short_write",
    "fault.disk_full",
};

std::vector<std::string_view> DbMustReach(StoreKind store) {
  std::vector<std::string_view> out = {
      "op.write_applied",
      "op.refused",
      "op.acked",
      "op.check",
      "op.create",
      "op.drop",
      "op.flush",
      "op.merge",
      "engine.segment_published",
      "engine.segments_merged",
      "engine.dead_rows_seen",
      "wal.rotation",
      "wal.trim",
      "step.flush",
      "step.merge",
      "step.trim",
      "step.collect",
      "step.prepare",
      "close",
      "clock.jump",
      "crash.scheduled",
      "crash.idle",
      "crash.power",
      "crash.kill",
      "crash.died",
      "crash.probed",
      "recovery.after_double_crash",
      "recovery.after_triple_crash",
      "open.none_survived",
      "open.some_survived",
      "open.all_survived",
      "open.ddl_survived",
      "open.ddl_lost",
      "disk.torn_file",
      "disk.lost_names",
      "fault.sync_error",
      "fault.read_error",
      "fault.short_write",
      "fault.disk_full",
  };
  if (store != StoreKind::kLocalFs) {
    for (const char* what :
         {"fault.unavailable", "fault.lost_request", "fault.lost_answer", "fault.late_request", "fault.broken_body",
          "fault.slow", "fault.silence", "bucket.late_applied", "bucket.late_refused", "io.delete"}) {
      out.emplace_back(what);
    }
  } else {
    out.emplace_back("io.link");
    out.emplace_back("fault.dir_sync_error");
  }
  return out;
}

// The node's disk holds a lock only.
std::vector<std::string_view> SharedMustReach() {
  std::vector<std::string_view> out = DbMustReach(StoreKind::kShared);
  std::erase_if(out, [](std::string_view what) {
    return what.starts_with("wal.") || what.starts_with("disk.") || what == "step.prepare" || what == "crash.died" ||
           what == "fault.sync_error" || what == "fault.read_error" || what == "fault.short_write" ||
           what == "fault.disk_full";
  });
  out.emplace_back("step.upload");
  out.emplace_back("op.committed");
  return out;
}

const std::vector<std::string_view> kClusterMustReach = {
    "bucket.late_applied",
    "bucket.late_refused",
    "clock.jump",
    "close",
    "crash.idle",
    "crash.scheduled",
    "crash.with_request_on_the_wire",
    "fault.broken_body",
    "fault.late_request",
    "fault.lost_answer",
    "fault.lost_request",
    "fault.no_read_quorum",
    "fault.no_write_quorum",
    "fault.silence",
    "fault.slow",
    "fault.twice",
    "fault.unavailable",
    "gc.deleted",
    "gc.purged",
    "home.kept",
    "home.kept_unacknowledged",
    "home.lost_unacknowledged",
    "log.left_out",
    "log.trimmed",
    "manifest.boundary",
    "manifest.bound",
    "manifest.rebind",
    "manifest.released",
    "manifest.retired",
    "manifest.revert",
    "manifest.takeover",
    "op.acked",
    "op.alias",
    "op.alter_ack",
    "op.clone",
    "op.committed",
    "op.create",
    "op.drop",
    "op.flush",
    "op.merge",
    "op.read",
    "op.read_fresh",
    "op.read_past",
    "op.read_your_writes",
    "op.rebind",
    "op.revert",
    "op.snapshot",
    "op.unpin",
    "op.write",
    "pause.in_the_middle",
    "pause.with_request_on_the_wire",
    "step.collect",
    "step.flush",
    "step.follow",
    "step.log",
    "step.merge",
    "step.trim",
    "step.upload",
    "write.lost_by_rebind",
    "write.lost_unacknowledged",
    "write.of_a_deposed_writer",
    "write.refused",
};

}  // namespace

const std::vector<Mode>& Modes() {
  using enum StoreKind;
  static const std::vector<Mode> modes = {
      {"localfs", "the database over a local directory on the simulated disk", &Db<kLocalFs, Lie::kNone>, false,
       DbMustReach(kLocalFs)},
      {"bucket", "the database over a simulated bucket, its log on the simulated disk", &Db<kBucket, Lie::kNone>, false,
       DbMustReach(kBucket)},
      {"shared", "the database over a simulated bucket that holds its logs too", &Db<kShared, Lie::kNone>, false,
       SharedMustReach()},
      {"cluster", "several live nodes on one simulated bucket, interleaved at every request", &Cluster<Lie::kNone>,
       false, kClusterMustReach},
      {"races",
       "commit races alone: each seed some hundreds of contended versions",
       &Races<Lie::kNone>,
       false,
       {"race.versions", "race.unknown", "race.refused", "fault.twice", "fault.late_request", "bucket.late_refused"}},
      {"clock",
       "as localfs, in good weather with a jumping wall clock",
       &Db<kLocalFs, Lie::kNone, Weather::kWallClockJumps>,
       false,
       {"clock.jump"}},
      {"bit-flips",
       "as localfs, in good weather; at the end single bits flip: damage is an error, never an answer",
       &Db<kLocalFs, Lie::kFlipBits>,
       false,
       {"flip.detected", "flip.harmless"}},
      {"wal", "the write-ahead log alone", &Wal<Lie::kNone>, false, kWalMustReach},
      {"store", "the local-directory store alone", &Store<Lie::kNone>, false, kStoreMustReach},
      {"lie-drop-syncs", "a disk that drops syncs", &Db<kLocalFs, Lie::kDropSyncs>, true, {}},
      {"lie-forget-names",
       "a disk that forgets directory entries although they were synced",
       &Db<kLocalFs, Lie::kForgetNames>,
       true,
       {}},
      {"lie-stale-blocks",
       "a disk that hands back what a block held before",
       &Db<kLocalFs, Lie::kStaleBlocks>,
       true,
       {}},
      {"lie-ignore-if-absent", "a store that ignores create-if-absent", &Db<kBucket, Lie::kIgnoreConditions>, true, {}},
      {"lie-forget-objects",
       "a store that forgets objects after they were read back",
       &Db<kBucket, Lie::kForgetObjects>,
       true,
       {}},
      {"lie-shared-ignore-if-absent",
       "a bucket with logs that ignores create-if-absent",
       &Db<kShared, Lie::kIgnoreConditions>,
       true,
       {}},
      {"lie-cluster-ignore-if-absent",
       "several nodes on a store that ignores create-if-absent",
       &Cluster<Lie::kIgnoreConditions>,
       true,
       {}},
      {"lie-cluster-forget-objects",
       "several nodes on a store that forgets objects after they were read back",
       &Cluster<Lie::kForgetObjects>,
       true,
       {}},
      {"lie-cluster-hide-objects",
       "several nodes on a store whose listings never show some objects",
       &Cluster<Lie::kHideObjects>,
       true,
       {}},
      {"lie-cluster-stopped-clocks",
       "live nodes whose clocks stand still while they are paused",
       &Cluster<Lie::kStoppedClocks>,
       true,
       {}},
      {"lie-cluster-drop-syncs", "several nodes on disks that drop syncs", &Cluster<Lie::kDropSyncs>, true, {}},
      {"lie-cluster-forget-names",
       "several nodes on disks that forget names although they were synced",
       &Cluster<Lie::kForgetNames>,
       true,
       {}},
      {"lie-races-ignore-if-absent",
       "commit races on a store that ignores create-if-absent",
       &Races<Lie::kIgnoreConditions>,
       true,
       {}},
      {"lie-wal-drop-syncs", "the log alone on a disk that drops syncs", &Wal<Lie::kDropSyncs>, true, {}},
      {"lie-wal-forget-names", "the log alone on a disk that forgets names", &Wal<Lie::kForgetNames>, true, {}},
      {"lie-store-drop-syncs", "the store alone on a disk that drops syncs", &Store<Lie::kDropSyncs>, true, {}},
      {"lie-store-forget-names", "the store alone on a disk that forgets names", &Store<Lie::kForgetNames>, true, {}},
  };
  return modes;
}

}  // namespace akidb::sim
