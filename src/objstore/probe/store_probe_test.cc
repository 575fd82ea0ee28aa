#include "objstore/probe/store_probe.h"

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <thread>

#include "base/manual_clock_testing.h"
#include "objstore/probe/versioned_store_testing.h"

namespace akidb {
namespace {

using testing::HasSubstr;

void RunOnThreads(const std::vector<std::function<void()>>& functions) {
  std::vector<std::thread> threads;
  for (const auto& function : functions) threads.emplace_back(function);
  for (std::thread& thread : threads) thread.join();
}

class StoreProbeTest : public testing::Test {
 protected:
  StoreProbeTest() : ctx_(RealClock()) {
    options_ = {.racers = 4, .rounds = 3, .run_together = RunOnThreads, .extensions = nullptr};
  }
  Result<StoreVerdict> Probe(ObjectStore& store, ProbeExtensions* extensions = nullptr) {
    options_.extensions = extensions;
    return ProbeStore(ctx_, store, *random_, options_);
  }
  // Names of the failed checks.
  std::string Lies(VersionedStore& store) {
    const auto verdict = Probe(store, &store);
    return verdict ? verdict->Failed(StoreNeed::kLock) : verdict.error().ToString();
  }

  OpContext ctx_;
  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  StoreProbeOptions options_;
};

TEST_F(StoreProbeTest, HonestStoreWithoutVersionsIsFitForSeveralNodes) {
  const auto store = NewMemoryStore(RealClock());
  const StoreVerdict verdict = Probe(*store).value();
  EXPECT_EQ(verdict.store, "memory");
  EXPECT_EQ(verdict.Failed(StoreNeed::kLock), "");
  EXPECT_TRUE(RequireForOneNode(verdict).ok());
  EXPECT_TRUE(RequireForSeveralNodes(verdict).ok());
  EXPECT_EQ(RequireForLock(verdict).reason(), "store_unfit");
  EXPECT_EQ(verdict.checks[10].result, CheckResult::kNotApplicable);
  EXPECT_EQ(verdict.checks[10].detail, "the store reports no version ids");
}

TEST_F(StoreProbeTest, HonestStoreWithLockIsFitForEverything) {
  VersionedStore store;
  const StoreVerdict verdict = Probe(store, &store).value();
  for (const StoreCheckOutcome& check : verdict.checks) EXPECT_EQ(check.result, CheckResult::kOk) << check.name;
  EXPECT_TRUE(RequireForLock(verdict).ok());
}

TEST_F(StoreProbeTest, LeavesNothingBehind) {
  VersionedStore store;
  ASSERT_TRUE(Probe(store, &store));
  EXPECT_TRUE(store.List(ctx_, "", "", 1000)->objects.empty());
  EXPECT_EQ(store.version_count(), 0u);
}

TEST_F(StoreProbeTest, WithoutRightsToRemoveVersionsNothingIsLeftThatIsListed) {
  class Guarded final : public VersionedStore {
    Status PurgeVersions(OpContext&, const std::string&) override {
      return PermissionDenied("no right to list versions");
    }
  } store;
  ASSERT_TRUE(Probe(store, &store));
  EXPECT_TRUE(store.List(ctx_, "", "", 1000)->objects.empty());
}

TEST_F(StoreProbeTest, IgnoredIfNoneMatchIsCaught) {
  class Liar final : public VersionedStore {
    Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                           const PutCondition& condition) override {
      const bool lie = condition.kind == PutCondition::Kind::kIfAbsent;
      return VersionedStore::Put(ctx, key, body, lie ? PutCondition::None() : condition);
    }
  } liar;
  const StoreVerdict verdict = Probe(liar, &liar).value();
  EXPECT_EQ(verdict.Failed(StoreNeed::kLock), "create_if_absent, create_race");
  EXPECT_TRUE(RequireForOneNode(verdict).ok());
  const Status refused = RequireForSeveralNodes(verdict);
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(refused.reason(), "store_unfit");
  EXPECT_THAT(refused.message(), HasSubstr("create_if_absent, create_race"));
}

TEST_F(StoreProbeTest, LookThenWriteIsCaughtByTheRace) {
  class Liar final : public VersionedStore {
   public:
    Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                           const PutCondition& condition) override {
      if (condition.kind != PutCondition::Kind::kIfAbsent || key.find("/race/") == std::string::npos) {
        return VersionedStore::Put(ctx, key, body, condition);
      }
      const bool absent = !Head(ctx, key);
      // All racers look before one writes.
      std::atomic<int>& looked = looked_[static_cast<size_t>(key.back() - '0')];
      looked.fetch_add(1);
      while (looked < 4) std::this_thread::yield();
      if (!absent) return std::unexpected(Aborted("exists").WithReason("condition_lost"));
      return VersionedStore::Put(ctx, key, body, PutCondition::None());
    }

   private:
    std::array<std::atomic<int>, 3> looked_{};  // by round
  };
  Liar one_at_a_time;
  EXPECT_EQ(Lies(one_at_a_time), "create_race");
  options_.rounds_at_once = 2;
  Liar side_by_side;
  EXPECT_EQ(Lies(side_by_side), "create_race");
}

