// The catalog of several nodes: names made elsewhere, aliases, what was purged.
#include "manifest/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "base/manual_clock_testing.h"
#include "format/object_keys.h"
#include "objstore/fault_store.h"
#include "objstore/memory/memory_store.h"

namespace akidb {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class CatalogTest : public testing::Test {
 protected:
  CatalogTest() {
    env_.clock = &clock_;
    env_.random = random_.get();
  }

  std::unique_ptr<Catalog> Open() {
    auto catalog = Catalog::Open(ctx_, store_, env_);
    EXPECT_TRUE(catalog) << catalog.error().ToString();
    return std::move(*catalog);
  }

  Status Add(Catalog& catalog, const std::string& name) {
    CatalogEntry entry{catalog.MintId(), "2026-01-01T00:00:00.000Z", {}};
    while (!claimed_.insert(entry.id).second) entry.id = catalog.MintId();  // as the first manifest does
    entry.spec.name = name;
    entry.spec.dim = 4;
    return catalog.Add(ctx_, entry);
  }

  uint64_t Gets() { return store_.calls(StoreOp::kGet); }

  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  std::set<CollectionId> claimed_;
  ManualClock clock_;
  Environment env_;
  OpContext ctx_{clock_};
  FaultStore store_{NewMemoryStore(clock_), FaultPlan::Nothing(), *random_, [](Duration) {}};
};

TEST_F(CatalogTest, ANodeSeesWhatAnotherOneCreated) {
  const auto a = Open();
  const auto b = Open();
  ASSERT_TRUE(Add(*a, "docs").ok());
  EXPECT_FALSE(b->Find("docs"));
  EXPECT_TRUE(b->Refresh(ctx_).value());
  EXPECT_TRUE(b->Find("docs"));
  const uint64_t gets = Gets();
  EXPECT_FALSE(b->Refresh(ctx_).value());
  EXPECT_EQ(Gets() - gets, 1u) << "one request when there is nothing new";
}

TEST_F(CatalogTest, AnUnknownNameAsksTheStoreBeforeItIsUnknown) {
  const auto a = Open();
  const auto b = Open();
  ASSERT_TRUE(Add(*a, "docs").ok());
  EXPECT_EQ(b->ResolveFresh(ctx_, "docs").value()->spec.name, "docs");
  const uint64_t gets = Gets();
  EXPECT_TRUE(b->ResolveFresh(ctx_, "docs").value());
  EXPECT_EQ(Gets(), gets) << "a known name costs nothing";
}

TEST_F(CatalogTest, MissesAreBounded) {
  const auto catalog = Open();
  uint64_t gets = Gets();
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(catalog->ResolveFresh(ctx_, "nothing").value());
  EXPECT_EQ(Gets() - gets, 2u * Catalog::kMissesAtOnce);
  gets = Gets();
  for (int i = 0; i < 100; ++i) {
    clock_.Advance(std::chrono::milliseconds(10));
    EXPECT_FALSE(catalog->ResolveFresh(ctx_, "nothing").value());
  }
  EXPECT_EQ(Gets() - gets, 20u) << "one in 100 ms over a second: is there a newer version, and is the newest known one";
}

TEST_F(CatalogTest, AnUnreachableStoreIsNotAbsence) {
  const auto catalog = Open();
  FaultPlan down;
  down.rates[static_cast<size_t>(StoreOp::kGet)].refuse = 1;
  store_.SetPlan(down);
  for (int i = 0; i < 2 * Catalog::kMissesAtOnce; ++i) {
    const auto found = catalog->ResolveFresh(ctx_, "docs");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code(), StatusCode::kUnavailable);
    EXPECT_THAT(std::string(found.error().message()), HasSubstr("collection docs is not known"));
  }
  store_.SetPlan(FaultPlan::Nothing());
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_FALSE(catalog->ResolveFresh(ctx_, "docs").value());
}

// Denies what it has (I11), and refuses what is written, as a store does that has lost its quorum.
class DenyingStore final : public ObjectStore {
 public:
  enum class Denies : uint8_t { kNothing, kLooks, kEverything };

  explicit DenyingStore(ObjectStore& base) : base_(base) {}
  Denies denies = Denies::kNothing;

