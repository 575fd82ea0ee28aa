// Several nodes on one store: takeover, fences, replay, following. Each node is a database of its own with its own
// (empty) data directory; only the store is shared.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/engine_testing.h"
#include "filter/filter_testing.h"
#include "format/manifest_format.h"
#include "format/object_keys.h"
#include "format/wal_object.h"
#include "objstore/fault_store.h"
#include "objstore/memory/memory_store.h"

namespace akidb {
namespace {

using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

EngineOptions Shared(const std::string& node) {
  EngineOptions options = TestDatabase::SmallOptions();
  options.shared_store = true;
  options.node = node;
  return options;
}

// Keeps conditional writes whose key contains a text on their way until they are let go: the caller is told that their
// outcome is unknown.
class HoldingStore final : public ObjectStore {
 public:
  explicit HoldingStore(std::shared_ptr<ObjectStore> base) : base_(std::move(base)) {}
  void Hold(std::string text) { held_text_ = std::move(text); }
  // The held requests arrive now; how many were granted.
  int Release(OpContext& ctx) {
    held_text_.clear();
    int granted = 0;
    for (const auto& [key, body] : held_) granted += base_->Put(ctx, key, body, PutCondition::IfAbsent()) ? 1 : 0;
    held_.clear();
    return granted;
  }

  std::string_view kind() const override { return "holding"; }
  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override {
    if (Held(key)) return std::unexpected(Unavailable("held"));
    return base_->Get(ctx, key, size_max);
  }
  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                  char* out) override {
    return base_->GetRange(ctx, key, range, version_id, out);
  }
  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override { return base_->Head(ctx, key); }
  Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                         const PutCondition& condition) override {
    if (!Held(key)) return base_->Put(ctx, key, body, condition);
    held_.emplace(key, body);
    return std::unexpected(Unavailable("held").WithEffectUnknown());
  }
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override {
    return base_->OpenWriter(ctx, key);
  }
  Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                        uint32_t keys_max) override {
    return base_->List(ctx, prefix, start_after, keys_max);
  }
  Status Delete(OpContext& ctx, const std::string& key) override { return base_->Delete(ctx, key); }

 private:
  bool Held(const std::string& key) const { return !held_text_.empty() && key.find(held_text_) != std::string::npos; }
  std::shared_ptr<ObjectStore> base_;
  std::string held_text_;
  std::map<std::string, std::string> held_;
};

class SharedStoreTest : public testing::Test {
 protected:
  // A node's way to the bucket, with faults of its own.
  std::shared_ptr<FaultStore> Line() {
    struct Borrowed final : ObjectStore {
      explicit Borrowed(std::shared_ptr<ObjectStore> s) : store(std::move(s)) {}
      std::string_view kind() const override { return store->kind(); }
      Result<ObjectBody> Get(OpContext& c, const std::string& k, uint64_t n) override { return store->Get(c, k, n); }
      Status GetRange(OpContext& c, const std::string& k, ByteRange r, const std::string& v, char* o) override {
        return store->GetRange(c, k, r, v, o);
      }
      Result<ObjectMeta> Head(OpContext& c, const std::string& k) override { return store->Head(c, k); }
      Result<ObjectMeta> Put(OpContext& c, const std::string& k, std::string_view b, const PutCondition& p) override {
        return store->Put(c, k, b, p);
      }
      Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& c, const std::string& k) override {
        return store->OpenWriter(c, k);
      }
      Result<ListPage> List(OpContext& c, const std::string& p, const std::string& a, uint32_t n) override {
        return store->List(c, p, a, n);
      }
      Status Delete(OpContext& c, const std::string& k) override { return store->Delete(c, k); }
      std::shared_ptr<ObjectStore> store;
    };
    return std::make_shared<FaultStore>(std::make_unique<Borrowed>(bucket_), FaultPlan::Nothing(), *random_,
                                        [](Duration) {});
  }
  std::unique_ptr<TestDatabase> Node(const std::string& name, std::shared_ptr<ObjectStore> line = nullptr) {
    return std::make_unique<TestDatabase>(Shared(name), line ? std::move(line) : bucket_, ++seed_);
  }
  std::vector<std::string> Keys(const std::string& prefix) {
    OpContext ctx(clock_);
    std::vector<std::string> keys;
    for (const ObjectMeta& object : bucket_->List(ctx, prefix, "", 1000).value().objects) keys.push_back(object.key);
    return keys;
  }
  Manifest Head(CollectionId id) {
    OpContext ctx(clock_);
    const auto keys = Keys(CollectionPrefix(id) + "manifest/");
    return DecodeManifest(bucket_->Get(ctx, keys.back(), 1 << 20).value().bytes).value();
  }

  ManualClock clock_;
  OpContext store_ctx_{clock_};
  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  uint64_t seed_ = 100;
  std::shared_ptr<ObjectStore> bucket_ = NewMemoryStore(clock_);
};

