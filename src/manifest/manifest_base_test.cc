// Manifests of many segments: small numbered objects over bases, whatever is edited, lost or retired meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "format/object_keys.h"
#include "manifest/manifest_committer.h"
#include "objstore/fault_store.h"
#include "objstore/memory/memory_store.h"

namespace akidb {
namespace {

using Edited = ManifestCommitter::Edited;

class ManifestBaseTest : public testing::Test {
 protected:
  ManifestBaseTest() {
    env_.clock = &RealClock();
    env_.random = random_.get();
  }

  Manifest First() const {
    Manifest first;
    first.epoch = Epoch(1);
    first.open_epochs.push_back({Epoch(1), "node", Lsn(0)});
    first.spec.name = "docs";
    first.spec.dim = 4;
    return first;
  }

  ObjectRef NewObject(ManifestVersion start) {
    const std::string id = MintObjectId(start, random_->Hex(16));
    return {.id = id, .sha256 = Sha256Hex(id), .version_id = "", .size_bytes = 1 << 20};
  }

  SegmentEntry NewSegment(ManifestVersion start) {
    SegmentEntry segment;
    segment.object = NewObject(start);
    segment.row_count = 1000;
    segment.id_min = "document-00000000";
    segment.id_max = "document-99999999";
    return segment;
  }

  ManifestCommitter::Edit Add(size_t count) {
    return [this, count](Manifest* m) -> Result<Edited> {
      for (size_t i = 0; i < count; ++i) m->segments.push_back(NewSegment(m->version));
      return Edited::kChanged;
    };
  }

  uint64_t StoredBytes(ManifestVersion version) {
    return store_.Head(ctx_, ManifestKey(id_, version)).value().size_bytes;
  }

  std::vector<ObjectMeta> Bases() { return store_.List(ctx_, CollectionPrefix(id_) + "bases/", "", 1000)->objects; }

  Manifest Loaded() {
    ManifestCommitter reader(store_, env_, id_);
    const Status loaded = reader.Load(ctx_);
    EXPECT_TRUE(loaded.ok()) << loaded.ToString();
    return reader.head() ? reader.head()->manifest : Manifest();
  }

