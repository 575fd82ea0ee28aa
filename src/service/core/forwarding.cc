#include "service/core/forwarding.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/log.h"
#include "service/core/row_parser.h"
#include "service/core/service.h"

namespace akidb {
namespace {

// A writer that moved is followed this often for one request.
constexpr int kTriesMax = 3;
constexpr size_t kRemoteJobsMax = 1000;
// The writer's own "not in time" must arrive before the sender gives up.
constexpr Duration kAnswerGrace = std::chrono::seconds(1);
// For what has no time-out of its own: flushes, merges, snapshots.
constexpr Duration kSlowBudget = std::chrono::minutes(1);
constexpr std::string_view kNotTheWriter = "not_the_writer";
constexpr std::string_view kDropped = "collection_dropped";

// Takes as long for a wrong secret as for the right one, except that lengths may differ.
bool EqualSecrets(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b.empty() ? '\0' : b[i % b.size()]);
  }
  volatile unsigned result = difference;
  return result == 0;
}

// Of one hop, or written anew for the next one.
bool IsHopHeader(std::string_view name) {
  constexpr std::array<std::string_view, 10> kHop = {
      "connection", "content-length",    "expect",  "host",    "keep-alive",
      "te",         "transfer-encoding", "trailer", "upgrade", "x-request-id"};
  return name.size() >= 13 && EqualsIgnoringCase(name.substr(0, 13), "x-akidb-forwa")
             ? true
             : std::ranges::any_of(kHop, [&](std::string_view hop) { return EqualsIgnoringCase(name, hop); });
}

std::optional<uint64_t> HeaderNumber(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// A string member of a JSON object; empty if there is none.
std::string StringMember(std::string_view json, std::string_view key) {
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  std::string_view value;
  const simdjson::padded_string padded(json);
  if (parser.parse(padded).get(element) != simdjson::SUCCESS) return {};
  if (element[key].get(value) != simdjson::SUCCESS) return {};
  return std::string(value);
}

// The one answer after which a request may be sent somewhere else: nothing was done, because its node does not write.
bool SaysNotTheWriter(const HttpResponse& response) {
  return response.status == 503 && StringMember(response.body, "code") == kNotTheWriter &&
         StringMember(response.body, "effect").empty();
}

std::string_view HeaderOf(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (EqualsIgnoringCase(key, name)) return value;
  }
  return {};
}

Status NotTheWriterHere(std::string_view why) {
  return Unavailable("this node is not the writer that was meant: " + std::string(why)).WithReason(kNotTheWriter);
}

}  // namespace

Forwarding::Forwarding(Service& service, ForwardingOptions options)
    : service_(service),
      database_(service.database()),
      options_(std::move(options)),
      answered_(service.metrics().GetCounter("akidb_forwarded_requests_total", "Requests sent to another node.",
                                             MetricLabel("outcome", "answered"))),
      moved_(service.metrics().GetCounter("akidb_forwarded_requests_total", "Requests sent to another node.",
                                          MetricLabel("outcome", "not_the_writer"))),
      unreachable_(service.metrics().GetCounter("akidb_forwarded_requests_total", "Requests sent to another node.",
                                                MetricLabel("outcome", "unreachable"))),
      unanswered_(service.metrics().GetCounter("akidb_forwarded_requests_total", "Requests sent to another node.",
                                               MetricLabel("outcome", "unanswered"))),
      accepted_(service.metrics().GetCounter("akidb_forwards_received_total", "Requests that other nodes sent here.",
                                             MetricLabel("outcome", "accepted"))),
      refused_(service.metrics().GetCounter("akidb_forwards_received_total", "Requests that other nodes sent here.",
                                            MetricLabel("outcome", "refused"))) {}

bool Forwarding::Concerns(Call& call, const Route& route) const {
  if (options_.forwarder == nullptr) return false;
  if (!call.request.Header(kForwardedToHeader).empty()) return true;
  return route.place == Place::kAckWriter ? MovesHome(service_, call) : route.place != Place::kAnywhere;
}

Status Forwarding::Run(const CallPtr& call, const Route& route) {
  if (!call->request.Header(kForwardedToHeader).empty()) return Receive(call, route);
  if (route.place == Place::kJob) {
    const auto job = FindJob(call->params[0]);
    if (!job) return route.handler(service_, call);
    options_.queue->Post([this, call, job = *job] { call->Guard([&] { return SendToJob(call, job); }); });
    return OkStatus();
  }
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service_.FindCollection(*call));
  if (collection->writer_epoch().value() != 0) return route.handler(service_, call);
  options_.queue->Post([this, call, &route] { call->Guard([&] { return Send(call, route); }); });
  return OkStatus();
}

