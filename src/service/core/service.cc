#include "service/core/service.h"

#include <algorithm>

#include "base/log.h"
#include "service/core/answers.h"
#include "service/core/problem.h"
#include "service/core/router.h"

namespace akidb {
namespace {

constexpr size_t kRequestIdBytesMax = 128;
constexpr Duration kPromisedWait = std::chrono::seconds(1);
constexpr int kQueuedTimesHeldUp = 20;  // so long others of collections are queued afterwards

bool IsSaneRequestId(std::string_view id) {
  return !id.empty() && id.size() <= kRequestIdBytesMax && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == ':';
  });
}

}  // namespace

Service::Service(Database& database, const Environment& env, WorkQueue& queue, ServiceOptions options)
    : database_(database),
      env_(env),
      queue_(queue),
      options_(std::move(options)),
      jobs_(*env_.clock, *env_.random, options_.job_queue != nullptr ? *options_.job_queue : queue_, options_.jobs_max),
      cursors_(*env_.clock, *env_.random, options_.cursor_ttl, options_.cursors_max),
      recall_check_(*env_.clock, bulk_queue(), metrics_,
                    {options_.recall_check_one_in, options_.recall_check_share_max}),
      forwarding_(*this, options_.forwarding),
      route_metrics_(std::make_unique<RouteMetrics[]>(Routes().size() + 1)),
      search_duration_(metrics_.GetHistogram("akidb_index_search_duration_seconds",
                                             "Time of one search over all segments of a collection.", "")),
      slow_queries_(
          metrics_.GetCounter("akidb_slow_queries_total", "Searches slower than the configured threshold.", "")) {
  for (size_t i = 0; i <= Routes().size(); ++i) {
    const std::string labels = i < Routes().size() ? MetricLabel("method", Routes()[i].method) + "," +
                                                         MetricLabel("route", Routes()[i].pattern)
                                                   : std::string("method=\"other\",route=\"unmatched\"");
    route_metrics_[i].duration = &metrics_.GetHistogram("akidb_api_request_duration_seconds",
                                                        "Time from a request's last byte to its answer.", labels);
  }
  constexpr std::array<std::string_view, 3> kStages = {"parse", "search", "answer"};
  for (size_t i = 0; i < kStages.size(); ++i) {
    stages_[i] = &metrics_.GetHistogram("akidb_query_stage_duration_seconds", "Time of one stage of a search.",
                                        MetricLabel("stage", kStages[i]));
  }
  metrics_.AddCollector([this](PrometheusText& text) { CollectEngine(text); });
}

Service::~Service() = default;

std::string Service::RequestIdFor(const HttpRequest& request) {
  const std::string_view sent = request.Header("x-request-id");
  return IsSaneRequestId(sent) ? std::string(sent) : env_.random->Hex(32);
}

void Service::Handle(HttpRequest request, Responder respond) {
  const std::string id = RequestIdFor(request);
  auto route = std::make_shared<size_t>(Routes().size());
  auto call =
      std::make_shared<Call>(std::move(request), *env_.clock,
                             [this, route, respond = std::move(respond)](Call* done, HttpResponse response) mutable {
                               Finish(*done, std::move(response), *route, std::move(respond));
                             });
  call->ctx.set_request_id(id);
  call->Guard([&] { return Dispatch(call, route.get()); });
}

Status Service::Dispatch(const CallPtr& call, size_t* route) {
  AKI_ASSIGN_OR_RETURN(call->target, ParseTarget(call->request.target));
  RouteMatch match = MatchRoute(call->request.method, call->target.segments);
  if (match.route == nullptr && match.allow.empty()) {
    return NotFound("there is nothing at this path; GET /openapi.json lists what there is")
        .WithReason("route_not_found");
  }
  if (match.route == nullptr) {
    HttpResponse response = ProblemResponse(
        Unimplemented("this path answers " + match.allow).WithReason("method_not_allowed"), call->ctx.request_id());
    response.headers.emplace_back("Allow", match.allow);
    call->Answer(std::move(response));
    return OkStatus();
  }
  *route = match.index;
  call->ctx.set_priority(PriorityOf(*match.route));
  for (const auto& [name, value] : call->target.query) {
    if (std::ranges::find(match.route->query, name) == match.route->query.end()) {
      return InvalidArgument("unknown query parameter \"" + name.substr(0, 64) + "\"").WithReason("unknown_parameter");
    }
  }
  call->params = std::move(match.params);
  return RunHandler(call, *match.route);
}

