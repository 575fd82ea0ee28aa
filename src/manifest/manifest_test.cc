// The commit protocol against lost answers, late arrivals and rivals (I6).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "format/object_keys.h"
#include "manifest/catalog.h"
#include "manifest/manifest_committer.h"
#include "objstore/fault_store.h"
#include "objstore/memory/memory_store.h"

namespace akidb {
namespace {

using Edited = ManifestCommitter::Edited;

class ManifestTest : public testing::Test {
 protected:
  ManifestTest() {
    env_.clock = &RealClock();
    env_.random = random_.get();
    spec_.name = "docs";
    spec_.dim = 4;
  }

  Manifest First() const {
    Manifest first;
    first.epoch = Epoch(1);
    first.open_epochs.push_back({Epoch(1), "node", Lsn(0)});
    first.spec = spec_;
    return first;
  }

  static ManifestCommitter::Edit SetBoundary(uint64_t boundary) {
    return [boundary](Manifest* manifest) -> Result<Edited> {
      if (manifest->gc_boundary.value() >= boundary) return Edited::kAlreadyThere;
      manifest->gc_boundary = ManifestVersion(boundary);
      return Edited::kChanged;
    };
  }

  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  Environment env_;
  CollectionSpec spec_;
  OpContext ctx_{RealClock()};
  FaultStore store_{NewMemoryStore(RealClock()), FaultPlan::Nothing(), *random_, [](Duration) {}};
  const CollectionId id_{7};
};

TEST_F(ManifestTest, CommitsFormAChainOfHashes) {
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  const std::string first_hash = committer.head()->sha256;
  ASSERT_TRUE(committer.Commit(ctx_, SetBoundary(1)));
  EXPECT_EQ(committer.head()->manifest.previous_sha256, first_hash);
  ManifestCommitter reader(store_, env_, id_);
  ASSERT_TRUE(reader.Load(ctx_).ok());
  EXPECT_EQ(reader.head()->sha256, committer.head()->sha256);
  EXPECT_EQ(reader.head()->manifest.version, ManifestVersion(2));
}

TEST_F(ManifestTest, AMissingFirstVersionIsUnavailableAndNotEmpty) {
  ManifestCommitter reader(store_, env_, id_);
  EXPECT_EQ(reader.Load(ctx_).code(), StatusCode::kUnavailable);
}

TEST_F(ManifestTest, AUsedIdIsNotTakenAgain) {
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  ManifestCommitter second(store_, env_, id_);
  EXPECT_EQ(second.CreateFirst(ctx_, First()).code(), StatusCode::kAlreadyExists);
}

TEST_F(ManifestTest, ALostAnswerIsFoundToHaveWon) {
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  store_.Script(StoreOp::kPut, 1, Fault::kLoseAnswer);
  ASSERT_TRUE(committer.Commit(ctx_, SetBoundary(1)));
  EXPECT_EQ(committer.head()->manifest.version, ManifestVersion(2));
}

TEST_F(ManifestTest, ALostRequestIsSentAgainUnderTheSameVersion) {
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  store_.Script(StoreOp::kPut, 1, Fault::kLoseRequest);
  ASSERT_TRUE(committer.Commit(ctx_, SetBoundary(1)));
  EXPECT_EQ(committer.head()->manifest.version, ManifestVersion(2));
}

TEST_F(ManifestTest, ATruncatedBodyDecidesNothing) {
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  store_.Script(StoreOp::kPut, 1, Fault::kLoseAnswer);
  store_.Script(StoreOp::kGet, 1, Fault::kTruncate);
  ASSERT_TRUE(committer.Commit(ctx_, SetBoundary(1)));
  EXPECT_EQ(committer.head()->manifest.version, ManifestVersion(2));
}

TEST_F(ManifestTest, AnUnknownOutcomeStaysPendingUntilItIsResolved) {
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  store_.Script(StoreOp::kPut, 1, Fault::kLoseAnswer);
  FaultPlan down;
  down.rates[static_cast<size_t>(StoreOp::kGet)].refuse = 1;
  store_.SetPlan(down);
  const auto unknown = committer.Commit(ctx_, SetBoundary(1));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().effect(), Effect::kUnknown);
  store_.SetPlan(FaultPlan::Nothing());
  // The next commit first learns that the earlier one is in, then adds its own.
  ASSERT_TRUE(committer.Commit(ctx_, SetBoundary(2)));
  EXPECT_EQ(committer.head()->manifest.version, ManifestVersion(3));
  EXPECT_EQ(committer.head()->manifest.gc_boundary, ManifestVersion(2));
}

TEST_F(ManifestTest, ALoserRebasesOnTheWinner) {
  ManifestCommitter a(store_, env_, id_);
  ASSERT_TRUE(a.CreateFirst(ctx_, First()).ok());
  ManifestCommitter b(store_, env_, id_);
  ASSERT_TRUE(b.Load(ctx_).ok());
  ASSERT_TRUE(a.Commit(ctx_, SetBoundary(1)));
  const auto pin = [](Manifest* manifest) -> Result<Edited> {
    manifest->pins.push_back({"snapshot", "s", ManifestVersion(1), "2026-01-01T00:00:00.000Z"});
    return Edited::kChanged;
  };
  ASSERT_TRUE(b.Commit(ctx_, pin));
  EXPECT_EQ(b.head()->manifest.version, ManifestVersion(3));
  EXPECT_EQ(b.head()->manifest.gc_boundary, ManifestVersion(1));
  EXPECT_EQ(b.head()->manifest.pins.size(), 1u);
}

TEST_F(ManifestTest, AForgedHistoryShows) {
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  ManifestCommitter follower(store_, env_, id_);
  ASSERT_TRUE(follower.Load(ctx_).ok());
  Manifest forged = committer.head()->manifest;
  forged.version = ManifestVersion(2);
  forged.previous_sha256 = Sha256Hex("another past");
  forged.attempt_id = "0123456789abcdef";
  ASSERT_TRUE(store_.Put(ctx_, ManifestKey(id_, ManifestVersion(2)), EncodeManifest(forged), PutCondition::IfAbsent()));
  const auto committed = follower.Commit(ctx_, SetBoundary(1));
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code(), StatusCode::kDataLoss);
}