Status Forwarding::CheckReceived(Call& call, const Route& route) {
  const HttpRequest& request = call.request;
  if (!options_.secret.empty() && !EqualSecrets(request.Header(kForwardedSecretHeader), options_.secret)) {
    return PermissionDenied("the node that forwarded this request does not know server.forward_secret")
        .WithReason("wrong_secret");
  }
  if (request.Header(kForwardedToHeader) != database_.nodes()->process()) {
    return NotTheWriterHere("another process answers at this address now");
  }
  if (route.place == Place::kAnywhere || route.place == Place::kJob) return OkStatus();
  const auto epoch = HeaderNumber(request.Header(kForwardedEpochHeader));
  const auto budget_ms = HeaderNumber(request.Header(kForwardedBudgetHeader));
  if (!epoch || !budget_ms) {
    return InvalidArgument("a forwarded request names its epoch and its budget").WithReason("invalid_header");
  }
  call.ack_min = ParseAckLevel(request.Header(kForwardedAckHeader)).value_or(AckLevel::kLocal);
  call.ctx.set_deadline(call.started + std::chrono::milliseconds(std::min<uint64_t>(*budget_ms, 3'600'000)));
  if (Status alive = call.ctx.Check(); !alive.ok()) return std::move(alive).WithReason("forward_expired");
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<Collection> collection, service_.FindCollection(call));
  if (collection->writer_epoch() == Epoch(*epoch)) return OkStatus();
  if (collection->writer_epoch().value() != 0) return NotTheWriterHere("it writes in another epoch");
  // Its manifest may name this process, which forgot the collection since: it takes it up again, and the sender asks
  // once more with the new epoch.
  options_.queue->Post([this, collection, id = call.ctx.request_id()] {
    OpContext ctx(*service_.env().clock);
    ctx.set_request_id(id);
    ctx.set_timeout(std::chrono::milliseconds(service_.limits().timeout_ms_default));
    internal::ToStatus(collection->PlaceWrite(ctx)).IgnoreError("the sender finds out who writes");
  });
  return NotTheWriterHere("it does not write now");
}

Status Forwarding::Receive(const CallPtr& call, const Route& route) {
  call->answer_headers.emplace_back(kAnsweredByHeader, database_.nodes()->process());
  Status received = CheckReceived(*call, route);
  if (received.ok()) {
    accepted_.Add();
    return route.handler(service_, call);
  }
  refused_.Add();
  return received;
}

Result<HttpResponse> Forwarding::SendTo(Call& call, const WriterPlace& place, std::optional<AckLevel> ack) {
  HttpRequest forwarded;
  forwarded.method = call.request.method;
  forwarded.target = call.request.target;
  for (const auto& header : call.request.headers) {
    if (!IsHopHeader(header.first)) forwarded.headers.push_back(header);
  }
  const Duration budget = call.ctx.deadline() - call.ctx.clock().Now();
  const auto budget_ms = std::chrono::duration_cast<std::chrono::milliseconds>(budget).count();
  forwarded.headers.emplace_back("X-Request-Id", call.ctx.request_id());
  forwarded.headers.emplace_back(kForwardedToHeader, place.process);
  forwarded.headers.emplace_back(kForwardedEpochHeader, std::to_string(place.epoch.value()));
  forwarded.headers.emplace_back(kForwardedBudgetHeader, std::to_string(std::max<int64_t>(budget_ms, 0)));
  if (ack) forwarded.headers.emplace_back(kForwardedAckHeader, AckLevelName(*ack));
  if (!options_.secret.empty()) forwarded.headers.emplace_back(kForwardedSecretHeader, options_.secret);
  forwarded.body.swap(call.request.body);  // bodies are large; it comes back below
  OpContext ctx(call.ctx.clock());
  ctx.set_deadline(call.ctx.deadline() + kAnswerGrace);
  NodeLeases& nodes = *database_.nodes();
  nodes.BeginForward(place.process, &ctx);
  auto answer = options_.forwarder->Send(ctx, place.address, forwarded);
  call.request.body.swap(forwarded.body);
  if (answer) {
    const bool meant = HeaderOf(*answer, kAnsweredByHeader) == place.process;
    nodes.EndForward(place.process, &ctx, meant ? ForwardOutcome::kAnswered : ForwardOutcome::kRefused);
    (SaysNotTheWriter(*answer) ? moved_ : answered_).Add();
    return answer;
  }
  const Status& error = answer.error();
  nodes.EndForward(place.process, &ctx,
                   error.reason() == "connect_failed" ? ForwardOutcome::kRefused : ForwardOutcome::kSilent);
  (error.effect() == Effect::kNone ? unreachable_ : unanswered_).Add();
  Log(LogLevel::kInfo, "a forwarded request got no answer",
      {{"request_id", call.ctx.request_id()}, {"process", place.process}, {"error", error.ToString()}});
  return answer;
}