  void Retire(ManifestVersion version) {
    const std::string bytes = store_.Get(ctx_, ManifestKey(id_, version), kManifestBytesMax)->bytes;
    const Manifest manifest = DecodeManifest(bytes).value();
    const ManifestTombstone tombstone{version, manifest.attempt_id, manifest.epoch, Sha256Hex(bytes)};
    ASSERT_TRUE(store_.Put(ctx_, ManifestKey(id_, version), EncodeManifestTombstone(tombstone), PutCondition::None()));
  }

  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  Environment env_;
  OpContext ctx_{RealClock()};
  FaultStore store_{NewMemoryStore(RealClock()), FaultPlan::Nothing(), *random_, [](Duration) {}};
  const CollectionId id_{7};
};

TEST_F(ManifestBaseTest, FewSegmentsNeedNoBase) {
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(committer.Commit(ctx_, Add(1)));
  EXPECT_FALSE(committer.head()->manifest.base);
  EXPECT_TRUE(Bases().empty());
}

TEST_F(ManifestBaseTest, OverASmallListNumberedManifestsFitIntoTheStoresMetadata) {
  constexpr uint64_t kMinioInlineBytes = 16u << 10;
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  uint64_t largest = 0;
  for (int i = 0; i < 150; ++i) {
    ASSERT_TRUE(committer.Commit(ctx_, Add(1)));
    largest = std::max(largest, StoredBytes(committer.head()->manifest.version));
  }
  EXPECT_LT(largest, kMinioInlineBytes);
  EXPECT_GT(largest, kMinioInlineBytes * 3 / 4) << "or bases are written more often than need be";
  EXPECT_LE(Bases().size(), 5u);
  EXPECT_EQ(Loaded(), committer.head()->manifest);
}

TEST_F(ManifestBaseTest, NumberedManifestsStaySmallWithTenThousandSegments) {
  constexpr size_t kSegments = 10'000;
  constexpr int kCommits = 40;
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  ASSERT_TRUE(committer.Commit(ctx_, Add(kSegments)));
  ASSERT_EQ(Bases().size(), 1u);
  const uint64_t whole_bytes = Bases()[0].size_bytes;
  const uint64_t puts_before = store_.calls(StoreOp::kPut);
  uint64_t numbered_bytes = 0;
  uint64_t numbered_max = 0;
  for (int i = 0; i < kCommits; ++i) {
    // A flush as the engine makes it: one new segment, and deletes in an old one.
    ASSERT_TRUE(committer.Commit(ctx_, [&](Manifest* m) -> Result<Edited> {
      SegmentEntry& old = m->segments[random_->Below(m->segments.size())];
      old.deletes = NewObject(m->version);
      old.deleted_count = 1;
      m->segments.push_back(NewSegment(m->version));
      return Edited::kChanged;
    }));
    const uint64_t bytes = StoredBytes(committer.head()->manifest.version);
    numbered_bytes += bytes;
    numbered_max = std::max(numbered_max, bytes);
  }
  EXPECT_LT(numbered_max, kManifestInlineBytesMax);
  uint64_t base_bytes = 0;
  for (const ObjectMeta& base : Bases()) base_bytes += base.size_bytes;
  base_bytes -= whole_bytes;
  const uint64_t per_commit = (numbered_bytes + base_bytes) / kCommits;
  printf(
      "%zu segments, whole list %llu bytes; a commit of 2 changes: %llu bytes (numbered %llu, at most %llu; base "
      "%llu)\n",
      kSegments, static_cast<unsigned long long>(whole_bytes), static_cast<unsigned long long>(per_commit),
      static_cast<unsigned long long>(numbered_bytes / kCommits), static_cast<unsigned long long>(numbered_max),
      static_cast<unsigned long long>(base_bytes / kCommits));
  EXPECT_LT(per_commit, whole_bytes / 20);
  EXPECT_EQ(store_.calls(StoreOp::kPut) - puts_before, kCommits + Bases().size() - 1);
  const uint64_t gets_before = store_.calls(StoreOp::kGet);
  EXPECT_EQ(Loaded(), committer.head()->manifest);
  EXPECT_EQ(store_.calls(StoreOp::kGet) - gets_before, 2u) << "head and base";
}

TEST_F(ManifestBaseTest, PinsMakeTheSegmentsGiveWay) {
  Manifest first = First();
  for (int i = 0; i < 450; ++i) {
    first.pins.push_back({"snapshot", "s" + std::to_string(i), ManifestVersion(1), "2026-01-01T00:00:00.000Z"});
  }
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, first).ok());
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(committer.Commit(ctx_, Add(1)));
    ASSERT_LT(StoredBytes(committer.head()->manifest.version), kManifestInlineBytesMax);
  }
  EXPECT_EQ(Loaded(), committer.head()->manifest);
}

TEST_F(ManifestBaseTest, ABaseIsGivenUpWhenFewSegmentsAreLeft) {
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  ASSERT_TRUE(committer.Commit(ctx_, Add(1000)));
  ASSERT_TRUE(committer.head()->manifest.base);
  ASSERT_TRUE(committer.Commit(ctx_, [](Manifest* m) -> Result<Edited> {
    m->segments.resize(3);
    return Edited::kChanged;
  }));
  EXPECT_FALSE(committer.head()->manifest.base);
  EXPECT_EQ(Loaded(), committer.head()->manifest);
}

TEST_F(ManifestBaseTest, GoingBackToAnEarlierVersionTakesItsBase) {
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  ASSERT_TRUE(committer.Commit(ctx_, Add(1000)));
  const auto earlier = committer.head();
  ASSERT_TRUE(committer.Commit(ctx_, [&](Manifest* m) -> Result<Edited> {
    m->segments.clear();
    return Add(1000)(m);
  }));
  ASSERT_NE(committer.head()->manifest.base, earlier->manifest.base);
  const uint64_t puts = store_.calls(StoreOp::kPut);
  const auto read = committer.reader()->Read(ctx_, earlier->manifest.version);
  ASSERT_TRUE(read);
  ASSERT_EQ((*read)->manifest, earlier->manifest);
  ASSERT_TRUE(committer.Commit(ctx_, [&](Manifest* m) -> Result<Edited> {
    m->segments = (*read)->manifest.segments;
    m->base = (*read)->manifest.base;
    return Edited::kChanged;
  }));
  EXPECT_EQ(store_.calls(StoreOp::kPut), puts + 1);
  EXPECT_EQ(Loaded(), committer.head()->manifest);
  EXPECT_EQ(Loaded().segments, earlier->manifest.segments);
}

