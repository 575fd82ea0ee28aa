#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <utility>

#include "service/rest/http_server.h"

namespace akidb {
namespace {

namespace asio = boost::asio;

class ThreadWorkQueue final : public WorkQueue {
 public:
  explicit ThreadWorkQueue(int threads) : threads_(static_cast<size_t>(threads)), pool_(threads_) {}
  ~ThreadWorkQueue() override { pool_.join(); }
  void Post(std::move_only_function<void()> work) override { asio::post(pool_, std::move(work)); }
  size_t threads() const override { return threads_; }
  void Finish() override { pool_.join(); }

 private:
  const size_t threads_;
  asio::thread_pool pool_;
};

}  // namespace

std::unique_ptr<WorkQueue> NewThreadWorkQueue(int threads) { return std::make_unique<ThreadWorkQueue>(threads); }

}  // namespace akidb