Status Forwarding::Send(const CallPtr& call, const Route& route) {
  if (call->ctx.deadline() == MonotonicTime::max()) {
    const Duration rows = std::chrono::milliseconds(service_.limits().timeout_ms_default);
    call->ctx.set_deadline(call->started + (route.place == Place::kWriter ? rows : std::max(rows, kSlowBudget)));
  }
  Status last = NotTheWriterHere("its writer keeps changing");
  std::string unreachable;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    AKI_RETURN_IF_ERROR(call->ctx.Check());
    AKI_ASSIGN_OR_RETURN(std::shared_ptr<Collection> collection, service_.FindCollection(*call));
    if (tries > 0) {
      Status followed = collection->FollowHead(call->ctx);
      if (followed.reason() == kDropped) {
        // The name may be another collection's by now.
        AKI_ASSIGN_OR_RETURN(collection, service_.FindCollection(*call));
        followed = collection->FollowHead(call->ctx);
      }
      AKI_RETURN_IF_ERROR(std::move(followed));
    }
    const auto place = collection->PlaceWrite(call->ctx);
    if (!place) {
      const std::string_view reason = place.error().reason();
      if (reason != kNotTheWriter && reason != kDropped) return place.error();
      last = place.error();
      continue;  // this node was the writer a moment ago, or the collection was there
    }
    if (place->here()) {
      call->ctx.set_deadline(MonotonicTime::max());  // as if it had been here from the start
      return route.handler(service_, call);
    }
    if (place->process == unreachable) return last;
    auto answer = SendTo(*call, *place, collection->spec().ack);
    if (answer && !SaysNotTheWriter(*answer)) {
      NoteAnswered(*call, *collection, *place, *answer);
      call->Answer(std::move(*answer));
      return OkStatus();
    }
    if (!answer && answer.error().effect() == Effect::kUnknown) {
      return Unavailable("the writer of the collection, " + place->process + ", did not answer in time")
          .WithReason("forward_unanswered")
          .WithEffectUnknown();
    }
    if (answer) {
      last = NotTheWriterHere("its writer has changed");
      continue;
    }
    unreachable = place->process;
    last = Unavailable("the writer of the collection, " + place->process +
                       ", cannot be reached; if it is dead, this node takes over within seconds")
               .WithReason("writer_unreachable");
  }
  return last;
}

bool Forwarding::ConcernsRead(const Call& call, const Collection& collection, const Position& commit) const {
  return options_.forwarder != nullptr && call.request.Header(kForwardedToHeader).empty() &&
         collection.ack() == AckLevel::kLocal && collection.writer_epoch().value() == 0 && !collection.Shows(commit);
}

Status Forwarding::RunRead(const CallPtr& call, const std::shared_ptr<Collection>& collection) {
  options_.queue->Post([this, call, collection] { call->Guard([&] { return SendRead(call, *collection); }); });
  return OkStatus();
}

Status Forwarding::SendRead(const CallPtr& call, Collection& collection) {
  call->ctx.set_deadline(
      std::min(call->ctx.deadline(), call->started + std::chrono::milliseconds(service_.limits().timeout_ms_default)));
  AKI_ASSIGN_OR_RETURN(const WriterPlace place, collection.PlaceWrite(call->ctx));
  if (place.here()) return NotTheWriterHere("it has just become the collection's home");
  auto answer = SendTo(*call, place, std::nullopt);
  if (!answer || SaysNotTheWriter(*answer)) {
    return Unavailable("the home of the collection, " + place.process + ", cannot be reached")
        .WithReason("writer_unreachable");
  }
  call->Answer(std::move(*answer));
  return OkStatus();
}

Status Forwarding::SendToJob(const CallPtr& call, const RemoteJob& job) {
  call->ctx.set_timeout(std::chrono::milliseconds(service_.limits().timeout_ms_default));
  auto answer = SendTo(*call, {.process = job.process, .address = job.address, .epoch = Epoch(0)}, std::nullopt);
  if (!answer) return Unavailable("the node that runs this job does not answer").WithReason("writer_unreachable");
  call->Answer(std::move(*answer));
  return OkStatus();
}

std::optional<Forwarding::RemoteJob> Forwarding::FindJob(std::string_view id) const {
  MutexLock lock(mutex_);
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? std::nullopt : std::optional(found->second);
}

// Reads through this node are to show what was answered through it.
void Forwarding::NoteAnswered(Call& call, Collection& collection, const WriterPlace& place,
                              const HttpResponse& response) {
  if (response.status >= 300) return;
  if (const std::string token = StringMember(response.body, "commit"); !token.empty()) {
    if (const auto position = Position::FromToken(token)) collection.NoteWrittenElsewhere(*position);
    return;
  }
  if (response.status == 202) {
    MutexLock lock(mutex_);
    const std::string id = StringMember(response.body, "id");
    if (!jobs_.insert_or_assign(id, RemoteJob{place.process, place.address}).second) return;
    job_order_.push_back(id);
    if (job_order_.size() <= kRemoteJobsMax) return;
    jobs_.erase(job_order_.front());
    job_order_.pop_front();
    return;
  }
  collection.FollowHead(call.ctx).IgnoreError("following shows it soon");
}

}  // namespace akidb