TEST_F(SharedStoreTest, AcknowledgedWritesOutliveTheirNode) {
  auto a = Node("a");
  a->Upsert(*a->Create("docs", 2), {{"1", {1, 0}}, {"2", {0, 1}}});
  a->Delete(*a->Get("docs"), {"2"});
  a.reset();  // nothing was flushed, and its disk is gone

  auto b = Node("b");
  const auto docs = b->Get("docs");
  EXPECT_THAT(b->Contents(*docs), UnorderedElementsAre(Pair("1", "{}"))) << "a reader sees the log's tail";
  b->Upsert(*docs, {{"3", {1, 1}}});
  EXPECT_THAT(b->Contents(*docs), UnorderedElementsAre(Pair("1", "{}"), Pair("3", "{}")));
}

TEST_F(SharedStoreTest, OldWriterIsFencedAndReadsAfreshAfterwards) {
  auto a = Node("a");
  const auto of_a = a->Create("docs", 2);
  a->Upsert(*of_a, {{"1", {1, 0}}});
  auto b = Node("b");
  b->Upsert(*b->Get("docs"), {{"2", {1, 0}}});

  const auto refused = a->Write(*of_a, {{"3", {1, 0}}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason(), "not_the_writer");
  EXPECT_EQ(refused.error().retry(), Retry::kBackoff);
  EXPECT_EQ(refused.error().effect(), Effect::kNone);

  const auto again = a->Get("docs");
  EXPECT_NE(again, of_a);
  a->Upsert(*again, {{"3", {1, 0}}});
  EXPECT_THAT(a->Contents(*again), UnorderedElementsAre(Pair("1", "{}"), Pair("2", "{}"), Pair("3", "{}")));
}

TEST_F(SharedStoreTest, ADeleteThatFoundNothingIsNotAcknowledgedByWhoWritesNoMore) {
  auto a = Node("a");
  const auto of_a = a->Create("docs", 2);
  a->Upsert(*of_a, {{"1", {1, 0}}});
  auto b = Node("b");
  b->Upsert(*b->Get("docs"), {{"2", {1, 0}}});
  const auto acknowledged = [&](const Result<WriteReceipt>& receipt) {
    return receipt ? of_a->WaitDurable(a->ctx(), receipt->position.lsn) : receipt.error();
  };
  // What `a` still has in memory says that there is no row 2.
  EXPECT_EQ(acknowledged(of_a->DeleteIds(a->ctx(), {"2"})).reason(), "not_the_writer");
  const auto filter = ParseFilterText(R"({"has_id": ["2"]})").value();
  EXPECT_EQ(acknowledged(of_a->DeleteMatching(a->ctx(), *filter)).reason(), "not_the_writer");
  EXPECT_EQ(a->Delete(*a->Get("docs"), {"2"}), 1u);
  EXPECT_THAT(a->Contents(*a->Get("docs")), UnorderedElementsAre(Pair("1", "{}")));
}

TEST_F(SharedStoreTest, ADeleteThatFoundNothingIsNotAcknowledgedIntoADroppedCollection) {
  auto a = Node("a");
  const auto of_a = a->Create("docs", 2);
  a->Upsert(*of_a, {{"1", {1, 0}}});
  auto b = Node("b");
  ASSERT_TRUE(b->db().Drop(b->ctx(), "docs").ok());
  b->Upsert(*b->Create("docs", 2), {{"2", {1, 0}}});
  const auto deleted = of_a->DeleteIds(a->ctx(), {"2"});
  EXPECT_FALSE(deleted && of_a->WaitDurable(a->ctx(), deleted->position.lsn).ok());
}

TEST_F(SharedStoreTest, WritesThatChangeNothingAreFlushedAndReplayedLikeOthers) {
  auto a = Node("a");
  const auto of_a = a->Create("docs", 2);
  a->Upsert(*of_a, {{"1", {1, 0}}});
  ASSERT_TRUE(of_a->Flush(a->ctx()).ok());
  EXPECT_EQ(a->Delete(*of_a, {"absent"}), 0u);
  ASSERT_TRUE(of_a->Flush(a->ctx()).ok());
  EXPECT_EQ(Head(of_a->id()).segments.size(), 1u);
  EXPECT_EQ(a->db().unflushed_bytes(), 0u);
  EXPECT_EQ(a->Delete(*of_a, {"absent"}), 0u);
  auto b = Node("b");
  b->Upsert(*b->Get("docs"), {{"2", {1, 0}}});
  EXPECT_THAT(b->Contents(*b->Get("docs")), UnorderedElementsAre(Pair("1", "{}"), Pair("2", "{}")));
}

TEST_F(SharedStoreTest, LogObjectThatArrivesAfterTheFenceIsNotThere) {
  auto held = std::make_shared<HoldingStore>(bucket_);
  auto a = Node("a", held);
  const auto of_a = a->Create("docs", 2);
  a->Upsert(*of_a, {{"1", {1, 0}}});
  held->Hold("/wal/");
  a->ctx().set_timeout(std::chrono::seconds(1));
  const auto unknown = a->Write(*of_a, {{"late", {1, 0}}});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().effect(), Effect::kUnknown);

  auto b = Node("b");
  b->Upsert(*b->Get("docs"), {{"2", {1, 0}}});
  EXPECT_EQ(held->Release(store_ctx_), 0) << "the fence holds the only name at which it could be acknowledged";
  EXPECT_THAT(b->Contents(*b->Get("docs")), UnorderedElementsAre(Pair("1", "{}"), Pair("2", "{}")));
  EXPECT_EQ(a->Write(*of_a, {{"later", {1, 0}}}).error().reason(), "not_the_writer");
}

