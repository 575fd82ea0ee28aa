#include "cli/ingest_sender.h"

#include "cli/interrupt.h"

namespace akidb {

IngestSender::IngestSender(Options options, Clock& clock)
    : options_(std::move(options)), clock_(clock), acknowledged_(options_.rows_acknowledged) {
  for (uint32_t i = 0; i < options_.connections; ++i) threads_.emplace_back([this] { Work(); });
}

IngestSender::~IngestSender() {
  {
    MutexLock lock(mutex_);
    closed_ = true;
    queue_.clear();
    changed_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
}

Status IngestSender::Submit(IngestJob job) {
  MutexLock lock(mutex_);
  while (failure_.ok() && queue_.size() >= options_.connections) {
    AKI_RETURN_IF_ERROR(CheckInterrupt());
    changed_.WaitFor(mutex_, std::chrono::milliseconds(100));
  }
  if (!failure_.ok()) return failure_;
  queue_.push_back(std::move(job));
  changed_.NotifyAll();
  return OkStatus();
}

Status IngestSender::Finish() {
  MutexLock lock(mutex_);
  while (failure_.ok() && (!queue_.empty() || sending_ > 0)) changed_.Wait(mutex_);
  return failure_;
}

uint64_t IngestSender::rows_acknowledged() {
  MutexLock lock(mutex_);
  return acknowledged_.contiguous();
}

uint64_t IngestSender::rows_upserted() {
  MutexLock lock(mutex_);
  return upserted_;
}

std::vector<RowProblem> IngestSender::TakeProblems() {
  MutexLock lock(mutex_);
  return std::exchange(problems_, {});
}

void IngestSender::Work() {
  ApiClient client(options_.url, options_.http, clock_);
  for (;;) {
    IngestJob job;
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && !closed_) changed_.Wait(mutex_);
      if (queue_.empty()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
      ++sending_;
      changed_.NotifyAll();
    }
    Status status = job.body.empty() ? OkStatus() : Send(client, job);
    MutexLock lock(mutex_);
    --sending_;
    if (status.ok()) {
      acknowledged_.Acknowledge(job.rows_begin, job.rows_end);
    } else if (failure_.ok()) {
      failure_ = std::move(status);
      queue_.clear();
    }
    changed_.NotifyAll();
  }
}

// A batch goes all or nothing, which is cheap to answer; only a refused one is sent again with a verdict on each row.
Status IngestSender::Send(ApiClient& client, const IngestJob& job) {
  auto whole = client.Call("POST", options_.target, kColumnsContentType, job.body, Repeat::kSafe);
  if (whole) {
    MutexLock lock(mutex_);
    upserted_ += job.rows.size();
    return OkStatus();
  }
  if (whole.error().code() != StatusCode::kInvalidArgument) return std::move(whole).error();
  const char separator = options_.target.find('?') == std::string::npos ? '?' : '&';
  AKI_ASSIGN_OR_RETURN(
      const simdjson::dom::element answer,
      client.Call("POST", options_.target + separator + "partial=true", kColumnsContentType, job.body, Repeat::kSafe));
  simdjson::dom::array items;
  if (answer["items"].get(items) != simdjson::SUCCESS || items.size() != job.rows.size()) {
    return Internal("the server's answer to a partial write has no verdict on every row");
  }
  MutexLock lock(mutex_);
  size_t index = 0;
  for (const simdjson::dom::element item : items) {
    const uint64_t row = job.rows[index++];
    if (JsonUint(item, "status") < 300) {
      ++upserted_;
    } else {
      problems_.push_back({row, JsonText(item, "code") + ": " + JsonText(item, "detail")});
    }
  }
  return OkStatus();
}

}  // namespace akidb
