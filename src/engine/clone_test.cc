// Clones and the collections they come from, and a random history of everything that keeps or gives up old versions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/engine_testing.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::IsEmpty;
using testing::SizeIs;

void Pass(TestDatabase& test, int half_minutes) {
  for (int i = 0; i < half_minutes; ++i) {
    test.clock().Advance(seconds(30));
    test.executor().RunUntilIdle();
  }
}

std::vector<std::string> Keys(TestDatabase& test, const std::string& prefix) {
  std::vector<std::string> keys;
  const auto page = test.store().List(test.ctx(), prefix, "", 1000);
  EXPECT_TRUE(page);
  for (const ObjectMeta& object : page->objects) keys.push_back(object.key);
  return keys;
}

std::shared_ptr<Collection> MakeClone(TestDatabase& test, const std::string& source, const std::string& name,
                                      const std::optional<ReadPoint>& at = std::nullopt) {
  auto clone = test.db().Clone(test.ctx(), source, name, at);
  EXPECT_TRUE(clone) << (clone ? "" : clone.error().ToString());
  return clone ? *clone : nullptr;
}

void Snap(TestDatabase& test, Collection& collection, const std::string& name) {
  const auto taken = collection.CreateSnapshot(test.ctx(), name);
  ASSERT_TRUE(taken) << taken.error().ToString();
}

std::string ManifestText(TestDatabase& test, Collection& collection) {
  const auto body =
      test.store().Get(test.ctx(), ManifestKey(collection.id(), collection.stats().manifest_version), 1 << 20);
  return body ? body->bytes : "";
}

constexpr const char* kClonePin = R"("kind":"clone")";
constexpr const char* kOfSource = "t/default/c/1/";

TEST(CloneTest, HasItsSourcesRowsAndALifeOfItsOwn) {
  TestDatabase test;
  auto source = test.Create("docs", 4);
  test.Upsert(*source, TaggedRows(0, 20));
  test.Delete(*source, {"id3"});
  Snap(test, *source, "good");
  const RowMap then = test.Contents(*source);
  test.Upsert(*source, TaggedRows(5, 10, "later"));
  auto clone = MakeClone(test, "docs", "copy", Named("good"));
  auto second = MakeClone(test, "docs", "now");
  const RowMap now = test.Contents(*source);
  EXPECT_EQ(test.Contents(*clone), then);
  EXPECT_EQ(test.Contents(*second), now);
  EXPECT_EQ(clone->stats().live_rows, then.size());
  test.Delete(*clone, {"id0"});
  test.Upsert(*clone, TaggedRows(1, 2, "clone"));
  test.Upsert(*source, TaggedRows(2, 3, "source"));
  RowMap expected = then;
  expected.erase("id0");
  expected["id1"] = R"({"tag":"clone"})";
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(test.Contents(*test.Get("copy")), expected) << round;
    EXPECT_EQ(test.Contents(*test.Get("now")), now) << round;
    source.reset();
    clone.reset();
    second.reset();
    round == 1 ? test.Restart() : test.Crash();
  }
  // A clone of a clone.
  auto third = MakeClone(test, "copy", "third");
  EXPECT_EQ(test.Contents(*third), expected);
  EXPECT_EQ(test.Get("docs")->stats().live_rows, now.size());
  EXPECT_EQ(test.db().Clone(test.ctx(), "docs", "copy", std::nullopt).error().reason(), "collection_exists");
  EXPECT_EQ(test.db().Clone(test.ctx(), "none", "x", std::nullopt).error().reason(), "collection_not_found");
  EXPECT_EQ(test.db().Clone(test.ctx(), "docs", "x", Named("none")).error().reason(), "snapshot_not_found");
  EXPECT_EQ(test.db().Clone(test.ctx(), "docs", "../x", std::nullopt).error().code(), StatusCode::kInvalidArgument);
}

TEST(CloneTest, CostsThreeWritesAndCopiesNothing) {
  TestDatabase test;
  auto source = test.Create("docs", 4);
  for (int round = 0; round < 3; ++round) {
    test.Upsert(*source, TaggedRows(round * 300, round * 300 + 300));
    ASSERT_TRUE(source->Flush(test.ctx()).ok());
    const uint64_t puts = test.store().calls(StoreOp::kPut);
    const uint64_t writers = test.store().calls(StoreOp::kOpenWriter);
    auto clone = MakeClone(test, "docs", "c" + std::to_string(round));
    EXPECT_EQ(test.store().calls(StoreOp::kPut) - puts, 3u) << "pin, manifest, name";
    EXPECT_EQ(test.store().calls(StoreOp::kOpenWriter), writers);
    EXPECT_THAT(Keys(test, "t/default/c/" + std::to_string(clone->id().value()) + "/segments/"), IsEmpty());
  }
}

