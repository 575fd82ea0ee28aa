// Mutex, lock and condition variable with clang's thread-safety annotations (-Wthread-safety is an error here).
//
// Threads: that is the point.
// Errors:  none.
#pragma once

#include <condition_variable>
#include <mutex>

#define AKI_CAPABILITY(x) __attribute__((capability(x)))
#define AKI_SCOPED_CAPABILITY __attribute__((scoped_lockable))
#define AKI_GUARDED_BY(x) __attribute__((guarded_by(x)))
#define AKI_PT_GUARDED_BY(x) __attribute__((pt_guarded_by(x)))
#define AKI_REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define AKI_EXCLUDES(...) __attribute__((locks_excluded(__VA_ARGS__)))
#define AKI_ACQUIRE(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define AKI_RELEASE(...) __attribute__((release_capability(__VA_ARGS__)))
#define AKI_TRY_ACQUIRE(...) __attribute__((try_acquire_capability(__VA_ARGS__)))
#define AKI_NO_THREAD_SAFETY_ANALYSIS __attribute__((no_thread_safety_analysis))

namespace akidb {

class AKI_CAPABILITY("mutex") Mutex {
 public:
  void Lock() AKI_ACQUIRE() { mutex_.lock(); }
  void Unlock() AKI_RELEASE() { mutex_.unlock(); }
  bool TryLock() AKI_TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class AKI_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) AKI_ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() AKI_RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

class CondVar {
 public:
  void Wait(Mutex& mutex) AKI_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    cv_.wait(lock);
    lock.release();
  }
  // False when `timeout` passed without a signal.
  template <class Rep, class Period>
  bool WaitFor(Mutex& mutex, std::chrono::duration<Rep, Period> timeout) AKI_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const bool signalled = cv_.wait_for(lock, timeout) == std::cv_status::no_timeout;
    lock.release();
    return signalled;
  }
  void NotifyOne() { cv_.notify_one(); }
  void NotifyAll() { cv_.notify_all(); }

 private:
  std::condition_variable cv_;
};

}  // namespace akidb
