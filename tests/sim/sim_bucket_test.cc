#include "sim_bucket.h"

#include <gtest/gtest.h>

#include <set>

#include "sim_executor.h"

namespace akidb::sim {
namespace {

constexpr uint32_t kAlways = 1'000'000;

class SimBucketTest : public ::testing::Test {
 protected:
  Result<ObjectMeta> Create(const std::string& key, const std::string& body) {
    return store_->Put(ctx_, key, body, PutCondition::IfAbsent());
  }
  std::string Read(const std::string& key) {
    const auto body = store_->Get(ctx_, key, 1000);
    return body ? body->bytes : std::string(StatusCodeName(body.error().code()));
  }

  World world_{1};
  SimBucket bucket_{world_, 1};
  std::shared_ptr<Life> life_ = std::make_shared<Life>();
  std::shared_ptr<ObjectStore> store_ = bucket_.Connect(life_);
  OpContext ctx_{world_.clock()};
};

TEST_F(SimBucketTest, HonoursConditions) {
  const auto first = Create("a", "1");
  ASSERT_TRUE(first);
  EXPECT_EQ(Create("a", "2").error().reason(), "condition_lost");
  ASSERT_TRUE(store_->Put(ctx_, "a", "3", PutCondition::IfEtagIs(first->etag)));
  EXPECT_EQ(store_->Put(ctx_, "a", "4", PutCondition::IfEtagIs(first->etag)).error().code(), StatusCode::kAborted);
  EXPECT_EQ(store_->Put(ctx_, "b", "4", PutCondition::IfEtagIs(first->etag)).error().code(), StatusCode::kNotFound);
  EXPECT_EQ(Read("a"), "3");
}

TEST_F(SimBucketTest, ALostAnswerIsAppliedAndALostRequestIsNot) {
  bucket_.faults().lost_answer_ppm = kAlways;
  EXPECT_EQ(Create("a", "1").error().effect(), Effect::kUnknown);
  bucket_.faults() = {};
  EXPECT_EQ(Read("a"), "1");
  bucket_.faults().lost_request_ppm = kAlways;
  EXPECT_EQ(Create("b", "1").error().effect(), Effect::kUnknown);
  bucket_.faults() = {};
  EXPECT_EQ(Read("b"), "NOT_FOUND");
}

TEST_F(SimBucketTest, ALateRequestArrivesAfterItsSenderDiedAndObeysItsCondition) {
  bucket_.faults().late_request_ppm = kAlways;
  EXPECT_FALSE(Create("a", "zombie"));
  EXPECT_FALSE(Create("b", "zombie"));
  bucket_.faults() = {};
  life_->alive = false;
  store_ = bucket_.Connect(std::make_shared<Life>());
  EXPECT_EQ(Read("a"), "NOT_FOUND");
  ASSERT_TRUE(Create("b", "mine"));
  world_.clock().Advance(std::chrono::minutes(2));
  EXPECT_EQ(Read("a"), "zombie");
  EXPECT_EQ(Read("b"), "mine");
}

TEST_F(SimBucketTest, AStoreThatIgnoresConditionsOverwrites) {
  bucket_.faults().ignore_condition_ppm = kAlways;
  ASSERT_TRUE(Create("a", "1"));
  ASSERT_TRUE(Create("a", "2"));
  EXPECT_EQ(Read("a"), "2");
}

TEST_F(SimBucketTest, AForgetfulStoreKeepsAnObjectUntilItWasReadBack) {
  bucket_.faults().forget_ppm = kAlways;
  ASSERT_TRUE(Create("a", "1"));
  EXPECT_EQ(Read("a"), "1");
  EXPECT_EQ(Read("a"), "NOT_FOUND");
}

TEST_F(SimBucketTest, OfACreateSentTwiceTheCallerSeesTheRefusal) {
  bucket_.faults().twice_ppm = kAlways;
  EXPECT_EQ(Create("a", "1").error().reason(), "condition_lost");
  EXPECT_EQ(Read("a"), "1");
}

TEST_F(SimBucketTest, ALaggingListingShowsAnObjectLater) {
  bucket_.faults().list_lag_max = std::chrono::seconds(1);
  ASSERT_TRUE(Create("a", "1"));
  bool missed = false;
  for (int i = 0; i < 50; ++i) missed = missed || store_->List(ctx_, "", "", 10)->objects.empty();
  EXPECT_TRUE(missed);
  world_.clock().Advance(std::chrono::seconds(1));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(store_->List(ctx_, "", "", 10)->objects.size(), 1u);
}

TEST_F(SimBucketTest, WithoutAQuorumNothingIsWrittenAndReadsMayDenyWhatIsThere) {
  ASSERT_TRUE(Create("a", "1"));
  bucket_.faults().quorum = Quorum::kReadOnly;
  EXPECT_EQ(Create("b", "1").error().code(), StatusCode::kUnavailable);
  EXPECT_EQ(store_->Delete(ctx_, "a").code(), StatusCode::kUnavailable);
  EXPECT_EQ(Read("a"), "1");
  bucket_.faults().quorum = Quorum::kNone;
  std::set<std::string> answers;
  for (int i = 0; i < 100; ++i) answers.insert(Read("a"));
  EXPECT_EQ(answers, (std::set<std::string>{"NOT_FOUND", "PERMISSION_DENIED", "UNAVAILABLE"}));
  EXPECT_TRUE(store_->List(ctx_, "", "", 10)) << "listings are answered, with whatever is known";
  bucket_.faults() = {};
  EXPECT_EQ(Read("a"), "1");
  EXPECT_EQ(Read("b"), "NOT_FOUND") << "what was refused has left nothing";
}

TEST_F(SimBucketTest, ListsInPagesInOrder) {
  for (const char* key : {"a/1", "a/2", "a/3", "b/1"}) ASSERT_TRUE(Create(key, "x"));
  const auto page = store_->List(ctx_, "a/", "", 2);
  ASSERT_EQ(page->objects.size(), 2u);
  EXPECT_TRUE(page->truncated);
  const auto rest = store_->List(ctx_, "a/", "a/2", 2);
  ASSERT_EQ(rest->objects.size(), 1u);
  EXPECT_EQ(rest->objects[0].key, "a/3");
  EXPECT_FALSE(rest->truncated);
}

TEST_F(SimBucketTest, AWriterShowsNothingBeforeCommit) {
  auto writer = store_->OpenWriter(ctx_, "a");
  ASSERT_TRUE((*writer)->Append(ctx_, "12").ok());
  EXPECT_EQ(Read("a"), "NOT_FOUND");
  ASSERT_TRUE((*writer)->Commit(ctx_, PutCondition::IfAbsent()));
  EXPECT_EQ(Read("a"), "12");
}

class CountingTask final : public Task {
 public:
  explicit CountingTask(NextStep next) : next_(next) {}
  std::string_view name() const override { return "counting"; }
  NextStep Step(OpContext&) override {
    ++steps;
    return next_;
  }
  int steps = 0;