  std::string_view kind() const override { return "denying"; }
  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override {
    if (denies == Denies::kEverything) return std::unexpected(NotFound("404 for " + key));
    return base_.Get(ctx, key, size_max);
  }
  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                  char* out) override {
    return base_.GetRange(ctx, key, range, version_id, out);
  }
  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override {
    if (denies != Denies::kNothing) return std::unexpected(NotFound("404 for " + key));
    return base_.Head(ctx, key);
  }
  Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                         const PutCondition& condition) override {
    if (denies == Denies::kEverything) return std::unexpected(Unavailable("503 for " + key));
    return base_.Put(ctx, key, body, condition);
  }
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override {
    return base_.OpenWriter(ctx, key);
  }
  Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                        uint32_t keys_max) override {
    if (denies != Denies::kNothing) return ListPage();
    return base_.List(ctx, prefix, start_after, keys_max);
  }
  Status Delete(OpContext& ctx, const std::string& key) override { return base_.Delete(ctx, key); }

 private:
  ObjectStore& base_;
};

TEST_F(CatalogTest, AStoreThatDeniesEverythingIsNotAnEmptyOne) {
  const auto writer = Open();
  ASSERT_TRUE(Add(*writer, "docs").ok());
  DenyingStore store(store_);
  store.denies = DenyingStore::Denies::kEverything;
  EXPECT_EQ(Catalog::Open(ctx_, store, env_).error().code(), StatusCode::kUnavailable);
  store.denies = DenyingStore::Denies::kNothing;
  const auto catalog = Catalog::Open(ctx_, store, env_);
  ASSERT_TRUE(catalog);
  store.denies = DenyingStore::Denies::kEverything;
  for (int i = 0; i < 2 * Catalog::kMissesAtOnce; ++i) {
    EXPECT_EQ((*catalog)->ResolveFresh(ctx_, "notes").error().code(), StatusCode::kUnavailable);
    EXPECT_FALSE((*catalog)->Refresh(ctx_).value()) << "a hint, which is no reason to call the name unknown";
  }
  EXPECT_TRUE((*catalog)->ResolveFresh(ctx_, "docs").value()) << "what is known is known";
  EXPECT_EQ((*catalog)->CheckFree(ctx_, "docs").code(), StatusCode::kUnavailable);
  EXPECT_EQ((*catalog)->DropAlias(ctx_, "live").code(), StatusCode::kUnavailable);
  store.denies = DenyingStore::Denies::kNothing;
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_FALSE((*catalog)->ResolveFresh(ctx_, "notes").value());
}

TEST_F(CatalogTest, WhoeverOpensFirstWritesTheFirstVersion) {
  ASSERT_EQ(Open()->size(), 0u);
  EXPECT_TRUE(store_.Head(ctx_, CatalogKey(ManifestVersion(1))));
  const uint64_t puts = store_.calls(StoreOp::kPut);
  ASSERT_EQ(Open()->size(), 0u);
  EXPECT_EQ(store_.calls(StoreOp::kPut), puts);
}

// It is empty to whoever lists it first, and full to whoever writes.
TEST_F(CatalogTest, ACatalogThatWasOverlookedIsReadFromItsFirstVersion) {
  const auto writer = Open();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Add(*writer, "c" + std::to_string(i)).ok());
  DenyingStore store(store_);
  store.denies = DenyingStore::Denies::kLooks;
  const auto catalog = Catalog::Open(ctx_, store, env_);
  ASSERT_TRUE(catalog) << catalog.error().ToString();
  EXPECT_EQ((*catalog)->size(), 100u);
}

TEST_F(CatalogTest, ChangesOfTwoNodesRebaseOnEachOther) {
  const auto a = Open();
  const auto b = Open();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(Add(*a, "a" + std::to_string(i)).ok());
    ASSERT_TRUE(Add(*b, "b" + std::to_string(i)).ok());
  }
  EXPECT_EQ(Add(*a, "b0").reason(), "collection_exists");
  ASSERT_TRUE(a->Refresh(ctx_));
  EXPECT_EQ(a->size(), 200u);
  EXPECT_EQ(Open()->size(), 200u) << "across a checkpoint";
}