TEST_F(ManifestBaseTest, ACloneNamesTheBaseOfItsSource) {
  ManifestCommitter source(store_, env_, id_);
  ASSERT_TRUE(source.CreateFirst(ctx_, First()).ok());
  ASSERT_TRUE(source.Commit(ctx_, Add(1000)));
  Manifest copy = source.head()->manifest;
  copy.LendTo(CollectionId(8));
  copy.previous_sha256.clear();
  ManifestCommitter clone(store_, env_, CollectionId(8));
  ASSERT_TRUE(clone.CreateFirst(ctx_, copy).ok());
  EXPECT_EQ(clone.head()->manifest.base->owner, id_);
  EXPECT_LT(store_.Head(ctx_, ManifestKey(CollectionId(8), ManifestVersion(1)))->size_bytes, 2000u);
  // The first change stays a delta; a base of its own comes when that has grown.
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(clone.Commit(ctx_, Add(1)));
    if (i % 10 != 0) continue;
    ManifestCommitter reader(store_, env_, CollectionId(8));
    ASSERT_TRUE(reader.Load(ctx_).ok());
    ASSERT_EQ(reader.head()->manifest, clone.head()->manifest);
  }
  EXPECT_EQ(clone.head()->manifest.base->owner, CollectionId(0));
  EXPECT_EQ(clone.head()->manifest.segments[0].object.owner, id_);
}

TEST_F(ManifestBaseTest, AMissingBaseIsUnavailableAndADamagedOneIsDataLoss) {
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  ASSERT_TRUE(committer.Commit(ctx_, Add(200)));
  const std::string key = Bases()[0].key;
  std::string bytes = store_.Get(ctx_, key, kManifestBaseBytesMax)->bytes;
  store_.Script(StoreOp::kGet, 2, Fault::kTruncate);
  EXPECT_EQ(Loaded(), committer.head()->manifest) << "a body cut on its way is read again";
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_TRUE(store_.Put(ctx_, key, bytes, PutCondition::None()));
  ManifestCommitter reader(store_, env_, id_);
  EXPECT_EQ(reader.Load(ctx_).code(), StatusCode::kDataLoss);
  ASSERT_TRUE(store_.Delete(ctx_, key).ok());
  EXPECT_EQ(reader.Load(ctx_).code(), StatusCode::kUnavailable);
}

TEST_F(ManifestBaseTest, AFailedUploadOfABaseChangesNothing) {
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  const Manifest before = committer.head()->manifest;
  for (const Fault fault : {Fault::kRefuse, Fault::kLoseRequest, Fault::kLoseAnswer}) {
    store_.Script(StoreOp::kPut, 1, fault);
    const auto committed = committer.Commit(ctx_, Add(500));
    ASSERT_FALSE(committed);
    EXPECT_EQ(committed.error().code(), StatusCode::kUnavailable);
    EXPECT_EQ(committed.error().effect(), Effect::kNone);
    EXPECT_EQ(Loaded(), before);
  }
  ASSERT_TRUE(committer.Commit(ctx_, Add(500)));
  EXPECT_EQ(Loaded(), committer.head()->manifest);
}

TEST_F(ManifestBaseTest, ABaseOfALostCommitIsUsedAgainUnlessItIsDoomed) {
  ManifestCommitter a(store_, env_, id_);
  ASSERT_TRUE(a.CreateFirst(ctx_, First()).ok());
  ManifestCommitter b(store_, env_, id_);
  ASSERT_TRUE(b.Load(ctx_).ok());
  std::vector<SegmentEntry> segments;
  for (int i = 0; i < 500; ++i) segments.push_back(NewSegment(ManifestVersion(1)));
  const auto publish = [&](Manifest* m) -> Result<Edited> {
    m->segments = segments;
    return Edited::kChanged;
  };
  const auto set_boundary = [](uint64_t boundary) {
    return [boundary](Manifest* m) -> Result<Edited> {
      m->gc_boundary = ManifestVersion(boundary);
      return Edited::kChanged;
    };
  };
  // Version 2 goes to a rival that dooms nothing that started from version 1.
  ASSERT_TRUE(b.Commit(ctx_, set_boundary(1)));
  ASSERT_TRUE(a.Commit(ctx_, publish));
  EXPECT_EQ(a.head()->manifest.version, ManifestVersion(3));
  EXPECT_EQ(Bases().size(), 1u);
  // Version 4 goes to one that dooms what started before 4; the base was made from 3.
  ASSERT_TRUE(b.Commit(ctx_, set_boundary(4)));
  for (int i = 0; i < 500; ++i) segments.push_back(NewSegment(ManifestVersion(4)));
  ASSERT_TRUE(a.Commit(ctx_, publish));
  EXPECT_EQ(a.head()->manifest.version, ManifestVersion(5));
  EXPECT_EQ(Bases().size(), 3u);
  EXPECT_GE(*ObjectIdStart(a.head()->manifest.base->id), ManifestVersion(4));
  EXPECT_EQ(Loaded(), a.head()->manifest);
}

