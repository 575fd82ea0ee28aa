#include "service/core/answers.h"
#include "service/core/handlers.h"
#include "service/core/problem.h"
#include "service/core/service.h"

namespace akidb {
namespace {

void WriteJob(const JobInfo& job, std::string_view request_id, JsonWriter* writer) {
  writer->BeginObject();
  writer->Key("id").Value(job.id);
  writer->Key("kind").Value(job.kind);
  writer->Key("collection").Value(job.collection);
  writer->Key("state").Value(JobStateName(job.state));
  writer->Key("progress").Value(job.state == JobState::kSucceeded ? 1.0 : 0.0);
  writer->Key("created_at").Value(job.created_at);
  writer->Key("finished_at");
  if (job.finished_at.empty()) {
    writer->Null();
  } else {
    writer->Value(job.finished_at);
  }
  writer->Key("error");
  if (job.error.ok()) {
    writer->Null();
  } else {
    WriteProblem(job.error, request_id, writer);
  }
  writer->EndObject();
}

std::string JobJson(const JobInfo& job, std::string_view request_id) {
  std::string json;
  JsonWriter writer(&json);
  WriteJob(job, request_id, &writer);
  return json;
}

// Starts a job; with `wait` the answer is its end, else 202 with the job as it was queued.
Status RunJob(Service& service, const CallPtr& call, std::string kind, bool wait,
              std::move_only_function<Status(OpContext&)> work) {
  std::move_only_function<void(const JobInfo&)> done;
  if (wait) {
    done = [call](const JobInfo& job) {
      if (job.error.ok()) {
        call->Reply(200, JobJson(job, call->ctx.request_id()));
      } else {
        call->Fail(job.error);
      }
    };
  }
  AKI_ASSIGN_OR_RETURN(const JobInfo job,
                       service.jobs().Start(std::move(kind), call->params[0], std::move(work), std::move(done)));
  if (!wait) call->Reply(202, JobJson(job, call->ctx.request_id()));
  return OkStatus();
}

}  // namespace

Status FlushCollection(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(std::shared_ptr<Collection> collection, service.FindCollection(*call));
  AKI_ASSIGN_OR_RETURN(Fields fields, ParseBody(*call, BodyNeed::kOptional));
  bool wait = true;
  fields.Bool("wait", &wait);
  AKI_RETURN_IF_ERROR(fields.Done());
  return RunJob(service, call, "flush", wait, [collection = std::move(collection)](OpContext& ctx) {
    ctx.set_priority(Priority::kWrite);
    return collection->Flush(ctx);
  });
}

Status MergeCollection(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(std::shared_ptr<Collection> collection, service.FindCollection(*call));
  AKI_ASSIGN_OR_RETURN(Fields fields, ParseBody(*call, BodyNeed::kOptional));
  bool wait = false;
  bool full = false;
  fields.Bool("wait", &wait);
  fields.Bool("full", &full);
  AKI_RETURN_IF_ERROR(fields.Done());
  const auto scope = full ? Collection::MergeScope::kFull : Collection::MergeScope::kPolicy;
  return RunJob(service, call, "merge", wait, [collection = std::move(collection), scope](OpContext& ctx) {
    ctx.set_priority(Priority::kBackground);
    return collection->Merge(ctx, scope);
  });
}

Status ListJobs(Service& service, const CallPtr& call) {
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject().Key("jobs").BeginArray();
  for (const JobInfo& job : service.jobs().List()) WriteJob(job, call->ctx.request_id(), &writer);
  writer.EndArray().EndObject();
  call->Reply(200, std::move(json));
  return OkStatus();
}

Status GetJob(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const JobInfo job, service.jobs().Get(call->params[0]));
  call->Reply(200, JobJson(job, call->ctx.request_id()));
  return OkStatus();
}

Status CancelJob(Service& service, const CallPtr& call) {
  AKI_ASSIGN_OR_RETURN(const JobInfo job, service.jobs().Cancel(call->params[0]));
  call->Reply(200, JobJson(job, call->ctx.request_id()));
  return OkStatus();
}

}  // namespace akidb