TEST_F(StoreProbeTest, RoundsSideBySideAreStillOneWinnerEach) {
  options_.rounds = 7;
  options_.rounds_at_once = 3;
  VersionedStore store;
  const StoreVerdict verdict = Probe(store, &store).value();
  EXPECT_EQ(verdict.Failed(StoreNeed::kLock), "");
  EXPECT_THAT(verdict.checks[6].detail, HasSubstr("4 racers x 7 rounds"));
}

TEST_F(StoreProbeTest, IgnoredIfMatchIsCaught) {
  class Liar final : public VersionedStore {
    Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                           const PutCondition& condition) override {
      const bool lie = condition.kind == PutCondition::Kind::kIfEtagIs;
      return VersionedStore::Put(ctx, key, body, lie ? PutCondition::None() : condition);
    }
  } liar;
  EXPECT_EQ(Lies(liar), "replace_if_unchanged, replace_of_missing");
}

TEST_F(StoreProbeTest, IfMatchThatCreatesIsCaught) {
  class Liar final : public VersionedStore {
    Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                           const PutCondition& condition) override {
      const bool lie = condition.kind == PutCondition::Kind::kIfEtagIs && !Head(ctx, key);
      return VersionedStore::Put(ctx, key, body, lie ? PutCondition::None() : condition);
    }
  } liar;
  EXPECT_EQ(Lies(liar), "replace_of_missing");
}

TEST_F(StoreProbeTest, UnconditionalUploadsAreCaught) {
  class Liar final : public VersionedStore {
    class Writer final : public ObjectWriter {
     public:
      explicit Writer(std::unique_ptr<ObjectWriter> base) : base_(std::move(base)) {}
      Status Append(OpContext& ctx, std::string_view bytes) override { return base_->Append(ctx, bytes); }
      Result<ObjectMeta> Commit(OpContext& ctx, const PutCondition&) override {
        return base_->Commit(ctx, PutCondition::None());
      }

     private:
      const std::unique_ptr<ObjectWriter> base_;
    };
    Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override {
      return std::make_unique<Writer>(std::move(*VersionedStore::OpenWriter(ctx, key)));
    }
  } liar;
  EXPECT_EQ(Lies(liar), "streamed_create_if_absent");
}

TEST_F(StoreProbeTest, OldBytesAreCaught) {
  class Liar final : public VersionedStore {
    Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override {
      AKI_ASSIGN_OR_RETURN(ObjectBody body, VersionedStore::Get(ctx, key, size_max));
      body.bytes = seen_.try_emplace(key, body.bytes).first->second;
      return body;
    }
    std::map<std::string, std::string> seen_;
  } liar;
  const StoreVerdict verdict = Probe(liar, &liar).value();
  EXPECT_EQ(verdict.Failed(StoreNeed::kLock), "read_after_write");
  EXPECT_EQ(RequireForOneNode(verdict).reason(), "store_unfit");
  EXPECT_EQ(RequireForSeveralNodes(verdict).reason(), "store_unfit");
}

TEST_F(StoreProbeTest, DeleteMarkersThatBlockTheNameAreCaught) {
  class Liar final : public VersionedStore {
    Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                           const PutCondition& condition) override {
      if (condition.kind == PutCondition::Kind::kIfAbsent && deleted_.contains(key)) {
        return std::unexpected(Aborted("a marker is there").WithReason("condition_lost"));
      }
      return VersionedStore::Put(ctx, key, body, condition);
    }
    Status Delete(OpContext& ctx, const std::string& key) override {
      deleted_.insert(key);
      return VersionedStore::Delete(ctx, key);
    }
    std::set<std::string> deleted_;
  } liar;
  EXPECT_EQ(Lies(liar), "create_after_delete");
}