TEST_F(SharedStoreTest, LogObjectThatArrivesBeforeTheFenceCounts) {
  auto held = std::make_shared<HoldingStore>(bucket_);
  auto a = Node("a", held);
  const auto of_a = a->Create("docs", 2);
  held->Hold("/wal/");
  a->ctx().set_timeout(std::chrono::seconds(1));
  ASSERT_FALSE(a->Write(*of_a, {{"late", {1, 0}}}));
  EXPECT_EQ(held->Release(store_ctx_), 1);

  auto b = Node("b");
  b->Upsert(*b->Get("docs"), {{"2", {1, 0}}});
  EXPECT_THAT(b->Contents(*b->Get("docs")), UnorderedElementsAre(Pair("late", "{}"), Pair("2", "{}")));
}

TEST_F(SharedStoreTest, LostAnswerOfALogObjectIsSettledAndAppliedOnce) {
  auto line = Line();
  auto a = Node("a", line);
  const auto docs = a->Create("docs", 2);
  line->Script(StoreOp::kPut, 1, Fault::kLoseAnswer);
  a->Upsert(*docs, {{"1", {1, 0}}});
  line->Script(StoreOp::kPut, 1, Fault::kLoseRequest);
  a->Upsert(*docs, {{"2", {1, 0}}});
  EXPECT_EQ(Keys(WalPrefix(docs->id())).size(), 3u) << "the opening object and two groups";
  a.reset();
  auto b = Node("b");
  b->Upsert(*b->Get("docs"), {{"3", {1, 0}}});
  EXPECT_THAT(b->Contents(*b->Get("docs")), UnorderedElementsAre(Pair("1", "{}"), Pair("2", "{}"), Pair("3", "{}")));
}

TEST_F(SharedStoreTest, FlushOfAnOldWriterPublishesNothing) {
  auto a = Node("a");
  const auto of_a = a->Create("docs", 2);
  a->Upsert(*of_a, {{"1", {1, 0}}});
  auto b = Node("b");
  b->Upsert(*b->Get("docs"), {{"1", {0, 1}, R"({"by":"b"})"}});
  const Status flushed = of_a->Flush(a->ctx());
  EXPECT_EQ(flushed.reason(), "not_the_writer");
  EXPECT_TRUE(Head(of_a->id()).segments.empty());
  ASSERT_TRUE(b->Get("docs")->Flush(b->ctx()).ok());
  EXPECT_THAT(b->Contents(*b->Get("docs")), ElementsAre(Pair("1", R"({"by":"b"})")));
}

