#include "fiber.h"

#include <utility>

#include "base/check.h"

#if __has_feature(address_sanitizer)
#include <sanitizer/common_interface_defs.h>
#endif

namespace akidb::sim {

namespace {

// Sanitized frames are large.
constexpr size_t kStackBytes = 1 << 20;

#if __has_feature(address_sanitizer)
void StartSwitch(void** fake_stack, const void* bottom, size_t bytes) {
  __sanitizer_start_switch_fiber(fake_stack, bottom, bytes);
}
void FinishSwitch(void* fake_stack, const void** bottom, size_t* bytes) {
  __sanitizer_finish_switch_fiber(fake_stack, bottom, bytes);
}
#else
void StartSwitch(void** /*fake_stack*/, const void* /*bottom*/, size_t /*bytes*/) {}
void FinishSwitch(void* /*fake_stack*/, const void** /*bottom*/, size_t* /*bytes*/) {}
#endif

}  // namespace

Fiber* Fiber::running_ = nullptr;

Fiber::Fiber(std::function<void()> body)
    : body_(std::move(body)), stack_(std::make_unique_for_overwrite<std::byte[]>(kStackBytes)) {}

Fiber::~Fiber() { AKI_CHECK(!begun_ || done_); }

void Fiber::Resume() {
  AKI_CHECK(running_ == nullptr && !done_);
  if (!begun_) {
    begun_ = true;
    AKI_CHECK(getcontext(&self_) == 0);
    self_.uc_stack.ss_sp = stack_.get();
    self_.uc_stack.ss_size = kStackBytes;
    self_.uc_link = nullptr;
    makecontext(&self_, &Fiber::Enter, 0);
  }
  running_ = this;
  SwitchIn();
  running_ = nullptr;
}

void Fiber::Yield() {
  AKI_CHECK(running_ != nullptr);
  running_->SwitchOut(false);
}

void Fiber::SwitchIn() {
  StartSwitch(&caller_fake_stack_, stack_.get(), kStackBytes);
  swapcontext(&caller_, &self_);
  FinishSwitch(caller_fake_stack_, nullptr, nullptr);
}

void Fiber::SwitchOut(bool for_ever) {
  StartSwitch(for_ever ? nullptr : &fake_stack_, caller_bottom_, caller_bytes_);
  swapcontext(&self_, &caller_);
  FinishSwitch(fake_stack_, &caller_bottom_, &caller_bytes_);
}

void Fiber::Enter() {
  Fiber* const self = running_;
  FinishSwitch(nullptr, &self->caller_bottom_, &self->caller_bytes_);
  self->body_();
  self->done_ = true;
  self->SwitchOut(true);
}

}  // namespace akidb::sim