TEST_F(StoreProbeTest, LostVersionsAreCaught) {
  class Liar final : public VersionedStore {
    Status Delete(OpContext& ctx, const std::string& key) override {
      ForgetVersionsOf(key);
      return VersionedStore::Delete(ctx, key);
    }
  } liar;
  const StoreVerdict verdict = Probe(liar, &liar).value();
  EXPECT_EQ(verdict.Failed(StoreNeed::kLock), "versioned_read, object_lock");
  EXPECT_FALSE(verdict.several_nodes());
  EXPECT_FALSE(verdict.lock());
}

TEST_F(StoreProbeTest, IgnoredVersionIdsAreCaught) {
  class Liar final : public VersionedStore {
    Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string&, char* out) override {
      return VersionedStore::GetRange(ctx, key, range, "", out);
    }
  } liar;
  EXPECT_EQ(Lies(liar), "versioned_read, object_lock");
}

TEST_F(StoreProbeTest, RangesBeyondTheEndAreCaught) {
  class Liar final : public VersionedStore {
    Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version,
                    char* out) override {
      const Status status = VersionedStore::GetRange(ctx, key, range, version, out);
      return status.code() == StatusCode::kOutOfRange ? OkStatus() : status;
    }
  } liar;
  EXPECT_EQ(Lies(liar), "range_reads");
}

TEST_F(StoreProbeTest, UnorderedListingIsCaught) {
  class Liar final : public VersionedStore {
    Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                          uint32_t keys_max) override {
      auto page = VersionedStore::List(ctx, prefix, start_after, keys_max);
      if (page) std::ranges::reverse(page->objects);
      return page;
    }
  } liar;
  EXPECT_EQ(Lies(liar), "ordered_listing");
}

TEST_F(StoreProbeTest, VisibleHalvesOfUploadsAreCaught) {
  class Liar final : public VersionedStore {
    Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override {
      internal::ToStatus(VersionedStore::Put(ctx, key, "ha", PutCondition::IfAbsent())).IgnoreError("it may be there");
      return VersionedStore::OpenWriter(ctx, key);
    }
  } liar;
  EXPECT_EQ(Lies(liar), "streamed_upload");
}

TEST_F(StoreProbeTest, IgnoredChecksumsAreCaught) {
  class Liar final : public VersionedStore {
    Status PutWithWrongChecksum(OpContext&, const std::string&, std::string_view) override { return OkStatus(); }
  } liar;
  EXPECT_EQ(Lies(liar), "checksum");
}

TEST_F(StoreProbeTest, LocksThatDoNotHoldAreCaught) {
  class Liar final : public VersionedStore {
    Status DeleteVersion(OpContext&, const std::string&, const std::string&) override { return OkStatus(); }
  } liar;
  const StoreVerdict verdict = Probe(liar, &liar).value();
  EXPECT_EQ(verdict.Failed(StoreNeed::kLock), "object_lock");
  EXPECT_TRUE(verdict.several_nodes());
  EXPECT_EQ(RequireForLock(verdict).reason(), "store_unfit");
}

TEST_F(StoreProbeTest, LocksThatCanBeShortenedAreCaught) {
  class Liar final : public VersionedStore {
    Status ShortenLock(OpContext&, const std::string&, const std::string&) override { return OkStatus(); }
  } liar;
  EXPECT_EQ(Lies(liar), "object_lock");
}

// Without rights a refusal proves nothing, and is no reason to refuse the store.
TEST_F(StoreProbeTest, LockIsNotJudgedByCredentialsThatMayNotRemoveVersions) {
  class Guarded final : public VersionedStore {
    Status DeleteVersion(OpContext&, const std::string&, const std::string&) override {
      return PermissionDenied("no right to remove versions");
    }
  } guarded;
  const StoreVerdict verdict = Probe(guarded, &guarded).value();
  EXPECT_EQ(verdict.checks[12].result, CheckResult::kNotApplicable);
  EXPECT_THAT(verdict.checks[12].detail, HasSubstr("may not remove versions"));
  EXPECT_TRUE(verdict.several_nodes());
  EXPECT_FALSE(verdict.lock());
}

