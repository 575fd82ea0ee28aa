// A database: the catalog of collections over one store, one write-ahead log, and the background tasks of both.
//
// Threads:    thread-safe.
// Errors:     Open: kUnavailable (reason "locked", naming the other process), kDataLoss (log or manifest, naming file
//             and offset). Create: kAlreadyExists. Others: kNotFound (reason "collection_not_found").
// Durability: Create and Drop are durable when they return OK.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ann/parallel.h"
#include "base/environment.h"
#include "base/limits.h"
#include "engine/collection.h"
#include "engine/node_leases.h"
#include "manifest/catalog_state.h"
#include "objstore/object_store.h"
#include "wal/wal.h"

namespace akidb {

struct EngineOptions {
  // Several nodes may open the store at once: logs lie in it, and this data directory holds nothing that matters.
  bool shared_store = false;
  // On a shared store: a write does not depose a writer that is alive (node_leases.h); it belongs there
  // (Collection::PlaceWrite). Without, whoever is written to takes over.
  bool leases = false;
  std::string data_dir;  // holds wal/, the lock and, by default, store/
  std::string node = "local";
  std::string store_name;  // which store this is, for people: a data directory with a log serves one only
  std::string lock_note = "another process";  // who holds the data directory, for the second one's error message
  uint64_t wal_file_bytes = 64ull << 20;
  uint64_t seal_bytes = 128ull << 20;              // growing bytes that trigger a flush
  Duration seal_age = std::chrono::seconds(30);    // age of the oldest unflushed row that triggers a flush
  Duration trim_delay = std::chrono::seconds(60);  // between a manifest's PUT and its re-read before the log is trimmed
  Duration gc_grace = std::chrono::minutes(10);
  Duration gc_interval = std::chrono::minutes(1);
  // Of collections with ack=local on a shared store: how long their home may acknowledge after it last read that it
  // still is the home. A rebind waits for a tenth more.
  Duration home_confirm = std::chrono::seconds(90);
  uint32_t retain_versions = 100;               // newest versions kept for reads of the past, the current one included
  Duration retain_age = std::chrono::hours(1);  // ... of those only the ones that were current this recently
  uint32_t merge_fanout = 8;                    // segments of one size class that are merged together
  uint64_t segment_bytes_max = 4ull << 30;      // merges do not build larger ones
  double merge_deleted_ratio = 0.25;            // dead share that rewrites a segment alone
  uint32_t index_rows_min = 10'000;             // segments with fewer rows are scanned, which is exact
  // A growing row gets its place in a graph when searches have scanned so many rows for want of it (0: at once). The
  // place costs as much as 2,600 rows scanned, so a graph takes at most a few times what searches took.
  uint32_t growing_scans_per_row = 1000;
  std::shared_ptr<Parallel> index_parallel;  // for building indexes; null: the background thread alone
  // For steps that compute for long and that nobody waits for: merges, indexes, flushes for which no commit is waited,
  // reading back and collecting. Null: that of the environment.
  std::shared_ptr<Executor> computing;
  uint64_t payload_cache_bytes = 128ull << 20;
  uint64_t column_cache_bytes = 64ull << 20;  // payload columns in use, and rows that matched filters
  Limits limits;
};

class Database {
 public:
  static Result<std::unique_ptr<Database>> Open(OpContext& ctx, const Environment& env,
                                                std::shared_ptr<ObjectStore> store, const EngineOptions& options);
  virtual ~Database() = default;  // does not flush; Close does

  virtual Result<std::shared_ptr<Collection>> Create(OpContext& ctx, const CollectionSpec& spec) = 0;
  virtual Result<std::shared_ptr<Collection>> Get(OpContext& ctx, std::string_view name_or_alias) = 0;
  // Whether Get gives the collection from memory, and its rows can be looked for, or written, without asking the store:
  // it is loaded and its segments are open; for writes this node is the writer, too. Payloads may still be read.
  enum class Access : uint8_t { kRead, kWrite };
  virtual bool AtHand(std::string_view name_or_alias, Access access) = 0;
  // kFailedPrecondition: an alias points to it (reason "collection_has_aliases"), or `name` is one ("is_alias").
  // What clones of it name stays in the store until they name it no more.
  virtual Status Drop(OpContext& ctx, std::string_view name) = 0;
  // A new collection with the rows that `source` has now, or had at `at`. Copies nothing: it names the source's objects
  // until merges have replaced them. Errors: also those of Create and read_point.h.
  virtual Result<std::shared_ptr<Collection>> Clone(OpContext& ctx, std::string_view source, std::string_view name,
                                                    const std::optional<ReadPoint>& at) = 0;
  // Changes the settings that may change (ack, recall, index.*, schema); name, vector_dim, distance and vector_type may
  // not. `edit` is given the newest ones, and may be run several times. Other nodes follow within seconds.
  // On a shared store `ack` "local" binds the collection to its writer's node and another level releases it, which only
  // the writer does: errors are those of Collection::PlaceWrite too, and kUnavailable (reason "home_changing") goes to
  // writes meanwhile. After an error whose effect is unknown the settings may say "local" without a binding, and what
  // is written is acknowledged by the store; asked again with AckGiven::kYes, it is finished.
  using EditSpec = std::function<Result<CollectionSpec>(const CollectionSpec& newest)>;
  enum class AckGiven : uint8_t { kNo, kYes };  // whether `ack` is what the edit is about
  virtual Status Alter(OpContext& ctx, std::string_view name, const EditSpec& edit, AckGiven ack) = 0;
  // Makes this node the home of a collection that is bound to another, which gives up what only that node's disk holds.
  // Errors: those of CollectionImpl::Rebind, and kNotFound.
  virtual Result<RebindReport> Rebind(OpContext& ctx, std::string_view name) = 0;
  // Catalog entries in order of name; does not open anything.
  virtual std::vector<CatalogEntry> List() = 0;

  // Other names of collections; Get takes them like names. Errors: kNotFound (reason "alias_not_found" or
  // "collection_not_found"), kAlreadyExists (reason "collection_exists"), kFailedPrecondition (reason "alias_moved").
  virtual std::vector<AliasTarget> Aliases() = 0;
  virtual Status SetAlias(OpContext& ctx, std::string_view alias, std::string_view collection) = 0;
  virtual Status DropAlias(OpContext& ctx, std::string_view alias) = 0;
  virtual Status SwitchAlias(OpContext& ctx, std::string_view alias, std::string_view from, std::string_view to) = 0;
  // Collections that are open in memory.
  virtual std::vector<std::shared_ptr<Collection>> Loaded() = 0;

  // The weakest promise that a write can ask for here, and the default of new collections.
  virtual AckLevel default_ack() const = 0;
  // Of the node's own log; zeros where it has none.
  virtual WalStats wal_stats() const = 0;
  virtual uint64_t unflushed_bytes() const = 0;
  // Of what only the local log has: acknowledged, and lost with the disk.
  virtual uint64_t at_risk_bytes() const = 0;
  virtual Duration at_risk_age() const = 0;
  // Records that were acknowledged by this node and lost by a rebind, so far.
  virtual uint64_t discarded_records() const = 0;
  // What this node knows of others; null without EngineOptions::leases.
  virtual NodeLeases* nodes() = 0;
  // How often this node became the writer of a collection of a shared store.
  virtual uint64_t takeovers() const = 0;
  virtual const Limits& limits() const = 0;

  // Stops background tasks, publishes every unflushed row and releases the data directory.
  virtual Status Close(OpContext& ctx) = 0;
};

}  // namespace akidb
