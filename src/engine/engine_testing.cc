#include "engine/engine_testing.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "base/check.h"
#include "objstore/memory/memory_store.h"

namespace akidb {

void ManualExecutor::RunUntilIdle() {
  bool again = true;
  while (again) {
    again = false;
    for (const auto& [id, task] : std::map(tasks_)) {
      OpContext ctx(clock_);
      if (task->Step(ctx).kind == NextStep::Kind::kNow) again = true;
    }
  }
}

void ManualExecutor::Step(std::string_view name) {
  for (const auto& [id, task] : std::map(tasks_)) {
    OpContext ctx(clock_);
    if (task->name() == name) task->Step(ctx);
  }
}

EngineOptions TestDatabase::SmallOptions() {
  EngineOptions options;
  options.wal_file_bytes = 64 << 10;
  options.seal_bytes = 16 << 10;
  options.seal_age = std::chrono::seconds(10);
  options.trim_delay = std::chrono::seconds(60);
  options.gc_grace = std::chrono::seconds(120);
  options.retain_age = std::chrono::minutes(5);
  options.merge_fanout = 4;
  return options;
}

TestDatabase::TestDatabase(EngineOptions options, std::shared_ptr<ObjectStore> store, uint64_t seed)
    : options_(std::move(options)), random_(NewSeededRandom(seed)) {
  std::string pattern = (std::filesystem::temp_directory_path() / "akidb-engine-XXXXXX").string();
  AKI_CHECK(mkdtemp(pattern.data()) != nullptr);
  options_.data_dir = pattern;
  if (!store) store = NewMemoryStore(clock_);
  store_ = std::make_shared<FaultStore>(std::move(store), FaultPlan::Nothing(), *random_,
                                        [this](Duration by) { Delay(by); });
  const Status opened = TryOpen();
  EXPECT_TRUE(opened.ok()) << opened.ToString();
}

TestDatabase::~TestDatabase() {
  db_.reset();
  std::filesystem::remove_all(options_.data_dir);
}

Status TestDatabase::TryOpen() {
  Environment env;
  env.clock = &clock_;
  env.random = random_.get();
  env.fs = &PosixFileSystem();
  env.executor = &executor_;
  env.die = [](const Status& status) {
    ADD_FAILURE() << "died: " << status.ToString();
    std::abort();
  };
  auto opened = Database::Open(ctx_, env, store_, options_);
  if (!opened) return std::move(opened).error();
  db_ = std::move(*opened);
  return OkStatus();
}

std::shared_ptr<Collection> TestDatabase::Create(const std::string& name, uint32_t dim, Distance distance,
                                                 VectorType type) {
  CollectionSpec spec;
  spec.name = name;
  spec.dim = dim;
  spec.distance = distance;
  spec.vector_type = type;
  spec.ack = db_->default_ack();
  auto created = db_->Create(ctx_, spec);
  EXPECT_TRUE(created) << (created ? "" : created.error().ToString());
  return created ? *created : nullptr;
}

std::shared_ptr<Collection> TestDatabase::Get(const std::string& name) {
  auto found = db_->Get(ctx_, name);
  EXPECT_TRUE(found) << (found ? "" : found.error().ToString());
  return found ? *found : nullptr;
}

Result<WriteReceipt> TestDatabase::Write(Collection& collection, const std::vector<TestRow>& rows, WriteMode mode,
                                         BatchPolicy policy) {
  WriteRows write;
  std::vector<float> vectors;
  for (const TestRow& row : rows) {
    write.ids.push_back(row.id);
    write.payloads.push_back(row.payload);
    vectors.insert(vectors.end(), row.vector.begin(), row.vector.end());
    write.dim = static_cast<uint32_t>(row.vector.size());
  }
  write.vectors = vectors.data();
  AKI_ASSIGN_OR_RETURN(WriteReceipt receipt, collection.Write(ctx_, write, mode, policy));
  AKI_RETURN_IF_ERROR(collection.WaitDurable(ctx_, receipt.position.lsn));
  return receipt;
}

void TestDatabase::Upsert(Collection& collection, const std::vector<TestRow>& rows) {
  const auto written = Write(collection, rows);
  ASSERT_TRUE(written) << written.error().ToString();
}

uint64_t TestDatabase::Delete(Collection& collection, const std::vector<std::string>& ids) {
  const std::vector<std::string_view> views(ids.begin(), ids.end());
  const auto deleted = collection.DeleteIds(ctx_, views);
  EXPECT_TRUE(deleted) << (deleted ? "" : deleted.error().ToString());
  if (!deleted) return 0;
  EXPECT_TRUE(collection.WaitDurable(ctx_, deleted->position.lsn).ok());
  return deleted->affected;
}

void TestDatabase::Crash() {
  db_.reset();
  const Status opened = TryOpen();
  ASSERT_TRUE(opened.ok()) << opened.ToString();
}

void TestDatabase::Restart() {
  const Status closed = db_->Close(ctx_);
  ASSERT_TRUE(closed.ok()) << closed.ToString();
  Crash();
}

uint64_t TestDatabase::requests() const {
  uint64_t sum = 0;
  for (size_t op = 0; op < kStoreOpCount; ++op) sum += store_->calls(static_cast<StoreOp>(op));
  return sum;
}

void TestDatabase::DuringNext(StoreOp op, std::function<void()> then, uint64_t nth) {
  interruption_ = {op, store_->calls(op) + nth, std::move(then)};
  FaultPlan plan;
  plan.delay_rate = 1;
  plan.delay_max = Duration(1);
  store_->SetPlan(plan);
}

bool TestDatabase::ForgetInterruption() {
  const bool waiting = interruption_.has_value();
  interruption_.reset();
  store_->SetPlan(FaultPlan::Nothing());
  return waiting;
}

void TestDatabase::Delay(Duration by) {
  clock_.Advance(by);
  if (!interruption_ || store_->calls(interruption_->op) < interruption_->call) return;
  const std::function<void()> then = std::move(interruption_->then);
  interruption_.reset();
  store_->SetPlan(FaultPlan::Nothing());
  then();
}

std::vector<TestRow> TaggedRows(int begin, int end, const std::string& tag) {
  std::vector<TestRow> rows;
  for (int i = begin; i < end; ++i) {
    const auto x = static_cast<float>(i);
    rows.push_back({"id" + std::to_string(i), {x, x * 2, 1, -x}, "{\"tag\":\"" + tag + "\"}"});
  }
  return rows;
}

RowMap TestDatabase::Contents(const Snapshot& snapshot) {
  RowMap out;
  for (const auto& unit : snapshot.units()) {
    for (RowIndex row = 0; row < unit->row_count(); ++row) {
      if (!unit->LiveAt(row, snapshot.position().lsn)) continue;
      const auto payload = unit->Payload(ctx_, row);
      EXPECT_TRUE(payload) << (payload ? "" : payload.error().ToString());
      const bool fresh = out.emplace(unit->Id(row), payload ? std::string(payload->json) : "").second;
      EXPECT_TRUE(fresh) << unit->Id(row) << " is live twice";
    }
  }
  return out;
}

RowMap TestDatabase::Contents(Collection& collection) {
  const auto read = collection.Read(ctx_);
  EXPECT_TRUE(read) << (read ? "" : read.error().ToString());
  return read ? Contents(**read) : RowMap();
}

RowMap TestDatabase::ContentsAt(Collection& collection, const ReadPoint& point) {
  const auto snapshot = collection.ReadAt(ctx_, point);
  EXPECT_TRUE(snapshot) << (snapshot ? "" : snapshot.error().ToString());
  return snapshot ? Contents(**snapshot) : RowMap();
}

}  // namespace akidb