TEST_F(StoreProbeTest, LockIsNotJudgedByCredentialsThatMayNotLock) {
  class Guarded final : public VersionedStore {
    Result<std::string> PutLocked(OpContext&, const std::string&, std::string_view) override {
      return std::unexpected(PermissionDenied("no right to lock"));
    }
  } guarded;
  const StoreVerdict verdict = Probe(guarded, &guarded).value();
  EXPECT_EQ(verdict.checks[12].result, CheckResult::kNotApplicable);
  EXPECT_TRUE(verdict.several_nodes());
}

TEST_F(StoreProbeTest, StoreThatIsAwayGetsNoVerdict) {
  class Away final : public VersionedStore {
    Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                           const PutCondition& condition) override {
      if (++puts_ > 20) return std::unexpected(Unavailable("away").WithEffectUnknown());
      return VersionedStore::Put(ctx, key, body, condition);
    }
    std::atomic<int> puts_ = 0;
  } away;
  const auto verdict = Probe(away, &away);
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().code(), StatusCode::kUnavailable);
  EXPECT_THAT(verdict.error().message(), HasSubstr("check create_"));
}

TEST_F(StoreProbeTest, CancelledProbeGivesNoVerdict) {
  VersionedStore store;
  ctx_.Cancel();
  EXPECT_EQ(Probe(store, &store).error().code(), StatusCode::kCancelled);
}

// What start does with what it finds.
class StoredVerdictTest : public StoreProbeTest {
 protected:
  class Store final : public VersionedStore {
   public:
    Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                           const PutCondition& condition) override {
      ++requests;
      const bool lie = lies && condition.kind == PutCondition::Kind::kIfAbsent;
      return VersionedStore::Put(ctx, key, body, lie ? PutCondition::None() : condition);
    }
    Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override {
      ++requests;
      if (away) return std::unexpected(Unavailable("away"));
      return VersionedStore::Get(ctx, key, size_max);
    }
    std::atomic<int> requests = 0;
    bool lies = false;
    bool away = false;
  };
  Result<StoreVerdict> Ensure() {
    store_.requests = 0;
    options_.extensions = &store_;
    return EnsureStoreVerdict(ctx_, store_, *random_, options_);
  }

  Store store_;
};

TEST_F(StoredVerdictTest, SecondStartTakesTwoRequests) {
  const StoreVerdict first = Ensure().value();
  EXPECT_GT(store_.requests, 20);
  EXPECT_EQ(Ensure().value(), first);
  EXPECT_EQ(store_.requests, 2);
  EXPECT_EQ(store_.List(ctx_, "", "", 10)->objects.size(), 1u);
}

TEST_F(StoredVerdictTest, VerdictThatDoesNotHoldAnyMoreIsReplaced) {
  ASSERT_TRUE(Ensure()->several_nodes());
  store_.lies = true;
  EXPECT_FALSE(Ensure()->several_nodes());
  EXPECT_FALSE(Ensure()->several_nodes());
  EXPECT_EQ(store_.requests, 1) << "a bad verdict is not tried to disprove at each start";
}

TEST_F(StoredVerdictTest, UnreadableVerdictIsReplaced) {
  for (const std::string& body : {std::string(), std::string("{}"), std::string(100000, 'x')}) {
    ASSERT_TRUE(store_.Put(ctx_, std::string(kVerdictKey), body, PutCondition::None()));
    EXPECT_TRUE(Ensure()->several_nodes());
    EXPECT_GT(store_.requests, 20);
  }
}

TEST_F(StoredVerdictTest, VerdictOfAnotherKindOfStoreIsReplaced) {
  StoreVerdict verdict = Ensure().value();
  verdict.store = "s3";
  ASSERT_TRUE(store_.Put(ctx_, std::string(kVerdictKey), EncodeStoreVerdict(verdict), PutCondition::None()));
  EXPECT_EQ(Ensure()->store, "memory");
}

TEST_F(StoredVerdictTest, StoreThatIsAwayIsNotJudged) {
  ASSERT_TRUE(Ensure());
  store_.away = true;
  EXPECT_EQ(Ensure().error().code(), StatusCode::kUnavailable);
  store_.away = false;
  EXPECT_TRUE(Ensure()->several_nodes());
  EXPECT_EQ(store_.requests, 2);
}

}  // namespace
}  // namespace akidb
