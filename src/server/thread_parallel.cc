#include "server/thread_parallel.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace akidb {
namespace {

class ThreadParallel final : public Parallel {
 public:
  explicit ThreadParallel(int threads) : threads_(std::max(1, threads)) {}
  void Run(size_t count, const std::function<void(size_t)>& body) override {
    std::atomic<size_t> next{0};
    const auto work = [&] {
      for (size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) body(i);
    };
    std::vector<std::jthread> others;
    for (size_t i = 1; i < std::min<size_t>(static_cast<size_t>(threads_), count); ++i) others.emplace_back(work);
    work();
  }

 private:
  const int threads_;
};

}  // namespace

std::unique_ptr<Parallel> NewThreadParallel(int threads) { return std::make_unique<ThreadParallel>(threads); }

}  // namespace akidb