TEST_F(ManifestTest, CatalogSurvivesReopeningAcrossCheckpoints) {
  auto catalog = Catalog::Open(ctx_, store_, env_);
  ASSERT_TRUE(catalog);
  for (int i = 0; i < 300; ++i) {
    CatalogEntry entry{(*catalog)->MintId(), "2026-01-01T00:00:00.000Z", spec_};
    entry.spec.name = "c" + std::to_string(i);
    ASSERT_TRUE((*catalog)->Add(ctx_, entry).ok());
    if (i % 3 == 0) ASSERT_TRUE((*catalog)->Drop(ctx_, entry.id).ok());
  }
  const auto again = Catalog::Open(ctx_, store_, env_);
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->size(), 200u);
  EXPECT_FALSE((*again)->Find("c3"));
  ASSERT_TRUE((*again)->Find("c4"));
  EXPECT_EQ((*again)->Find("c4")->id, (*catalog)->Find("c4")->id);
  EXPECT_GT((*again)->MintId(), (*catalog)->Find("c299")->id);
  EXPECT_EQ((*again)->Dropped().size(), 100u);
}

TEST_F(ManifestTest, CatalogBytesAreLinearInTheCollections) {
  auto catalog = Catalog::Open(ctx_, store_, env_);
  ASSERT_TRUE(catalog);
  const auto bytes_with = [&](int total) {
    while ((*catalog)->size() < static_cast<size_t>(total)) {
      CatalogEntry entry{(*catalog)->MintId(), "2026-01-01T00:00:00.000Z", spec_};
      entry.spec.name = "c" + std::to_string(entry.id.value());
      EXPECT_TRUE((*catalog)->Add(ctx_, entry).ok());
    }
    uint64_t bytes = 0;
    std::string after;
    while (true) {
      const auto page = store_.List(ctx_, "catalog/", after, 1000);
      for (const auto& object : page->objects) bytes += object.size_bytes;
      if (!page->truncated) return bytes;
      after = page->objects.back().key;
    }
  };
  const uint64_t at_500 = bytes_with(500);
  EXPECT_LT(bytes_with(2000), 5 * at_500);
}

TEST_F(ManifestTest, CatalogNamesAreUniqueAfterALostAnswer) {
  auto catalog = Catalog::Open(ctx_, store_, env_);
  ASSERT_TRUE(catalog);
  const CatalogEntry entry{(*catalog)->MintId(), "2026-01-01T00:00:00.000Z", spec_};
  store_.Script(StoreOp::kPut, 1, Fault::kLoseAnswer);
  ASSERT_TRUE((*catalog)->Add(ctx_, entry).ok());
  CatalogEntry twin = entry;
  twin.id = (*catalog)->MintId();
  EXPECT_EQ((*catalog)->Add(ctx_, twin).reason(), "collection_exists");
  EXPECT_EQ((*catalog)->Drop(ctx_, CollectionId(99)).reason(), "collection_not_found");
}

}  // namespace
}  // namespace akidb
