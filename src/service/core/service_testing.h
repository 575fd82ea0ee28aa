// A service over a real database in a directory of its own, for tests of handlers and of the transport.
//
// Threads: one test.
// Errors:  set-up problems fail the test.
#pragma once

#include <memory>
#include <string>

#include "base/environment.h"
#include "engine/database.h"
#include "service/core/service.h"

namespace akidb {

// Runs work in the posting thread, or keeps it until told.
class TestWorkQueue : public WorkQueue {
 public:
  void Post(std::move_only_function<void()> work) override;
  size_t threads() const override { return 2; }
  void Finish() override { Release(); }
  void Hold() { hold_ = true; }
  // Runs what was kept.
  void Release();
  // Waits until `count` pieces of work are kept.
  void AwaitHeld(size_t count);
  size_t posted() const { return posted_; }

 private:
  std::atomic<size_t> posted_{0};
  Mutex mutex_;
  CondVar changed_;
  std::atomic<bool> hold_{false};
  std::vector<std::move_only_function<void()>> held_ AKI_GUARDED_BY(mutex_);
};

class TestService {
 public:
  explicit TestService(ServiceOptions options = {}, Limits limits = {});
  // One of several nodes on `store`.
  TestService(ServiceOptions options, EngineOptions engine, std::shared_ptr<ObjectStore> store);
  ~TestService();

  Service& service() { return *service_; }
  TestWorkQueue& queue() { return queue_; }
  Database& database() { return *database_; }
  // Sends a request and waits for its answer.
  HttpResponse Send(std::string method, std::string target, std::string body = "",
                    std::string content_type = "application/json");
  HttpResponse Send(HttpRequest request);

 private:
  std::string dir_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<Executor> executor_;
  Environment env_;
  std::unique_ptr<Database> database_;
  TestWorkQueue queue_;
  std::unique_ptr<Service> service_;
};

}  // namespace akidb