TEST_F(CatalogTest, ARefusalIsGivenOnlyAfterTheNews) {
  const auto a = Open();
  const auto b = Open();
  ASSERT_TRUE(Add(*a, "docs").ok());
  ASSERT_TRUE(b->SetAlias(ctx_, "live", "docs").ok()) << "b had not heard of docs";
  EXPECT_EQ(a->SetAlias(ctx_, "live", "nothing").reason(), "collection_not_found");
  ASSERT_TRUE(a->DropAlias(ctx_, "live").ok());
  ASSERT_TRUE(a->Drop(ctx_, a->Find("docs")->id).ok());
  ASSERT_TRUE(Add(*b, "docs").ok()) << "b had not heard that the name is free";
}

TEST_F(CatalogTest, AlterationsOfTwoNodesKeepEachOther) {
  const auto a = Open();
  ASSERT_TRUE(Add(*a, "docs").ok());
  const auto b = Open();
  const CollectionId id = a->Find("docs")->id;
  ASSERT_TRUE(a->Update(ctx_, id, [](CollectionSpec spec) {
    spec.ack = AckLevel::kCommitted;
    return Result<CollectionSpec>(spec);
  }));
  const auto altered = b->Update(ctx_, id, [](CollectionSpec spec) {
    spec.index.m = 7;
    return Result<CollectionSpec>(spec);
  });
  ASSERT_TRUE(altered);
  EXPECT_EQ(altered->spec.index.m, 7u);
  EXPECT_EQ(altered->spec.ack, AckLevel::kCommitted) << "b had not heard of it";
  const uint64_t puts = store_.calls(StoreOp::kPut);
  EXPECT_TRUE(b->Update(ctx_, id, [](const CollectionSpec& spec) { return Result<CollectionSpec>(spec); }));
  EXPECT_EQ(store_.calls(StoreOp::kPut), puts) << "nothing changes";
  const auto refused = [](const CollectionSpec&) {
    return Result<CollectionSpec>(std::unexpected(InvalidArgument("no")));
  };
  EXPECT_EQ(a->Update(ctx_, id, refused).error().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(a->Update(ctx_, CollectionId(99), refused).error().reason(), "collection_not_found");
}

TEST_F(CatalogTest, AnIdIsNeverGivenAnotherName) {
  const auto catalog = Open();
  ASSERT_TRUE(Add(*catalog, "docs").ok());
  CatalogEntry twin = *catalog->Find("docs");
  twin.spec.name = "notes";
  EXPECT_EQ(catalog->Add(ctx_, twin).code(), StatusCode::kAlreadyExists);
  ASSERT_TRUE(catalog->Drop(ctx_, twin.id).ok());
  EXPECT_EQ(catalog->Add(ctx_, twin).code(), StatusCode::kAlreadyExists);
}

// A node that meets a drop under way completes it, and the one that began it must not hear that there is no such thing.
TEST_F(CatalogTest, ADropThatAnotherNodeCompletedIsDone) {
  const auto a = Open();
  const auto b = Open();
  ASSERT_TRUE(Add(*a, "docs").ok());
  ASSERT_TRUE(b->Refresh(ctx_).value());
  const CollectionId id = a->Find("docs")->id;
  ASSERT_TRUE(b->Drop(ctx_, id).ok());
  EXPECT_TRUE(a->Drop(ctx_, id).ok());
  EXPECT_FALSE(a->Find("docs"));
  EXPECT_EQ(a->Drop(ctx_, CollectionId(id.value() + 1000)).reason(), "collection_not_found");
}

TEST_F(CatalogTest, ALostAnswerDuringARefreshIsSettled) {
  const auto catalog = Open();
  store_.Script(StoreOp::kPut, 1, Fault::kLoseAnswer);
  FaultPlan down;
  down.rates[static_cast<size_t>(StoreOp::kGet)].refuse = 1;
  store_.SetPlan(down);
  EXPECT_EQ(Add(*catalog, "docs").effect(), Effect::kUnknown);
  store_.SetPlan(FaultPlan::Nothing());
  EXPECT_TRUE(catalog->Refresh(ctx_).value());
  EXPECT_TRUE(catalog->Find("docs"));
  ASSERT_TRUE(Add(*catalog, "notes").ok());
  EXPECT_EQ(Open()->size(), 2u);
}

TEST_F(CatalogTest, AForgedSuccessorShows) {
  const auto catalog = Open();
  ASSERT_TRUE(Add(*catalog, "docs").ok());
  CatalogVersion forged;
  forged.version = ManifestVersion(3);
  forged.previous_sha256 = std::string(64, '0');
  ASSERT_TRUE(store_.Put(ctx_, CatalogKey(forged.version), EncodeCatalogVersion(forged), PutCondition::IfAbsent()));
  EXPECT_EQ(catalog->Refresh(ctx_).error().code(), StatusCode::kDataLoss);
}

TEST_F(CatalogTest, AnAliasStandsForACollection) {
  const auto catalog = Open();
  ASSERT_TRUE(Add(*catalog, "docs-1").ok());
  ASSERT_TRUE(Add(*catalog, "docs-2").ok());
  ASSERT_TRUE(catalog->SetAlias(ctx_, "docs", "docs-1").ok());
  EXPECT_EQ(catalog->Resolve("docs")->spec.name, "docs-1");
  EXPECT_FALSE(catalog->Find("docs"));
  ASSERT_TRUE(catalog->SetAlias(ctx_, "docs", "docs-2").ok());
  EXPECT_EQ(catalog->Resolve("docs")->spec.name, "docs-2");
  const uint64_t puts = store_.calls(StoreOp::kPut);
  ASSERT_TRUE(catalog->SetAlias(ctx_, "docs", "docs-2").ok());
  EXPECT_EQ(store_.calls(StoreOp::kPut), puts) << "nothing changes";
  EXPECT_EQ(catalog->List().size(), 2u);
  ASSERT_EQ(catalog->Aliases().size(), 1u);
  EXPECT_EQ(catalog->Aliases()[0].collection, "docs-2");
  ASSERT_TRUE(catalog->DropAlias(ctx_, "docs").ok());
  EXPECT_FALSE(catalog->Resolve("docs"));
  EXPECT_EQ(catalog->DropAlias(ctx_, "docs").reason(), "alias_not_found");
}

TEST_F(CatalogTest, ANameIsACollectionsOrAnAlias) {
  const auto catalog = Open();
  ASSERT_TRUE(Add(*catalog, "a").ok());
  ASSERT_TRUE(Add(*catalog, "b").ok());
  ASSERT_TRUE(catalog->SetAlias(ctx_, "live", "a").ok());
  EXPECT_EQ(Add(*catalog, "live").reason(), "alias_exists");
  EXPECT_EQ(catalog->SetAlias(ctx_, "b", "a").reason(), "collection_exists");
  EXPECT_EQ(catalog->SetAlias(ctx_, "c", "live").reason(), "collection_not_found") << "no alias of an alias";
  EXPECT_EQ(catalog->SetAlias(ctx_, "../x", "a").code(), StatusCode::kInvalidArgument);
}

TEST_F(CatalogTest, ACollectionWithAliasesIsNotDropped) {
  const auto catalog = Open();
  ASSERT_TRUE(Add(*catalog, "docs").ok());
  ASSERT_TRUE(catalog->SetAlias(ctx_, "live", "docs").ok());
  ASSERT_TRUE(catalog->SetAlias(ctx_, "test", "docs").ok());
  const CollectionId id = catalog->Find("docs")->id;
  EXPECT_THAT(catalog->AliasesOf(id), ElementsAre("live", "test"));
  const Status refused = catalog->Drop(ctx_, id);
  EXPECT_EQ(refused.reason(), "collection_has_aliases");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("live, test"));
  ASSERT_TRUE(catalog->DropAlias(ctx_, "live").ok());
  ASSERT_TRUE(catalog->DropAlias(ctx_, "test").ok());
  EXPECT_TRUE(catalog->Drop(ctx_, id).ok());
}

