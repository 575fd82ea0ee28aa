#include "service/core/service_testing.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <future>

#include "objstore/memory/memory_store.h"

namespace akidb {

void TestWorkQueue::Post(std::move_only_function<void()> work) {
  ++posted_;
  if (!hold_) return work();
  MutexLock lock(mutex_);
  held_.push_back(std::move(work));
  changed_.NotifyAll();
}

void TestWorkQueue::Release() {
  hold_ = false;
  std::vector<std::move_only_function<void()>> held;
  {
    MutexLock lock(mutex_);
    held.swap(held_);
  }
  for (auto& work : held) work();
}

void TestWorkQueue::AwaitHeld(size_t count) {
  MutexLock lock(mutex_);
  while (held_.size() < count) changed_.Wait(mutex_);
}

TestService::TestService(ServiceOptions options, Limits limits)
    : TestService(
          std::move(options),
          [&] {
            EngineOptions engine;
            engine.limits = limits;
            return engine;
          }(),
          NewMemoryStore(RealClock())) {}

TestService::TestService(ServiceOptions options, EngineOptions engine, std::shared_ptr<ObjectStore> store)
    : random_(NewSystemRandom()), executor_(NewThreadExecutor(RealClock(), 1)) {
  dir_ = testing::TempDir() + "akidb-service-" + random_->Hex(16);
  std::filesystem::create_directory(dir_);
  env_ = {.clock = &RealClock(),
          .random = random_.get(),
          .fs = &PosixFileSystem(),
          .executor = executor_.get(),
          .die = [](const Status& status) {
            ADD_FAILURE() << status.ToString();
            std::abort();
          }};
  OpContext ctx(*env_.clock);
  engine.data_dir = dir_;
  engine.wal_file_bytes = 40u << 20;
  auto database = Database::Open(ctx, env_, std::move(store), engine);
  if (!database) {
    ADD_FAILURE() << database.error().ToString();
    std::abort();
  }
  database_ = std::move(*database);
  service_ = std::make_unique<Service>(*database_, env_, queue_, std::move(options));
}

TestService::~TestService() {
  service_.reset();
  OpContext ctx(*env_.clock);
  EXPECT_TRUE(database_->Close(ctx).ok());
  database_.reset();
  executor_.reset();
  std::filesystem::remove_all(dir_);
}

HttpResponse TestService::Send(std::string method, std::string target, std::string body, std::string content_type) {
  HttpRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  if (!content_type.empty()) request.headers.emplace_back("Content-Type", std::move(content_type));
  return Send(std::move(request));
}

HttpResponse TestService::Send(HttpRequest request) {
  request.body.reserve(request.body.size() + kBodyPaddingBytes);
  std::promise<HttpResponse> answer;
  auto future = answer.get_future();
  service_->Handle(std::move(request), [&answer](HttpResponse response) { answer.set_value(std::move(response)); });
  return future.get();
}

}  // namespace akidb
