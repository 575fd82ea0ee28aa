#include "server/server.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <thread>
#include <type_traits>

#include "base/fine_ticks.h"
#include "base/log.h"
#include "base/thread_priority.h"
#include "objstore/probe/store_probe.h"
#include "objstore/s3/s3_probe.h"
#include "objstore/s3/upload_sweep.h"
#include "server/bucket_demands.h"
#include "server/store_metrics.h"
#include "server/store_url.h"
#include "server/thread_parallel.h"
#include "server/version.h"
#include "server/write_forwarder.h"
#include "service/core/service.h"
#include "service/rest/http_server.h"

namespace akidb {
namespace {

constexpr int kExitDied = 70;
constexpr uint64_t kFreeBytesMin = 64ull << 20;
// Requests that may wait for another node at once; each holds a thread, which costs next to nothing while it waits.
constexpr int kForwardThreads = 64;
// Preparing log files, merges, indexes of segments, indexes of growing rows, flushes, uploads of flushes, reading back,
// collecting: one at a time of each.
constexpr int kComputingThreads = 8;
// Reading large bodies off the sockets; they wait for nothing.
constexpr int kBodyThreads = 2;
// Merges and flushes that clients wait for, clones, reverts: each holds one, and the store is what most wait for.
constexpr int kJobThreads = 4;
// Few searches take so long that do not wait for the store.
constexpr Duration kHeldUp = std::chrono::milliseconds(5);
// For the cache: reads of large ranges at once, all readers together.
constexpr int kFetchThreads = 16;
// Of the probe at the first start on a bucket. The threads of all its racers stay below the requests that may be under
// way.
constexpr uint32_t kProbeRoundsAtOnce = 5;

int ThreadsOr(uint32_t configured, unsigned chosen) { return static_cast<int>(configured > 0 ? configured : chosen); }

[[noreturn]] void Die(const Status& status) {
  Log(LogLevel::kError, "a promise cannot be kept; the process ends", {{"error", status.ToString()}});
  ::_exit(kExitDied);
}

// What `make` returns. The threads that it starts have what `become` makes of the calling one: they inherit it.
template <class Make>
std::invoke_result_t<Make> MadeBy(void (*become)(), const Make& make) {
  std::invoke_result_t<Make> made;
  std::thread([&] {
    become();
    made = make();
  }).join();
  return made;
}

// Says of each piece of work that it is under way.
class TickingQueue final : public WorkQueue {
 public:
  TickingQueue(FineTicks& ticks, std::unique_ptr<WorkQueue> queue) : ticks_(ticks), queue_(std::move(queue)) {}
  void Post(std::move_only_function<void()> work) override {
    queue_->Post([this, work = std::move(work)]() mutable {
      const FineTicks::Work under_way(ticks_);
      work();
    });
  }
  size_t threads() const override { return queue_->threads(); }
  void Finish() override { queue_->Finish(); }

 private:
  FineTicks& ticks_;
  const std::unique_ptr<WorkQueue> queue_;
};

// On a bucket indexes alone want processors for long: the rest waits for the store most of the time, and 64 clients
// that wait for commits would have a fifth fewer of them beside ticks.
class TickingExecutor final : public Executor {
 public:
  TickingExecutor(FineTicks& ticks, std::unique_ptr<Executor> executor, bool on_bucket)
      : ticks_(ticks), executor_(std::move(executor)), on_bucket_(on_bucket) {}
  TaskId Add(std::shared_ptr<Task> task) override {
    if (on_bucket_ && task->name() != "index") return executor_->Add(std::move(task));
    struct Ticking final : Task {
      Ticking(FineTicks& t, std::shared_ptr<Task> s) : ticks(t), steps(std::move(s)) {}
      std::string_view name() const override { return steps->name(); }
      NextStep Step(OpContext& ctx) override {
        const FineTicks::Work under_way(ticks);
        return steps->Step(ctx);
      }
      FineTicks& ticks;
      const std::shared_ptr<Task> steps;
    };
    return executor_->Add(std::make_shared<Ticking>(ticks_, std::move(task)));
  }
  void Wake(TaskId id) override { executor_->Wake(id); }
  void Remove(TaskId id) override { executor_->Remove(id); }