TEST_F(CatalogTest, ASwitchOfARivalIsNotOverwritten) {
  const auto a = Open();
  const auto b = Open();
  for (const char* name : {"blue", "green", "red"}) ASSERT_TRUE(Add(*a, name).ok());
  ASSERT_TRUE(a->SetAlias(ctx_, "live", "blue").ok());
  ASSERT_TRUE(b->SwitchAlias(ctx_, "live", "blue", "green").ok());
  const Status late = a->SwitchAlias(ctx_, "live", "blue", "red");
  EXPECT_EQ(late.reason(), "alias_moved");
  EXPECT_THAT(std::string(late.message()), HasSubstr("points to green"));
  EXPECT_EQ(a->Resolve("live")->spec.name, "green");
  EXPECT_EQ(a->SwitchAlias(ctx_, "live", "green", "nothing").reason(), "collection_not_found");
  EXPECT_EQ(a->SwitchAlias(ctx_, "dead", "green", "red").reason(), "alias_not_found");
}

TEST_F(CatalogTest, AliasesSurviveCheckpoints) {
  const auto catalog = Open();
  ASSERT_TRUE(Add(*catalog, "docs").ok());
  ASSERT_TRUE(catalog->SetAlias(ctx_, "live", "docs").ok());
  ASSERT_TRUE(catalog->SetAlias(ctx_, "gone", "docs").ok());
  ASSERT_TRUE(catalog->DropAlias(ctx_, "gone").ok());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Add(*catalog, "c" + std::to_string(i)).ok());
  const auto again = Open();
  EXPECT_EQ(again->Resolve("live")->spec.name, "docs");
  EXPECT_FALSE(again->Resolve("gone"));
}