TEST_F(ManifestBaseTest, ACommitterWhoseVersionBecameATombstoneHasWon) {
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  store_.Script(StoreOp::kPut, 1, Fault::kLoseAnswer);
  FaultPlan down;
  down.rates[static_cast<size_t>(StoreOp::kGet)].refuse = 1;
  store_.SetPlan(down);
  EXPECT_EQ(committer.Commit(ctx_, Add(1)).error().effect(), Effect::kUnknown);
  store_.SetPlan(FaultPlan::Nothing());
  // While it slept, others went on and retired its version.
  ManifestCommitter rival(store_, env_, id_);
  ASSERT_TRUE(rival.Load(ctx_).ok());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(rival.Commit(ctx_, Add(1)));
  for (uint64_t version = 1; version <= 4; ++version) Retire(ManifestVersion(version));

  size_t seen = 0;
  ASSERT_TRUE(committer.Commit(ctx_, [&](Manifest* m) -> Result<Edited> {
    seen = m->segments.size();
    return Add(1)(m);
  }));
  EXPECT_EQ(seen, 4u) << "its own segment and those of the rival";
  EXPECT_EQ(committer.head()->manifest.version, ManifestVersion(6));
  EXPECT_EQ(Loaded(), committer.head()->manifest);
}

// What a retired head names may be deleted: an edit that finds its effect there must not be told that it is the head.
TEST_F(ManifestBaseTest, AVersionThatBecameATombstoneIsNotTheHead) {
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  store_.Script(StoreOp::kPut, 1, Fault::kLoseAnswer);
  FaultPlan down;
  down.rates[static_cast<size_t>(StoreOp::kGet)].refuse = 1;
  store_.SetPlan(down);
  const auto take_over = [](Manifest* m) -> Result<Edited> {
    if (m->epoch == Epoch(2)) return Edited::kAlreadyThere;
    m->epoch = Epoch(2);
    return Edited::kChanged;
  };
  EXPECT_EQ(committer.Commit(ctx_, take_over).error().effect(), Effect::kUnknown);
  store_.SetPlan(FaultPlan::Nothing());
  ManifestCommitter rival(store_, env_, id_);
  ASSERT_TRUE(rival.Load(ctx_).ok());
  ASSERT_TRUE(rival.Commit(ctx_, Add(1)));
  Retire(ManifestVersion(2));
  const auto settled = committer.Commit(ctx_, take_over);
  ASSERT_TRUE(settled);
  EXPECT_EQ((*settled)->manifest.version, ManifestVersion(3));
}

TEST_F(ManifestBaseTest, ACommitterWhoseRivalsVersionBecameATombstoneHasLost) {
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  ManifestCommitter rival(store_, env_, id_);
  ASSERT_TRUE(rival.Load(ctx_).ok());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(rival.Commit(ctx_, Add(1)));
  Retire(ManifestVersion(2));
  ASSERT_TRUE(committer.Commit(ctx_, Add(1)));
  EXPECT_EQ(committer.head()->manifest.version, ManifestVersion(5));
  EXPECT_EQ(Loaded().segments.size(), 4u);
}

TEST_F(ManifestBaseTest, ARetiredVersionIsSaidToBe) {
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  ASSERT_TRUE(committer.Commit(ctx_, Add(1)));
  Retire(ManifestVersion(1));
  EXPECT_EQ(committer.reader()->Read(ctx_, ManifestVersion(1)).error().reason(), "version_retired");
  EXPECT_EQ(committer.reader()->Read(ctx_, ManifestVersion(9)).error().code(), StatusCode::kUnavailable);
}

