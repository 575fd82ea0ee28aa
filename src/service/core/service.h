// The API without its transport: takes a request apart, finds the handler, and sees that there is exactly one answer,
// with its request id, counted and timed. REST and later gRPC only translate to it.
//
// Threads: thread-safe. Handlers run in the calling thread unless they move to the work queue. The service outlives
//          every answer it owes: shut the transport down, then drain the work queue, then destroy it.
// Errors:  answers are problem documents; see problem.h.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/environment.h"
#include "engine/database.h"
#include "service/core/call.h"
#include "service/core/forwarding.h"
#include "service/core/http.h"
#include "service/core/jobs.h"
#include "service/core/metrics.h"
#include "service/core/recall_check.h"
#include "service/core/scroll_cursors.h"
#include "service/core/work_queue.h"

namespace akidb {

struct ReadOptions;

// Something the server needs; a failing check makes /health/ready answer 503 and name it.
struct HealthCheck {
  std::string name;
  std::function<Status()> check;
};

struct ServiceOptions {
  std::string version = "0.0.0";
  std::string commit;                             // source revision, if known
  Duration slow_query = std::chrono::seconds(1);  // slower searches are logged and counted
  Duration cursor_ttl = std::chrono::minutes(5);
  uint32_t cursors_max = 1000;
  uint32_t jobs_max = 1000;
  uint32_t recall_check_one_in = 1000;      // approximate searches; 0: none is checked
  uint64_t inline_elements_max = 4u << 20;  // vector elements a search may scan on an I/O thread
  // A handler that held an I/O thread up for so long most likely waited for the store, and so may the next ones, which
  // are queued for a while. By default none is.
  Duration held_up = Duration::max();
  double recall_check_share_max = 0.01;       // of one processor's time
  size_t inline_write_bytes_max = 64u << 10;  // body of a write that an I/O thread parses and applies itself
  // For larger writes and for comparisons, which searches are preferred to; lives as long as the queue. Null: the
  // queue.
  WorkQueue* bulk_queue = nullptr;
  // For jobs, which may hold a thread for minutes; lives as long as the queue. Null: the queue.
  WorkQueue* job_queue = nullptr;
  std::vector<HealthCheck> health_checks;
  ForwardingOptions forwarding;
};

class Service {
 public:
  Service(Database& database, const Environment& env, WorkQueue& queue, ServiceOptions options);
  ~Service();

  void Handle(HttpRequest request, Responder respond);
  // An answer for what is no request at all (bad request line, body too large), counted like any other.
  HttpResponse Refuse(const Status& status);
  // /health/ready answers 503 from now on.
  void BeginDrain() { draining_.store(true, std::memory_order_relaxed); }
  MetricsRegistry& metrics() { return metrics_; }

  // For handlers.
  Database& database() { return database_; }
  const Environment& env() const { return env_; }
  const Limits& limits() const { return database_.limits(); }
  const ServiceOptions& options() const { return options_; }
  WorkQueue& queue() { return queue_; }
  WorkQueue& bulk_queue() { return options_.bulk_queue != nullptr ? *options_.bulk_queue : queue_; }
  Jobs& jobs() { return jobs_; }
  ScrollCursors& cursors() { return cursors_; }
  RecallCheck& recall_check() { return recall_check_; }
  bool draining() const { return draining_.load(std::memory_order_relaxed); }

  // The collection that the first placeholder of the path names.
  Result<std::shared_ptr<Collection>> FindCollection(Call& call);
  // Runs `work` here, or on the work queue if scanning `elements` vector elements would block this thread for long.
  void RunSized(const CallPtr& call, uint64_t elements, std::move_only_function<Status()> work);
  // Runs `work` once everything up to `commit` is visible; kDeadlineExceeded if no write has that position.
  Status RunWhenVisible(const CallPtr& call, const std::shared_ptr<Collection>& collection,
                        const std::optional<Position>& commit, std::move_only_function<Status()> work);
  // What a write asks for: `asked`, or else the collection's setting. kInvalidArgument if the store cannot promise it.
  Result<AckLevel> ResolveAck(const Call& call, const Collection& collection, std::optional<AckLevel> asked) const;
  // Runs `work` with the state that `options` ask for: the newest, once min_commit is visible, or an earlier one. That
  // happens on the work queue, because opening it may read from the store.
  Status RunOnSnapshot(const CallPtr& call, const std::shared_ptr<Collection>& collection, const ReadOptions& options,
                       std::move_only_function<Status(std::shared_ptr<const Snapshot>)> work);
  // Answers with `response` once the write stands as `ack` asks.
  void AnswerWhenAcknowledged(const CallPtr& call, const std::shared_ptr<Collection>& collection, AckLevel ack,
                              const WriteReceipt& receipt, HttpResponse response);

  void ObserveSearch(std::string_view collection, Duration took);
  enum class Stage : uint8_t { kParse, kSearch, kAnswer };
  void ObserveStage(Stage stage, Duration took) { stages_[static_cast<size_t>(stage)]->Observe(took); }

 private:
  struct RouteMetrics {
    Histogram* duration = nullptr;
    std::array<std::atomic<Counter*>, 600> by_status{};
  };
  Status Dispatch(const CallPtr& call, size_t* route);
  // Runs the handler here, or on the work queue where it may have to wait for the store: other requests wait for this
  // thread.
  Status RunHandler(const CallPtr& call, const Route& route);
  void Finish(Call& call, HttpResponse response, size_t route, Responder respond);
  void Count(size_t route, int status);
  std::string RequestIdFor(const HttpRequest& request);
  void CollectEngine(PrometheusText& text);

  Database& database_;
  const Environment env_;
  WorkQueue& queue_;
  const ServiceOptions options_;
  MetricsRegistry metrics_;
  Jobs jobs_;
  ScrollCursors cursors_;
  RecallCheck recall_check_;
  Forwarding forwarding_;
  std::atomic<bool> draining_{false};
  std::atomic<MonotonicTime> queue_until_{MonotonicTime()};  // handlers of collections run on the queue
  std::unique_ptr<RouteMetrics[]> route_metrics_;            // one a route, then one for everything else
  std::array<Histogram*, 3> stages_{};
  Histogram& search_duration_;
  Counter& slow_queries_;
};

}  // namespace akidb