 private:
  FineTicks& ticks_;
  const std::unique_ptr<Executor> executor_;
  const bool on_bucket_;
};

class ServerImpl final : public Server {
 public:
  explicit ServerImpl(const ServerConfig& config) : config_(config) {}

  Status Open();
  std::string url() const override {
    const bool v6 = address_.host.find(':') != std::string::npos;
    return "http://" + (v6 ? "[" + address_.host + "]" : address_.host) + ":" + std::to_string(http_->port());
  }
  Status Stop() override;

 private:
  bool on_bucket() const { return IsBucketUrl(config_.store_url()); }
  Status OpenDatabase(OpContext& ctx);
  void OpenCache(OpContext& ctx);
  Status JudgeStore(OpContext& ctx);
  Status OpenService();
  Status OpenForwarding(ForwardingOptions* forwarding);
  Result<s3::Endpoint> Advertised(uint16_t port) const;
  std::string NodeName() const;
  std::vector<HealthCheck> HealthChecks();

  const ServerConfig config_;
  ListenAddress address_;
  Environment env_;
  FineTicks ticks_;  // for who answers, beside what gives way
  // In the order of building; torn down in the reverse one.
  std::unique_ptr<Random> random_;
  std::unique_ptr<Executor> executor_;
  std::shared_ptr<BlockCache> cache_;  // null for a directory
  OpenedStore store_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<WorkQueue> bulk_queue_;  // these finish their work before the service goes
  std::unique_ptr<WorkQueue> queue_;
  std::unique_ptr<WorkQueue> forward_queue_;  // null for a directory
  std::unique_ptr<WorkQueue> job_queue_;
  std::unique_ptr<WorkQueue> body_queue_;  // reads for http_, which goes before it
  std::unique_ptr<HttpServer> http_;
};

Status ServerImpl::Open() {
  AKI_ASSIGN_OR_RETURN(address_, ParseListenAddress(config_.listen));
  AKI_RETURN_IF_ERROR(CheckListenAddress(address_.host));
  random_ = NewSystemRandom();
  // Flushes that somebody waits for; on a bucket, where each collection that is written has a task of its own and
  // heartbeats must not be late, they wait for answers most of the time.
  executor_ = NewThreadExecutor(RealClock(), ThreadsOr(config_.background_threads, on_bucket() ? 16 : 3));
  env_ = {&RealClock(), random_.get(), &PosixFileSystem(), executor_.get(), Die};
  OpContext ctx(RealClock());
  AKI_RETURN_IF_ERROR(OpenDatabase(ctx));
  return OpenService();
}

Status ServerImpl::OpenDatabase(OpContext& ctx) {
  EngineOptions options = config_.engine;
  options.lock_note = LockNote("serve");
  options.index_parallel =
      NewThreadParallel(ThreadsOr(config_.index_threads, std::max(1u, std::thread::hardware_concurrency() / 2)));
  options.computing = std::make_unique<TickingExecutor>(
      ticks_, MadeBy(GiveWayToOtherThreads, [] { return NewThreadExecutor(RealClock(), kComputingThreads); }),
      on_bucket());
  AKI_RETURN_IF_ERROR(MakeDirs(*env_.fs, config_.data_dir));
  if (on_bucket() && config_.cache_bytes_max > 0) OpenCache(ctx);
  AKI_ASSIGN_OR_RETURN(store_, OpenStore(ctx, env_, config_.store_url(), config_.s3, options.lock_note, cache_));
  options.shared_store = options.leases = store_.shared;
  options.node = NodeName();
  options.store_name = config_.store_url();
  if (store_.shared) AKI_RETURN_IF_ERROR(JudgeStore(ctx));
  AKI_ASSIGN_OR_RETURN(database_, Database::Open(ctx, env_, store_.store, options));
  if (store_.bucket) executor_->Add(s3::NewUploadSweep(store_.bucket, {}));
  return OkStatus();
}

// Without it every read asks the bucket: slower, and no reason not to start.
void ServerImpl::OpenCache(OpContext& ctx) {
  BlockCacheOptions options;
  options.dir = config_.cache_dir.empty() ? config_.data_dir + "/cache" : config_.cache_dir;
  options.size_max = config_.cache_bytes_max;
  auto opened = BlockCache::Open(ctx, env_, options, NewThreadExecutor(RealClock(), kFetchThreads));
  if (opened) {
    cache_ = std::move(*opened);
  } else {
    Log(LogLevel::kWarn, "no block cache", {{"error", opened.error().ToString()}});
  }
}

// A store that breaks the rules of the commit protocol is refused before anything is written to it (I9).
Status ServerImpl::JudgeStore(OpContext& ctx) {
  const auto judge = [&]() -> Status {
    AKI_RETURN_IF_ERROR(RefuseForeignObjects(ctx, *store_.bucket));
    AKI_RETURN_IF_ERROR(RequireOfBucket(ctx, *store_.bucket));
    const std::unique_ptr<ProbeExtensions> extensions = s3::NewS3ProbeExtensions(store_.bucket);
    StoreProbeOptions options;
    options.run_together = RunTogether;
    options.rounds_at_once = kProbeRoundsAtOnce;
    options.extensions = extensions.get();
    AKI_ASSIGN_OR_RETURN(const StoreVerdict verdict, EnsureStoreVerdict(ctx, *store_.store, *random_, options));
    return RequireOfVerdict(store_.bucket->options(), verdict);
  };
  std::string endpoints;
  for (const std::string& endpoint : config_.s3.endpoints) endpoints += (endpoints.empty() ? "" : ", ") + endpoint;
  Status judged = judge();
  const std::string remedy = judged.reason() == "no_such_bucket"
                                 ? " (`akidb store check " + config_.store_url() + " --create-bucket` makes the bucket)"
                                 : "";
  return std::move(judged).Annotate("S3 store " + config_.store_url() + " at " + endpoints + remedy);
}

Status ServerImpl::OpenService() {
  const unsigned processors = std::max(1u, std::thread::hardware_concurrency());
  const int workers = ThreadsOr(config_.worker_threads, std::max(on_bucket() ? 16u : 2u, processors));
  queue_ = MadeBy(PreferShortSlices, [=] { return NewThreadWorkQueue(workers); });
  const auto giving_way = [&](int threads) {
    return std::make_unique<TickingQueue>(ticks_,
                                          MadeBy(GiveWayToOtherThreads, [=] { return NewThreadWorkQueue(threads); }));
  };
  bulk_queue_ = giving_way(static_cast<int>(std::max(2u, processors)));
  body_queue_ = giving_way(kBodyThreads);
  ServiceOptions service_options;
  job_queue_ = NewThreadWorkQueue(kJobThreads);
  service_options.bulk_queue = bulk_queue_.get();
  service_options.job_queue = job_queue_.get();
  service_options.held_up = kHeldUp;
  service_options.version = Version();
  service_options.commit = SourceCommit();
  service_options.slow_query = config_.slow_query;
  service_options.recall_check_one_in = config_.recall_check_one_in;
  service_options.health_checks = HealthChecks();
  if (database_->nodes() != nullptr) AKI_RETURN_IF_ERROR(OpenForwarding(&service_options.forwarding));
  service_ = std::make_unique<Service>(*database_, env_, *queue_, std::move(service_options));
  service_->metrics().AddCollector([this](PrometheusText& text) {
    WriteStoreMetrics(store_.metrics->Snapshot(), &text);
    if (store_.breaker) WriteBreakerMetrics(store_.breaker->Snapshot(), &text);
    if (store_.lanes) WriteLaneMetrics(store_.lanes->Snapshot(), &text);
    if (store_.hedge) WriteHedgeMetrics(store_.hedge->Snapshot(), &text);
    if (cache_) WriteCacheMetrics(cache_->Stats(), &text);
    text.Single("akidb_fine_ticks_total", "counter",
                "Wakes of threads that let a request take a processor from background work.",
                static_cast<double>(ticks_.count()));
  });
  HttpServerOptions http_options;
  http_options.address = address_.host;
  http_options.port = address_.port;
  http_options.body_queue = body_queue_.get();
  http_options.ticks = &ticks_;
  http_options.threads = ThreadsOr(config_.io_threads, std::max(2u, processors));
  http_options.body_bytes_max = config_.engine.limits.request_bytes_max;
  http_options.header_bytes_max = config_.engine.limits.header_bytes_max;
  http_options.connections_max = config_.engine.limits.connections_max;
  AKI_ASSIGN_OR_RETURN(http_, HttpServer::Start(*service_, http_options));
  if (database_->nodes() == nullptr) return OkStatus();
  AKI_ASSIGN_OR_RETURN(const s3::Endpoint advertised, Advertised(http_->port()));
  database_->nodes()->SetAddress(advertised.Url());
  return OkStatus();
}

Status ServerImpl::OpenForwarding(ForwardingOptions* forwarding) {
  forward_queue_ = NewThreadWorkQueue(kForwardThreads);
  ForwarderOptions options;
  s3::DialOptions dial;
  dial.connect_timeout = options.connect_timeout;
  dial.stall_timeout = options.stall_timeout;
  dial.ca_file = config_.s3.dial.ca_file;
  AKI_ASSIGN_OR_RETURN(std::unique_ptr<s3::Dialer> dialer, s3::NewSocketDialer(dial, s3::SystemResolver()));
  AKI_ASSIGN_OR_RETURN(const s3::Endpoint own, Advertised(address_.port));
  forwarding->forwarder = NewWriteForwarder(own, options, std::move(dialer));
  forwarding->queue = forward_queue_.get();
  forwarding->secret = config_.forward_secret;
  return OkStatus();
}

Result<s3::Endpoint> ServerImpl::Advertised(uint16_t port) const {
  return AdvertisedEndpoint(config_.advertise, address_.host, port, config_.forward_secret);
}

std::string ServerImpl::NodeName() const {
  if (!config_.node.empty()) return config_.node;
  if (!store_.shared) return EngineOptions().node;
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::error_code ignored;
  return DefaultNodeName(host.data(), std::filesystem::weakly_canonical(config_.data_dir, ignored).string());
}

std::vector<HealthCheck> ServerImpl::HealthChecks() {
  const auto store = [this] {
    OpContext ctx(*env_.clock);
    ctx.set_timeout(std::chrono::seconds(2));
    return internal::ToStatus(store_.store->List(ctx, "catalog/", "", 1));
  };
  const auto disk = [this]() -> Status {
    AKI_ASSIGN_OR_RETURN(const uint64_t free, env_.fs->FreeBytes(config_.data_dir));
    if (free >= kFreeBytesMin) return OkStatus();
    return ResourceExhausted("only " + std::to_string(free) + " bytes are free in the data directory");
  };
  return {{"store", store}, {"disk", disk}};
}

Status ServerImpl::Stop() {
  service_->BeginDrain();
  Status status = http_->Shutdown(config_.shutdown_timeout);
  http_.reset();
  body_queue_.reset();
  // Handlers post to each of them, from each of them.
  for (WorkQueue* queue : {job_queue_.get(), forward_queue_.get(), queue_.get(), bulk_queue_.get()}) {
    if (queue != nullptr) queue->Finish();
  }
  OpContext ctx(RealClock());
  const Status closed = database_->Close(ctx);
  job_queue_.reset();
  forward_queue_.reset();
  queue_.reset();
  bulk_queue_.reset();
  service_.reset();
  database_.reset();
  return closed.ok() ? std::move(status) : closed;
}

}  // namespace

Result<std::unique_ptr<Server>> Server::Start(const ServerConfig& config) {
  auto server = std::make_unique<ServerImpl>(config);
  AKI_RETURN_IF_ERROR(server->Open());
  return server;
}

}  // namespace akidb