TEST_F(SharedStoreTest, TakerThatDiedBeforeItsFencesIsFencedToo) {
  auto a = Node("a");
  const auto of_a = a->Create("docs", 2);
  a->Upsert(*of_a, {{"1", {1, 0}}});
  auto line = Line();
  auto b = Node("b", line);
  const auto of_b = b->Get("docs");
  for (uint64_t nth = 1; nth <= 64; ++nth) line->Script(StoreOp::kList, nth, Fault::kRefuse);
  EXPECT_FALSE(b->Write(*of_b, {{"2", {1, 0}}})) << "it committed its epoch, then could not list the old stream";
  EXPECT_EQ(Head(of_a->id()).epoch, Epoch(2));

  auto c = Node("c");
  c->Upsert(*c->Get("docs"), {{"3", {1, 0}}});
  EXPECT_EQ(Head(of_a->id()).epoch, Epoch(3));
  line->SetPlan(FaultPlan::Nothing());
  b = nullptr;
  EXPECT_THAT(c->Contents(*c->Get("docs")), UnorderedElementsAre(Pair("1", "{}"), Pair("3", "{}")));
  const auto fences = Keys(WalPrefix(of_a->id(), Epoch(2)));
  EXPECT_THAT(fences, ElementsAre(WalObjectKey(of_a->id(), Epoch(2), WalSequence(1))));
}

TEST_F(SharedStoreTest, TrimmedStreamKeepsItsFences) {
  auto a = Node("a");
  const CollectionId id = a->Create("docs", 2)->id();
  a->Upsert(*a->Get("docs"), {{"1", {1, 0}}});
  a.reset();
  auto b = Node("b");
  const auto docs = b->Get("docs");
  b->Upsert(*docs, {{"2", {1, 0}}});
  ASSERT_TRUE(docs->Flush(b->ctx()).ok());
  EXPECT_EQ(Keys(WalPrefix(id)).size(), 5u) << "opening, group, fence; opening, group";
  b->executor().Step("trim");
  EXPECT_EQ(Keys(WalPrefix(id)).size(), 5u) << "not before it was read back";
  b->clock().Advance(std::chrono::seconds(61));
  b->executor().Step("trim");
  EXPECT_THAT(Keys(WalPrefix(id)), ElementsAre(WalObjectKey(id, Epoch(1), WalSequence(3))));
  EXPECT_EQ(Head(id).open_epochs.size(), 1u);

  auto c = Node("c");
  c->Upsert(*c->Get("docs"), {{"3", {1, 0}}});
  EXPECT_EQ(c->Contents(*c->Get("docs")).size(), 3u);
}

TEST_F(SharedStoreTest, GapInAStreamIsUnavailableAndNoPlaceForAFence) {
  auto a = Node("a");
  const CollectionId id = a->Create("docs", 2)->id();
  for (const char* row : {"1", "2", "3"}) a->Upsert(*a->Get("docs"), {{row, {1, 0}}});
  a.reset();
  OpContext ctx(clock_);
  ASSERT_TRUE(bucket_->Delete(ctx, WalObjectKey(id, Epoch(1), WalSequence(3))).ok());
  auto b = Node("b");
  const auto refused = b->Write(*b->Get("docs"), {{"4", {1, 0}}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), StatusCode::kUnavailable);
  EXPECT_EQ(Keys(WalPrefix(id, Epoch(1))).size(), 3u) << "nothing was put where something is missing";
}

TEST_F(SharedStoreTest, ReadersFollowManifests) {
  auto a = Node("a");
  const auto of_a = a->Create("docs", 2);
  a->Upsert(*of_a, {{"1", {1, 0}}});
  ASSERT_TRUE(of_a->Flush(a->ctx()).ok());
  auto b = Node("b");
  const auto of_b = b->Get("docs");
  EXPECT_EQ(b->Contents(*of_b).size(), 1u);
  a->Upsert(*of_a, {{"2", {1, 0}}});
  a->Delete(*of_a, {"1"});
  ASSERT_TRUE(of_a->Flush(a->ctx()).ok());
  b->clock().Advance(std::chrono::seconds(6));
  b->executor().Step("follow");
  EXPECT_THAT(b->Contents(*of_b), ElementsAre(Pair("2", "{}")));
}