TEST(CloneTest, KeepsWhatItNeedsWhenTheSourceIsMergedAwayOrDropped) {
  TestDatabase test;
  auto source = test.Create("docs", 4);
  test.Upsert(*source, TaggedRows(0, 20));
  auto clone = MakeClone(test, "docs", "copy");
  const RowMap then = test.Contents(*clone);
  test.Upsert(*source, TaggedRows(0, 30, "b"));
  ASSERT_TRUE(source->Merge(test.ctx(), Collection::MergeScope::kFull).ok());
  Pass(test, 60);
  EXPECT_EQ(test.Contents(*clone), then);
  EXPECT_THAT(Keys(test, std::string(kOfSource) + "segments/"), SizeIs(2));
  source.reset();
  ASSERT_TRUE(test.db().Drop(test.ctx(), "docs").ok());
  Pass(test, 60);
  EXPECT_THAT(Keys(test, std::string(kOfSource) + "segments/"), SizeIs(1));
  clone.reset();
  test.Crash();
  Pass(test, 60);
  clone = test.Get("copy");
  EXPECT_EQ(test.Contents(*clone), then);
  // A merge makes it independent; then nothing of the source is left but the object that keeps its id taken.
  ASSERT_TRUE(clone->Merge(test.ctx(), Collection::MergeScope::kFull).ok());
  Pass(test, 60);
  EXPECT_THAT(Keys(test, kOfSource), SizeIs(1));
  EXPECT_EQ(test.Contents(*clone), then);
  clone.reset();  // no collection outlives its database
  test.Crash();
  EXPECT_EQ(test.Contents(*test.Get("copy")), then);
}

TEST(CloneTest, DroppingItLetsTheSourceGo) {
  TestDatabase test;
  auto source = test.Create("docs", 4);
  test.Upsert(*source, TaggedRows(0, 20));
  auto clone = MakeClone(test, "docs", "copy");
  auto nested = MakeClone(test, "copy", "nested");
  EXPECT_THAT(ManifestText(test, *source), testing::HasSubstr(kClonePin));
  clone.reset();
  ASSERT_TRUE(test.db().Drop(test.ctx(), "copy").ok());
  Pass(test, 60);
  EXPECT_THAT(ManifestText(test, *source), testing::HasSubstr(kClonePin)) << "a clone of the clone needs it";
  EXPECT_EQ(test.Contents(*nested).size(), 20u);
  nested.reset();
  ASSERT_TRUE(test.db().Drop(test.ctx(), "nested").ok());
  Pass(test, 60);
  EXPECT_THAT(ManifestText(test, *source), testing::Not(testing::HasSubstr(kClonePin)));
  EXPECT_THAT(Keys(test, "t/default/c/2/"), SizeIs(1));
  EXPECT_THAT(Keys(test, "t/default/c/3/"), SizeIs(1));
}

TEST(CloneTest, ACrashInTheMiddleLeavesGarbageThatIsFound) {
  // Pin, first manifest, name: dies before the second or before the third.
  for (const uint64_t dies_at : {2, 3}) {
    TestDatabase test;
    auto source = test.Create("docs", 4);
    test.Upsert(*source, TaggedRows(0, 20));
    ASSERT_TRUE(source->Flush(test.ctx()).ok());
    for (uint64_t nth = dies_at; nth < 40; ++nth) test.store().Script(StoreOp::kPut, nth, Fault::kRefuse);
    EXPECT_FALSE(test.db().Clone(test.ctx(), "docs", "copy", std::nullopt));
    for (int i = 0; i < 40; ++i) {
      if (test.store().Put(test.ctx(), "spent", "", PutCondition::None())) break;
    }
    source.reset();
    test.Crash();
    source = test.Get("docs");
    test.Upsert(*source, TaggedRows(20, 21));
    ASSERT_TRUE(source->Flush(test.ctx()).ok());
    EXPECT_THAT(ManifestText(test, *source), testing::HasSubstr(kClonePin));
    EXPECT_THAT(test.db().List(), SizeIs(1));
    Pass(test, 80);
    EXPECT_THAT(ManifestText(test, *source), testing::Not(testing::HasSubstr(kClonePin))) << dies_at;
    EXPECT_THAT(Keys(test, "t/default/c/2/"), SizeIs(1)) << dies_at;
    auto clone = MakeClone(test, "docs", "copy");
    EXPECT_EQ(test.Contents(*clone), test.Contents(*source));
  }
}

// Random histories against a model that remembers what each snapshot had.
class History {
 public:
  explicit History(uint64_t seed) : random_(NewSeededRandom(seed)), test_(Options()) {}

  void Run(int steps) {
    Create();
    for (step_ = 0; step_ < steps && !testing::Test::HasFailure(); ++step_) {
      Step();
      Check();
    }
    if (testing::Test::HasFailure()) return;
    test_.Crash();
    for (const auto& [name, table] : tables_) CheckTable(name, table);
    // When all is dropped nothing remains but what keeps ids taken.
    for (const auto& [name, table] : tables_) ASSERT_TRUE(test_.db().Drop(test_.ctx(), name).ok());
    Pass(test_, 120);
    for (const std::string& key : Keys(test_, "t/"))
      EXPECT_THAT(key, testing::HasSubstr("manifest/00000000000000000001"));
  }