TEST_F(CatalogTest, PurgedCollectionsAreForgotten) {
  const auto a = Open();
  const auto b = Open();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(Add(*a, "c" + std::to_string(i)).ok());
    ASSERT_TRUE(a->Drop(ctx_, a->Find("c" + std::to_string(i))->id).ok());
  }
  EXPECT_EQ(a->Dropped().size(), 5u);
  const CollectionId newest = a->Dropped().back();
  ASSERT_TRUE(a->MarkPurged(ctx_, {CollectionId(1), CollectionId(2), CollectionId(2), CollectionId(99)}).ok());
  EXPECT_EQ(a->Dropped().size(), 3u);
  const uint64_t puts = store_.calls(StoreOp::kPut);
  ASSERT_TRUE(b->MarkPurged(ctx_, {CollectionId(1)}).ok());
  EXPECT_EQ(store_.calls(StoreOp::kPut), puts) << "nothing to forget";
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Add(*a, "d" + std::to_string(i)).ok());
  const auto again = Open();
  EXPECT_EQ(again->Dropped().size(), 3u) << "a checkpoint does not bring them back";
  EXPECT_GT(again->MintId(), newest) << "nor are their ids used again";
}

// The store's answer waits for the reader: had it to wait for the store, this would not end. Only who would say no
// waits for the news that are under way.
TEST_F(CatalogTest, LookingDoesNotWaitForTheStore) {
  std::atomic<bool> in_store{false};
  std::atomic<bool> looked{false};
  std::atomic<bool> armed{false};
  FaultPlan slow;
  slow.delay_rate = 1;
  slow.delay_max = std::chrono::milliseconds(1);
  FaultStore store(NewMemoryStore(clock_), slow, *random_, [&](Duration) {
    if (!armed) return;
    in_store = true;
    while (!looked) std::this_thread::yield();
  });
  const auto opened = Catalog::Open(ctx_, store, env_);
  Catalog& catalog = **opened;
  ASSERT_TRUE(Add(catalog, "docs").ok());
  armed = true;
  std::thread writer([&] { EXPECT_TRUE(Add(catalog, "notes").ok()); });
  while (!in_store) std::this_thread::yield();
  EXPECT_TRUE(catalog.Find("docs"));
  EXPECT_TRUE(catalog.ResolveFresh(ctx_, "docs").value());
  EXPECT_EQ(catalog.List().size(), 1u);
  std::atomic<bool> asked{false};
  std::thread reader([&] {
    OpContext ctx(clock_);
    asked = true;
    EXPECT_TRUE(catalog.ResolveFresh(ctx, "notes").value());
  });
  while (!asked) std::this_thread::yield();
  looked = true;
  writer.join();
  reader.join();
  EXPECT_TRUE(catalog.Find("notes"));
}

}  // namespace
}  // namespace akidb
