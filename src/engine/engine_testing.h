// A database in a temporary directory whose clock and background tasks the test moves by hand.
//
// Threads: one test, one thread (tests of concurrency start their own).
// Errors:  helpers fail the test.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/manual_clock_testing.h"
#include "engine/database.h"
#include "objstore/fault_store.h"

namespace akidb {

// Runs steps only when asked, in order of task id.
class ManualExecutor final : public Executor {
 public:
  explicit ManualExecutor(Clock& clock) : clock_(clock) {}
  TaskId Add(std::shared_ptr<Task> task) override {
    tasks_[++last_id_] = std::move(task);
    return last_id_;
  }
  void Wake(TaskId) override {}
  void Remove(TaskId id) override { tasks_.erase(id); }
  // One step of every task, again while any says Now.
  void RunUntilIdle();
  // One step of the named task.
  void Step(std::string_view name);

 private:
  Clock& clock_;
  TaskId last_id_ = 0;
  std::map<TaskId, std::shared_ptr<Task>> tasks_;
};

struct TestRow {
  std::string id;
  std::vector<float> vector;
  std::string payload = "{}";
};

// `id<begin>` to before `id<end>`, four dimensions, the payload `{"tag":"<tag>"}`.
std::vector<TestRow> TaggedRows(int begin, int end, const std::string& tag = "a");

inline ReadPoint Named(const std::string& name) { return AtSnapshot{name}; }

using RowMap = std::map<std::string, std::string>;

class TestDatabase {
 public:
  // Options with small limits, so that flush, merge and collection happen with a few rows.
  static EngineOptions SmallOptions();
  // Over a memory store of its own, or one that several nodes share; nodes differ in `seed`.
  explicit TestDatabase(EngineOptions options = SmallOptions(), std::shared_ptr<ObjectStore> store = nullptr,
                        uint64_t seed = 7);
  ~TestDatabase();

  Database& db() { return *db_; }
  OpContext& ctx() { return ctx_; }
  ManualClock& clock() { return clock_; }
  ManualExecutor& executor() { return executor_; }
  FaultStore& store() { return *store_; }
  // Requests to the store so far.
  uint64_t requests() const;
  // Runs `then` in the middle of the next request of kind `op`, or the `nth` next, before the store sees it. Ends the
  // store's fault plan.
  void DuringNext(StoreOp op, std::function<void()> then, uint64_t nth = 1);
  // Whether that request has not come yet; it is not waited for any more.
  bool ForgetInterruption();
  const std::string& data_dir() const { return options_.data_dir; }
  Status TryOpen();

  std::shared_ptr<Collection> Create(const std::string& name, uint32_t dim, Distance distance = Distance::kEuclidean,
                                     VectorType type = VectorType::kF32);
  std::shared_ptr<Collection> Get(const std::string& name);
  // Writes and waits until durable.
  Result<WriteReceipt> Write(Collection& collection, const std::vector<TestRow>& rows,
                             WriteMode mode = WriteMode::kUpsert, BatchPolicy policy = BatchPolicy::kAllOrNothing);
  void Upsert(Collection& collection, const std::vector<TestRow>& rows);
  uint64_t Delete(Collection& collection, const std::vector<std::string>& ids);

  // Drops the process without flushing and opens again.
  void Crash();
  // Closes properly and opens again.
  void Restart();

  // id -> payload of every live row.
  RowMap Contents(Collection& collection);
  RowMap Contents(const Snapshot& snapshot);
  // Of an earlier version; an error fails the test.
  RowMap ContentsAt(Collection& collection, const ReadPoint& point);

 private:
  struct Interruption {
    StoreOp op;
    uint64_t call;
    std::function<void()> then;
  };
  void Delay(Duration by);

  EngineOptions options_;
  ManualClock clock_;
  ManualExecutor executor_{clock_};
  std::unique_ptr<Random> random_;
  std::shared_ptr<FaultStore> store_;
  std::optional<Interruption> interruption_;
  OpContext ctx_{clock_};
  std::unique_ptr<Database> db_;
};

}  // namespace akidb