 private:
  struct Table {
    RowMap rows;
    std::map<std::string, RowMap> snapshots;
    std::map<uint64_t, RowMap> versions;  // of this process's newest published states
  };

  EngineOptions Options() {
    EngineOptions options = TestDatabase::SmallOptions();
    options.retain_versions = static_cast<uint32_t>(1 + Below(6));
    options.retain_age = seconds(60 * Below(8));
    options.merge_fanout = 2 + static_cast<uint32_t>(Below(3));
    options.trim_delay = seconds(10);
    return options;
  }
  uint64_t Below(uint64_t bound) { return random_->Below(bound); }
  std::string Fresh(const char* prefix) { return prefix + std::to_string(++names_); }
  auto Pick() { return std::next(tables_.begin(), static_cast<ptrdiff_t>(Below(tables_.size()))); }

  void Create() {
    const std::string name = Fresh("t");
    test_.Create(name, 4);
    tables_[name] = {};
  }

  void Step() {
    auto& [name, table] = *Pick();
    auto c = test_.Get(name);
    const int at = static_cast<int>(Below(30));
    const std::string tag = std::to_string(step_);
    switch (Below(16)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        const int end = at + 1 + static_cast<int>(Below(8));
        test_.Upsert(*c, TaggedRows(at, end, tag));
        for (const TestRow& row : TaggedRows(at, end, tag)) table.rows[row.id] = row.payload;
        break;
      }
      case 4:
      case 5:
        test_.Delete(*c, {"id" + std::to_string(at), "id" + std::to_string(at + 1)});
        table.rows.erase("id" + std::to_string(at));
        table.rows.erase("id" + std::to_string(at + 1));
        break;
      case 6:
        ASSERT_TRUE(c->Flush(test_.ctx()).ok());
        table.versions[c->stats().manifest_version.value()] = table.rows;
        break;
      case 7: ASSERT_TRUE(c->Merge(test_.ctx(), Collection::MergeScope::kFull).ok()); break;
      case 8:
      case 9: {
        const std::string snapshot = Fresh("s");
        Snap(test_, *c, snapshot);
        table.snapshots[snapshot] = table.rows;
        break;
      }
      case 10:
        if (table.snapshots.size() > 2) {
          const auto victim = std::next(table.snapshots.begin(), static_cast<ptrdiff_t>(Below(table.snapshots.size())));
          ASSERT_TRUE(c->DeleteSnapshot(test_.ctx(), victim->first).ok());
          table.snapshots.erase(victim);
        }
        break;
      case 11:
        if (!table.snapshots.empty()) {
          const auto to = std::next(table.snapshots.begin(), static_cast<ptrdiff_t>(Below(table.snapshots.size())));
          const auto reverted = c->Revert(test_.ctx(), Named(to->first));
          ASSERT_TRUE(reverted) << reverted.error().ToString();
          table.rows = to->second;
        }
        break;
      case 12:
        if (tables_.size() < 5) {
          const std::string clone = Fresh("t");
          Table copy;
          if (!table.snapshots.empty() && Below(2) == 0) {
            MakeClone(test_, name, clone, Named(table.snapshots.begin()->first));
            copy.rows = table.snapshots.begin()->second;
          } else {
            MakeClone(test_, name, clone);
            copy.rows = table.rows;
          }
          tables_[clone] = copy;
        } else {
          ASSERT_TRUE(test_.db().Drop(test_.ctx(), name).ok());
          tables_.erase(std::string(name));
        }
        break;
      case 13:
      case 14: Pass(test_, 1 + static_cast<int>(Below(20))); break;
      default:
        c.reset();
        Below(3) == 0 ? test_.Restart() : test_.Crash();
        break;
    }
  }

  void CheckTable(const std::string& name, const Table& table) {
    const auto c = test_.Get(name);
    ASSERT_EQ(test_.Contents(*c), table.rows) << name << " at step " << step_;
    ASSERT_EQ(c->stats().live_rows, table.rows.size()) << name << " at step " << step_;
    for (const auto& [snapshot, rows] : table.snapshots) {
      ASSERT_EQ(test_.ContentsAt(*c, Named(snapshot)), rows) << name << " " << snapshot << " at step " << step_;
    }
    for (const auto& [version, rows] : table.versions) {
      if (version < c->stats().oldest_version.value()) continue;
      ASSERT_EQ(test_.ContentsAt(*c, AtVersion{ManifestVersion(version)}), rows)
          << name << " version " << version << " at step " << step_;
    }
  }

  void Check() {
    const auto& [name, table] = *Pick();
    CheckTable(name, table);
  }

  std::unique_ptr<Random> random_;
  TestDatabase test_;
  std::map<std::string, Table> tables_;
  uint64_t names_ = 0;
  int step_ = 0;
};

TEST(HistoryTest, RandomHistoriesKeepEverySnapshot) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History(seed).Run(80);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace akidb
