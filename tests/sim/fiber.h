// A body of code on a stack of its own, which stops wherever it likes and is gone on with later. It exists so that
// several nodes can each stand in the middle of a request, on one thread and in an order that a seed decides.
//
// Threads: one; fibers do not move between threads.
// Errors:  the body must not throw.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <functional>
#include <memory>

namespace akidb::sim {

class Fiber {
 public:
  // Runs at the first Resume().
  explicit Fiber(std::function<void()> body);
  // The body must have returned, or never have begun.
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Goes on with the body until it yields or returns. Not from inside a fiber.
  void Resume();
  // Whether the body has returned.
  bool done() const { return done_; }
  // Back to whoever resumed the fiber that is running.
  static void Yield();
  // Whether the caller runs in a fiber.
  static bool Inside() { return running_ != nullptr; }

 private:
  static void Enter();
  void SwitchIn();
  void SwitchOut(bool for_ever);

  static Fiber* running_;

  std::function<void()> body_;
  bool begun_ = false;
  bool done_ = false;
  std::unique_ptr<std::byte[]> stack_;
  ucontext_t self_{};
  ucontext_t caller_{};
  // What the address sanitizer wants to know about stacks.
  void* fake_stack_ = nullptr;
  void* caller_fake_stack_ = nullptr;
  const void* caller_bottom_ = nullptr;
  size_t caller_bytes_ = 0;
};

}  // namespace akidb::sim