// Random edits, faults and restarts: the stored manifest is always the one in memory, before or after the last edit.
TEST_F(ManifestBaseTest, RandomEditsThroughFaultsGiveTheManifestInMemory) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const auto random = NewSeededRandom(seed);
    const CollectionId id(100 + seed);
    FaultStore store(NewMemoryStore(RealClock()), FaultPlan::Nothing(), *random, [](Duration) {});
    auto committer = std::make_unique<ManifestCommitter>(store, env_, id);
    ASSERT_TRUE(committer->CreateFirst(ctx_, First()).ok());
    store.SetPlan(FaultPlan::Everywhere({.refuse = 0.03, .lose_request = 0.03, .lose_answer = 0.03, .truncate = 0.02}));
    Manifest last = committer->head()->manifest;
    for (int step = 0; step < 80; ++step) {
      Manifest wanted;
      const uint64_t kind = random->Below(10);
      const auto edit = [&](Manifest* m) -> Result<Edited> {
        const auto chance = [&](uint64_t of) { return random->Below(of) == 0; };
        if (kind < 4) {
          for (uint64_t n = random->Below(kind == 0 ? 200 : 8) + 1; n > 0; --n) {
            m->segments.push_back(NewSegment(m->version));
          }
        } else if (kind < 6) {
          std::erase_if(m->segments, [&](const SegmentEntry&) { return chance(kind == 4 ? 3 : 50); });
        } else if (kind < 9) {
          for (SegmentEntry& segment : m->segments) {
            if (!chance(30)) continue;
            segment.deletes = NewObject(m->version);
            segment.deleted_count += segment.deleted_count < segment.row_count;
          }
        } else {
          m->gc_boundary = m->version;
        }
        m->Normalize();
        wanted = *m;
        return Edited::kChanged;
      };
      const auto committed = committer->Commit(ctx_, edit);
      if (committed) {
        ASSERT_EQ((*committed)->manifest.segments, wanted.segments);
        last = (*committed)->manifest;
      }
      const bool unknown = !committed && committed.error().effect() == Effect::kUnknown;
      if (!committed && !unknown) ASSERT_EQ(committer->head()->manifest.segments, last.segments);
      if (!unknown && random->Below(8) != 0) continue;
      // The process dies; its successor reads what is there.
      store.SetPlan(FaultPlan::Nothing());
      committer = std::make_unique<ManifestCommitter>(store, env_, id);
      ASSERT_TRUE(committer->Load(ctx_).ok());
      const auto& found = committer->head()->manifest;
      ASSERT_TRUE(found.segments == last.segments || (unknown && found.segments == wanted.segments))
          << "seed " << seed << " step " << step;
      last = found;
      store.SetPlan(FaultPlan::Everywhere({.refuse = 0.03, .lose_request = 0.03, .lose_answer = 0.03}));
    }
  }
}

TEST_F(ManifestBaseTest, ACommitThatWonIsNotSaidToHaveNoEffectWhenItsBaseCannotBeRead) {
  ManifestCommitter committer(store_, env_, id_);
  ASSERT_TRUE(committer.CreateFirst(ctx_, First()).ok());
  ASSERT_TRUE(committer.Commit(ctx_, Add(1000)));
  ASSERT_TRUE(committer.head()->manifest.base);
  store_.Script(StoreOp::kPut, 1, Fault::kLoseAnswer);
  for (uint64_t nth = 1; nth <= 8; ++nth) store_.Script(StoreOp::kGet, nth, Fault::kRefuse);
  const auto unknown = committer.Commit(ctx_, Add(1));
  ASSERT_FALSE(unknown);
  ASSERT_EQ(unknown.error().effect(), Effect::kUnknown);
  // Readers of other versions need the room of its base.
  for (int i = 0; i < 4; ++i) {
    const ManifestBase other{id_, MintObjectId(ManifestVersion(1), random_->Hex(16)), {}};
    const std::string bytes = EncodeManifestBase(other);
    const ObjectRef ref{.id = other.id, .sha256 = Sha256Hex(bytes), .version_id = "", .size_bytes = bytes.size()};
    ASSERT_TRUE(store_.Put(ctx_, BaseKey(id_, other.id), bytes, PutCondition::None()));
    ASSERT_TRUE(committer.reader()->ReadBase(ctx_, ref));
  }
  store_.Script(StoreOp::kGet, 2, Fault::kRefuse);  // the first is of the manifest that won
  const auto refused = committer.Commit(ctx_, Add(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().effect(), Effect::kUnknown) << refused.error().ToString();
  ASSERT_TRUE(committer.Commit(ctx_, Add(1)));
  EXPECT_EQ(Loaded().segments.size(), 1002u);
}

}  // namespace
}  // namespace akidb