Status Service::RunHandler(const CallPtr& call, const Route& route) {
  const auto run = [this, call, &route]() -> Status {
    return forwarding_.Concerns(*call, route) ? forwarding_.Run(call, route) : route.handler(*this, call);
  };
  if (!route.pattern.starts_with("/collections/{collection}")) return run();
  // Where writes go to the writer, whichever node that is, one is made so on another queue.
  const bool writes = route.place == Place::kWriter && options_.forwarding.forwarder == nullptr;
  const auto access = writes ? Database::Access::kWrite : Database::Access::kRead;
  const MonotonicTime began = env_.clock->Now();
  if (began < queue_until_.load(std::memory_order_relaxed) || !database_.AtHand(call->params[0], access)) {
    queue_.Post([call, run] { call->Guard(run); });
    return OkStatus();
  }
  Status status = run();
  // Payloads that are not in memory, mostly.
  const MonotonicTime ended = env_.clock->Now();
  if (ended - began > options_.held_up) {
    queue_until_.store(ended + kQueuedTimesHeldUp * options_.held_up, std::memory_order_relaxed);
  }
  return status;
}

void Service::Count(size_t route, int status) {
  auto& slot = route_metrics_[route].by_status[static_cast<size_t>(std::clamp(status, 0, 599))];
  Counter* counter = slot.load(std::memory_order_acquire);
  if (counter == nullptr) {
    const bool known = route < Routes().size();
    counter = &metrics_.GetCounter("akidb_api_requests_total", "Requests answered.",
                                   MetricLabel("method", known ? Routes()[route].method : "other") + "," +
                                       MetricLabel("route", known ? Routes()[route].pattern : "unmatched") + "," +
                                       MetricLabel("status", std::to_string(status)));
    slot.store(counter, std::memory_order_release);
  }
  counter->Add();
}

void Service::Finish(Call& call, HttpResponse response, size_t route, Responder respond) {
  Count(route, response.status);
  route_metrics_[route].duration->Observe(env_.clock->Now() - call.started);
  if (response.status >= 500) {
    Log(LogLevel::kWarn, "request failed",
        {{"request_id", call.ctx.request_id()},
         {"method", call.request.method.substr(0, 16)},
         {"status", response.status},
         {"problem", response.body.substr(0, 1000)}});
  }
  response.headers.emplace_back("X-Request-Id", call.ctx.request_id());
  for (auto& header : call.answer_headers) response.headers.push_back(std::move(header));
  respond(std::move(response));
}

HttpResponse Service::Refuse(const Status& status) {
  const std::string id = env_.random->Hex(32);
  HttpResponse response = ProblemResponse(status, id);
  response.headers.emplace_back("X-Request-Id", id);
  Count(Routes().size(), response.status);
  return response;
}

Result<std::shared_ptr<Collection>> Service::FindCollection(Call& call) {
  AKI_RETURN_IF_ERROR(ValidateName("collection", call.params[0]));
  return database_.Get(call.ctx, call.params[0]);
}

void Service::RunSized(const CallPtr& call, uint64_t elements, std::move_only_function<Status()> work) {
  if (elements <= options_.inline_elements_max) {
    call->Guard(std::move(work));
    return;
  }
  queue_.Post([call, work = std::move(work)]() mutable { call->Guard(std::move(work)); });
}