 private:
  NextStep next_;
};

TEST(SimExecutorTest, RunsTasksWhenDueOrWoken) {
  World world(1);
  Dice dice(1, 1);
  SimExecutor executor(world);
  auto timer = std::make_shared<CountingTask>(NextStep::After(std::chrono::seconds(5)));
  auto sleeper = std::make_shared<CountingTask>(NextStep::OnWake());
  auto once = std::make_shared<CountingTask>(NextStep::Done());
  const TaskId timer_id = executor.Add(timer);
  const TaskId sleeper_id = executor.Add(sleeper);
  executor.Add(once);
  while (executor.StepOne(dice)) {
  }
  EXPECT_EQ(timer->steps + sleeper->steps + once->steps, 3);
  EXPECT_EQ(executor.task_count(), 2u);
  EXPECT_EQ(*executor.NextDue(), world.clock().Now() + std::chrono::seconds(5));
  executor.Wake(sleeper_id);
  EXPECT_TRUE(executor.StepOne(dice));
  EXPECT_EQ(sleeper->steps, 2);
  world.clock().Advance(std::chrono::seconds(5));
  EXPECT_TRUE(executor.StepOne(dice));
  EXPECT_EQ(timer->steps, 2);
  executor.Remove(timer_id);
  EXPECT_FALSE(executor.NextDue());
}

TEST(DiceTest, StreamsOfOneSeedDiffer) {
  Dice a(7, 1);
  Dice b(7, 2);
  Dice c(7, 1);
  EXPECT_NE(a.Next(), b.Next());
  c.Next();
  EXPECT_EQ(a.Next(), c.Next());
}

}  // namespace
}  // namespace akidb::sim
