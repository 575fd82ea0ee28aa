#include "objstore/s3/part_uploads.h"

#include <utility>

namespace akidb::s3 {

PartUploads::PartUploads(Clock& clock, uint32_t at_once, Send send)
    : clock_(clock), at_once_(at_once), send_(std::move(send)) {}

PartUploads::~PartUploads() { Stop(); }

template <class Done>
Status PartUploads::WaitUntil(OpContext& ctx, Done done) {
  constexpr auto kSlice = std::chrono::milliseconds(50);  // how late a cancellation may be noticed
  while (failed_.ok() && !done()) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    finished_.WaitFor(mutex_, kSlice);
  }
  return failed_;
}

Status PartUploads::Add(OpContext& ctx, PartBytes bytes) {
  auto part = std::make_unique<Part>(clock_, ++added_, std::move(bytes));
  part->ctx.set_deadline(ctx.deadline());
  part->ctx.set_request_id(ctx.request_id());
  MutexLock lock(mutex_);
  AKI_RETURN_IF_ERROR(WaitUntil(ctx, [&]() AKI_REQUIRES(mutex_) { return !part->copied() || copies_ < at_once_; }));
  if (part->copied()) ++copies_;
  waiting_.push_back(std::move(part));
  if (idle_threads_ < waiting_.size() && threads_.size() < at_once_) threads_.emplace_back([this] { Work(); });
  added_or_stopped_.NotifyOne();
  return OkStatus();
}

Result<std::vector<std::string>> PartUploads::Finish(OpContext& ctx) {
  MutexLock lock(mutex_);
  AKI_RETURN_IF_ERROR(WaitUntil(ctx, [&]() AKI_REQUIRES(mutex_) { return waiting_.empty() && sent_.empty(); }));
  return std::move(etags_);
}

void PartUploads::Stop() {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    waiting_.clear();
    for (Part* const part : sent_) part->ctx.Cancel();
    added_or_stopped_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void PartUploads::Work() {
  while (const auto part = Next()) Note(*part, send_(part->ctx, part->number, part->bytes));
}

std::unique_ptr<PartUploads::Part> PartUploads::Next() {
  MutexLock lock(mutex_);
  ++idle_threads_;
  while (waiting_.empty() && !stopped_) added_or_stopped_.Wait(mutex_);
  --idle_threads_;
  if (waiting_.empty()) return nullptr;
  std::unique_ptr<Part> part = std::move(waiting_.front());
  waiting_.pop_front();
  sent_.push_back(part.get());
  return part;
}

void PartUploads::Note(const Part& part, Result<std::string> etag) {
  MutexLock lock(mutex_);
  std::erase(sent_, &part);
  if (part.copied()) --copies_;
  if (etag) {
    if (etags_.size() < part.number) etags_.resize(part.number);
    etags_[part.number - 1] = std::move(*etag);
  } else if (failed_.ok()) {
    failed_ = std::move(etag).error();
  }
  finished_.NotifyAll();
}

}  // namespace akidb::s3