TEST_F(SharedStoreTest, ReadWithAPositionWaitsUntilItIsSeen) {
  auto a = Node("a");
  const auto of_a = a->Create("docs", 2);
  auto b = Node("b");
  const auto of_b = b->Get("docs");
  const auto written = a->Write(*of_a, {{"1", {1, 0}}});
  ASSERT_TRUE(written);
  std::vector<Status> seen;
  OpContext ctx(b->clock());
  ctx.set_timeout(std::chrono::seconds(10));
  of_b->NotifyVisible(ctx, written->position, [&](const Status& status) { seen.push_back(status); });
  EXPECT_TRUE(seen.empty());
  b->executor().Step("follow");
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_TRUE(seen[0].ok()) << seen[0].ToString();
  EXPECT_EQ(b->Contents(*of_b).size(), 1u);

  Position never = written->position;
  never.lsn = Lsn(never.lsn.value() + 100);
  of_b->NotifyVisible(ctx, never, [&](const Status& status) { seen.push_back(status); });
  b->clock().Advance(std::chrono::seconds(11));
  b->executor().Step("follow");
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1].reason(), "commit_not_visible");
}

TEST_F(SharedStoreTest, OneCommitAnswersAllWhoWaitForIt) {
  auto a = Node("a");
  const auto c = a->Create("docs", 2);
  const auto first = a->Write(*c, {{"1", {1, 0}}});
  const auto second = a->Write(*c, {{"2", {1, 0}}});
  ASSERT_TRUE(first && second);
  std::vector<Status> seen;
  const auto note = [&](const Status& status) { seen.push_back(status); };
  c->NotifyCommitted(a->ctx(), second->position.lsn, note);
  c->NotifyCommitted(a->ctx(), first->position.lsn, note);
  EXPECT_TRUE(seen.empty());
  const ManifestVersion before = Head(c->id()).version;
  for (int i = 0; i < 3 && seen.empty(); ++i) a->executor().Step("flush");  // seal, upload, commit; nothing is old yet
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_TRUE(seen[0].ok() && seen[1].ok());
  EXPECT_EQ(Head(c->id()).version, before.Next());
  c->NotifyCommitted(a->ctx(), first->position.lsn, note);  // nothing to wait for
  EXPECT_EQ(seen.size(), 3u);
}

TEST_F(SharedStoreTest, WhoWaitsForACommitIsAnsweredInTime) {
  auto line = Line();
  auto a = Node("a", line);
  const auto c = a->Create("docs", 2);
  const auto written = a->Write(*c, {{"1", {1, 0}}});
  ASSERT_TRUE(written && c->WaitDurable(a->ctx(), written->position.lsn).ok());
  std::vector<Status> seen;
  const auto note = [&](const Status& status) { seen.push_back(status); };
  OpContext ctx(a->clock());
  ctx.set_timeout(std::chrono::seconds(10));
  line->SetPlan(FaultPlan::Everywhere({.refuse = 1}));
  c->NotifyCommitted(ctx, written->position.lsn, note);
  a->executor().Step("flush");
  EXPECT_TRUE(seen.empty());
  a->clock().Advance(std::chrono::seconds(11));
  a->executor().Step("flush");
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].effect(), Effect::kUnknown);
  EXPECT_EQ(seen[0].code(), StatusCode::kUnavailable);

  line->SetPlan(FaultPlan::Nothing());
  c->NotifyCommitted(a->ctx(), written->position.lsn, note);
  auto b = Node("b");
  const auto of_b = b->Get("docs");
  b->Upsert(*of_b, {{"2", {1, 0}}});  // takes over
  for (int i = 0; i < 4 && seen.size() < 2; ++i) a->executor().Step("flush");
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1].effect(), Effect::kUnknown);
  EXPECT_EQ(seen[1].reason(), "not_the_writer");
}