Status Service::RunWhenVisible(const CallPtr& call, const std::shared_ptr<Collection>& collection,
                               const std::optional<Position>& commit, std::move_only_function<Status()> work) {
  if (!commit) {
    // A write that another node answered through this one is shown if it can be had soon, and missed otherwise.
    const std::optional<Position> promised = collection->promised();
    if (!promised) return work();
    OpContext ctx(call->ctx.clock());
    ctx.set_deadline(std::min(call->ctx.deadline(), env_.clock->Now() + kPromisedWait));
    collection->NotifyVisible(ctx, *promised,
                              [call, work = std::move(work)](const Status&) mutable { call->Guard(std::move(work)); });
    return OkStatus();
  }
  if (forwarding_.ConcernsRead(*call, *collection, *commit)) return forwarding_.RunRead(call, collection);
  collection->NotifyVisible(call->ctx, *commit, [call, work = std::move(work)](const Status& visible) mutable {
    call->Guard([&]() -> Status {
      AKI_RETURN_IF_ERROR(visible);
      AKI_RETURN_IF_ERROR(call->ctx.Check());
      return work();
    });
  });
  return OkStatus();
}

Result<AckLevel> Service::ResolveAck(const Call& call, const Collection& collection,
                                     std::optional<AckLevel> asked) const {
  // Settings that say "local" of a collection that is bound to no node promise less than it keeps.
  if (!asked) return std::max({collection.spec().ack, call.ack_min, collection.ack()});
  if (*asked >= collection.ack()) return *asked;
  return std::unexpected(
      InvalidArgument("ack \"" + std::string(AckLevelName(*asked)) +
                      "\" is not to be had on a store that several nodes share; the weakest there is \"" +
                      std::string(AckLevelName(collection.ack())) + "\"")
          .WithReason("ack_not_available"));
}

Status Service::RunOnSnapshot(const CallPtr& call, const std::shared_ptr<Collection>& collection,
                              const ReadOptions& options,
                              std::move_only_function<Status(std::shared_ptr<const Snapshot>)> work) {
  if (!options.at) {
    return RunWhenVisible(call, collection, options.min_commit,
                          [call, collection, work = std::move(work)]() mutable -> Status {
                            AKI_ASSIGN_OR_RETURN(auto snapshot, collection->Read(call->ctx));
                            return work(std::move(snapshot));
                          });
  }
  queue_.Post([call, collection, at = *options.at, work = std::move(work)]() mutable {
    call->Guard([&]() -> Status {
      AKI_ASSIGN_OR_RETURN(auto snapshot, collection->ReadAt(call->ctx, at));
      return work(std::move(snapshot));
    });
  });
  return OkStatus();
}

void Service::AnswerWhenAcknowledged(const CallPtr& call, const std::shared_ptr<Collection>& collection, AckLevel ack,
                                     const WriteReceipt& receipt, HttpResponse response) {
  // A store may be away for long; a client is told in time that it cannot be said.
  if (ack != AckLevel::kLocal && call->ctx.deadline() == MonotonicTime::max()) {
    call->ctx.set_timeout(std::chrono::milliseconds(limits().timeout_ms_default));
  }
  auto answer = [call, response = std::move(response)](const Status& status) mutable {
    if (!status.ok()) return call->Fail(status);
    call->Answer(std::move(response));
  };
  if (ack <= collection->ack()) {
    collection->NotifyDurable(call->ctx, receipt.position.lsn, std::move(answer));
  } else {
    collection->NotifyCommitted(call->ctx, receipt.position.lsn, std::move(answer));
  }
}

void Service::ObserveSearch(std::string_view collection, Duration took) {
  search_duration_.Observe(took);
  if (took < options_.slow_query) return;
  slow_queries_.Add();
  Log(LogLevel::kWarn, "slow search",
      {{"collection", collection}, {"ms", std::chrono::duration<double, std::milli>(took).count()}});
}

}  // namespace akidb