TEST_F(SharedStoreTest, ReadersFollowTheLogAndTakeItOver) {
  auto a = Node("a");
  const auto of_a = a->Create("docs", 2);
  a->Upsert(*of_a, {{"1", {1, 0}}, {"2", {1, 0}}});
  ASSERT_TRUE(of_a->Flush(a->ctx()).ok());
  auto b = Node("b");
  const auto of_b = b->Get("docs");
  a->Delete(*of_a, {"1"});
  a->Upsert(*of_a, {{"3", {1, 0}}});
  b->Contents(*of_b);
  b->clock().Advance(std::chrono::seconds(6));
  b->executor().Step("follow");
  EXPECT_THAT(b->Contents(*of_b), UnorderedElementsAre(Pair("2", "{}"), Pair("3", "{}")));
  // The manifest that publishes them shows the same, and so does becoming the writer.
  ASSERT_TRUE(of_a->Flush(a->ctx()).ok());
  a->Upsert(*of_a, {{"4", {1, 0}}});
  b->clock().Advance(std::chrono::seconds(6));
  b->executor().Step("follow");
  EXPECT_THAT(b->Contents(*of_b), UnorderedElementsAre(Pair("2", "{}"), Pair("3", "{}"), Pair("4", "{}")));
  EXPECT_EQ(of_b->stats().live_rows, 3u);
  b->Upsert(*of_b, {{"4", {0, 1}, R"({"by":"b"})"}});
  EXPECT_THAT(b->Contents(*of_b), UnorderedElementsAre(Pair("2", "{}"), Pair("3", "{}"), Pair("4", R"({"by":"b"})")));
  EXPECT_EQ(of_b->stats().live_rows, 3u);
}

TEST_F(SharedStoreTest, UnusedCollectionsAreNotFollowed) {
  auto a = Node("a");
  a->Create("docs", 2);
  auto line = Line();
  auto b = Node("b", line);
  const auto docs = b->Get("docs");
  b->Contents(*docs);
  b->clock().Advance(std::chrono::minutes(2));
  const uint64_t before = line->calls(StoreOp::kGet) + line->calls(StoreOp::kHead) + line->calls(StoreOp::kList);
  for (int i = 0; i < 100; ++i) {
    b->executor().Step("follow");
    b->clock().Advance(std::chrono::seconds(1));
  }
  EXPECT_EQ(line->calls(StoreOp::kGet) + line->calls(StoreOp::kHead) + line->calls(StoreOp::kList), before + 50)
      << "the catalog's, one in two seconds, however many collections there are";
}

TEST_F(SharedStoreTest, AnAliasMovedOnAnotherNodeIsFollowed) {
  auto a = Node("a");
  a->Create("blue", 2);
  a->Create("green", 2);
  auto b = Node("b");
  ASSERT_TRUE(a->db().SetAlias(a->ctx(), "live", "blue").ok());
  ASSERT_TRUE(b->db().Get(b->ctx(), "live")) << "asked for when it is used";
  ASSERT_TRUE(a->db().SwitchAlias(a->ctx(), "live", "blue", "green").ok());
  b->clock().Advance(std::chrono::seconds(2));
  b->executor().Step("follow");
  EXPECT_EQ((*b->db().Get(b->ctx(), "live"))->spec().name, "green");
  EXPECT_EQ(b->db().Drop(b->ctx(), "green").reason(), "collection_has_aliases");
  EXPECT_TRUE((*a->db().Get(a->ctx(), "green"))->Flush(a->ctx()).ok()) << "a refused drop ends nothing";
}

TEST_F(SharedStoreTest, EmptyNodeOpensWithoutTouchingSegments) {
  auto a = Node("a");
  const auto of_a = a->Create("docs", 2);
  for (int i = 0; i < 3; ++i) {
    a->Upsert(*of_a, {{std::to_string(i), {1, 0}}});
    ASSERT_TRUE(of_a->Flush(a->ctx()).ok());
  }
  auto line = Line();
  auto b = Node("b", line);
  const auto of_b = b->Get("docs");
  EXPECT_EQ(of_b->stats().live_rows, 3u);
  EXPECT_EQ(line->calls(StoreOp::kGetRange), 0u);
  EXPECT_LE(line->calls(StoreOp::kGet), 6u)
      << "two versions of the catalog, manifest, that the log has no tail, and that this still holds";
  EXPECT_EQ(b->Contents(*of_b).size(), 3u);
}

TEST_F(SharedStoreTest, DropStopsTheWriterOnAnotherNode) {
  auto a = Node("a");
  const auto of_a = a->Create("docs", 2);
  a->Upsert(*of_a, {{"1", {1, 0}}});
  auto b = Node("b");
  ASSERT_TRUE(b->db().Drop(b->ctx(), "docs").ok());
  EXPECT_FALSE(a->Write(*of_a, {{"2", {1, 0}}}));
  EXPECT_TRUE(Head(of_a->id()).dropped);
}

TEST_F(SharedStoreTest, AWriterForgetsWhatWasDroppedElsewhere) {
  auto a = Node("a");
  const auto of_a = a->Create("docs", 2);
  a->Upsert(*of_a, {{"1", {1, 0}}});
  int committed = 0;
  of_a->NotifyCommitted(a->ctx(), Lsn(1), [&](const Status& status) {
    EXPECT_EQ(status.reason(), "collection_dropped");
    ++committed;
  });
  EXPECT_GT(a->db().unflushed_bytes(), 0u);
  auto b = Node("b");
  ASSERT_TRUE(b->db().Drop(b->ctx(), "docs").ok());
  a->clock().Advance(std::chrono::seconds(3));
  a->executor().Step("follow");
  EXPECT_EQ(committed, 1);
  EXPECT_TRUE(a->db().Loaded().empty());
  EXPECT_EQ(a->db().unflushed_bytes(), 0u);
  EXPECT_EQ(of_a->writer_epoch(), Epoch(0)) << "no reason for heartbeats";
  int visible = 0;
  of_a->NotifyVisible(a->ctx(), {Epoch(9), ManifestVersion(9), Lsn(9)}, [&](const Status& status) {
    EXPECT_FALSE(status.ok());
    ++visible;
  });
  EXPECT_EQ(visible, 1) << "nobody follows it any more";
  EXPECT_EQ(a->db().Get(a->ctx(), "docs").error().code(), StatusCode::kNotFound);
}

TEST_F(SharedStoreTest, ANameThatIsAnotherCollectionsByNowLeadsToThatOne) {
  auto a = Node("a");
  const auto of_a = a->Create("docs", 2);
  a->Upsert(*of_a, {{"old", {1, 0}}});
  auto b = Node("b");
  ASSERT_TRUE(b->db().Drop(b->ctx(), "docs").ok());
  b->Upsert(*b->Create("docs", 2), {{"new", {1, 0}}});
  const auto refused = a->Write(*of_a, {{"lost", {1, 0}}});
  ASSERT_FALSE(refused) << "acknowledged into nothing";
  const auto again = a->Get("docs");
  ASSERT_NE(again->id(), of_a->id()) << "a had not heard of the drop";
  EXPECT_THAT(a->Contents(*again), UnorderedElementsAre(Pair("new", "{}")));
}

TEST_F(SharedStoreTest, WhatAnotherNodeAlteredTakesEffectAtTheWriter) {
  auto a = Node("a");
  const auto of_a = a->Create("docs", 2);
  auto b = Node("b");
  ASSERT_TRUE(b->db()
                  .Alter(
                      b->ctx(), "docs",
                      [](CollectionSpec spec) {
                        spec.ack = AckLevel::kCommitted;
                        return Result<CollectionSpec>(spec);
                      },
                      Database::AckGiven::kYes)
                  .ok());
  EXPECT_EQ(of_a->spec().ack, AckLevel::kObject);
  a->clock().Advance(std::chrono::seconds(3));
  a->executor().Step("follow");
  EXPECT_EQ(of_a->spec().ack, AckLevel::kCommitted);
}

TEST_F(SharedStoreTest, ManyTakeoversWithoutWritesDoNotGrowTheManifest) {
  auto first = Node("first");
  const CollectionId id = first->Create("docs", 2)->id();
  first.reset();
  for (int i = 0; i < 20; ++i) {
    auto node = Node("n" + std::to_string(i));
    EXPECT_EQ(node->Write(*node->Get("docs"), {{"absent", {1, 0}}}, WriteMode::kUpdate).error().reason(),
              "id_not_found");
  }
  EXPECT_LE(Head(id).open_epochs.size(), 10u);
}

}  // namespace
}  // namespace akidb
