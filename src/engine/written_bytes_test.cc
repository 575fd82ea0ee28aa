// What was written last is read from memory, unless it is large; all else from the store.
#include "engine/written_bytes.h"

#include <gtest/gtest.h>

#include "engine/engine_testing.h"
#include "objstore/fault_store.h"
#include "objstore/forwarding_store_testing.h"
#include "objstore/kept_bytes.h"
#include "objstore/memory/memory_store.h"

namespace akidb {
namespace {

class WrittenBytesTest : public testing::Test {
 protected:
  Status Write(const std::string& key, const std::vector<std::string>& parts) {
    AKI_ASSIGN_OR_RETURN(const auto writer, store_.OpenWriter(ctx_, key));
    for (const std::string& part : parts) AKI_RETURN_IF_ERROR(writer->Append(ctx_, part));
    return internal::ToStatus(writer->Commit(ctx_, PutCondition::IfAbsent()));
  }
  Result<std::string> Read(const std::string& key, ByteRange range) {
    std::string out(range.size(), '?');
    AKI_RETURN_IF_ERROR(store_.GetRange(ctx_, key, range, "", out.data()));
    return out;
  }
  uint64_t Asked() const { return below_->calls(StoreOp::kGetRange); }

  ManualClock clock_;
  OpContext ctx_{clock_};
  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  std::shared_ptr<FaultStore> below_ =
      std::make_shared<FaultStore>(NewMemoryStore(clock_), FaultPlan::Nothing(), *random_, [](Duration) {});
  static constexpr size_t kBytesMax = 8u << 20;
  WrittenBytes store_{below_, kBytesMax};
};

TEST_F(WrittenBytesTest, WhatWasWrittenIsNotAskedFor) {
  ASSERT_TRUE(Write("a", {"0123", "4567"}).ok());
  EXPECT_TRUE(store_.remembers());
  EXPECT_EQ(Read("a", {2, 6}).value(), "2345");
  EXPECT_EQ(Asked(), 0u);
  store_.Forget();
  EXPECT_EQ(Read("a", {2, 6}).value(), "2345") << "the store has it";
  EXPECT_EQ(Asked(), 1u);
}

// Gives what is committed a version, and notes which one is asked for.
class Versioned final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override {
    struct Writer final : ObjectWriter {
      explicit Writer(std::unique_ptr<ObjectWriter> w) : below(std::move(w)) {}
      Status Append(OpContext& c, std::string_view bytes) override { return below->Append(c, bytes); }
      Result<ObjectMeta> Commit(OpContext& c, const PutCondition& condition) override {
        AKI_ASSIGN_OR_RETURN(ObjectMeta meta, below->Commit(c, condition));
        meta.version_id = "v1";
        return meta;
      }
      std::unique_ptr<ObjectWriter> below;
    };
    AKI_ASSIGN_OR_RETURN(auto writer, base().OpenWriter(ctx, key));
    return std::make_unique<Writer>(std::move(writer));
  }
  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                  char* out) override {
    asked.push_back(key + "@" + version_id);
    return base().GetRange(ctx, key, range, "", out);
  }
  std::vector<std::string> asked;
};

TEST_F(WrittenBytesTest, WhoNamesNoVersionReadsTheOneThatWasWritten) {
  const auto versioned = std::make_shared<Versioned>(below_);
  WrittenBytes store(versioned);
  auto writer = store.OpenWriter(ctx_, "a");
  ASSERT_TRUE(writer);
  ASSERT_TRUE((*writer)->Append(ctx_, "0123").ok());
  ASSERT_TRUE((*writer)->Commit(ctx_, PutCondition::IfAbsent()));
  store.Forget();
  char out[4];
  ASSERT_TRUE(store.GetRange(ctx_, "a", {0, 4}, "", out).ok());
  ASSERT_TRUE(store.GetRange(ctx_, "a", {0, 4}, "v0", out).ok());
  EXPECT_FALSE(store.GetRange(ctx_, "b", {0, 4}, "", out).ok());
  EXPECT_EQ(versioned->asked, (std::vector<std::string>{"a@v1", "a@v0", "b@"}));
}

TEST_F(WrittenBytesTest, AnotherObjectAndARangePastTheEndAreTheStores) {
  ASSERT_TRUE(Write("a", {"0123"}).ok());
  EXPECT_EQ(Read("b", {0, 1}).error().code(), StatusCode::kNotFound);
  EXPECT_FALSE(Read("a", {2, 6}));
  EXPECT_EQ(Asked(), 2u);
}

TEST_F(WrittenBytesTest, RangesOfAnyPlaceAreWhatWasWritten) {
  std::vector<std::string> parts;
  std::string whole;
  for (int i = 0; i < 300; ++i) {
    parts.push_back(random_->Hex(10'000 + 7 * i));
    whole += parts.back();
  }
  ASSERT_TRUE(Write("a", parts).ok());
  ASSERT_GT(whole.size(), 3u << 20);
  for (const uint64_t begin : {0ul, 1ul, (1ul << 20) - 1, 1ul << 20, (2ul << 20) - 5}) {
    for (const uint64_t size : {0ul, 1ul, 5ul, 10ul, 1ul << 20, (1ul << 20) + 11}) {
      EXPECT_EQ(Read("a", {begin, begin + size}).value(), whole.substr(begin, size)) << begin << " " << size;
    }
  }
  EXPECT_EQ(Read("a", {0, whole.size()}).value(), whole);
  EXPECT_EQ(Asked(), 0u);
}

TEST_F(WrittenBytesTest, WhatIsKeptIsReadWhereItIs) {
  auto kept = std::make_shared<std::string>(random_->Hex(3 << 20));
  const std::string head = random_->Hex(1000), tail = random_->Hex(2 << 20);
  const std::string whole = head + *kept + tail;
  const std::weak_ptr<std::string> alive = kept;
  {
    const auto writer = store_.OpenWriter(ctx_, "a");
    ASSERT_TRUE((*writer)->Append(ctx_, head).ok());
    const std::string_view bytes = *kept;
    ASSERT_TRUE(AppendKept(ctx_, **writer, {bytes.substr(0, 2 << 20), kept}).ok());
    ASSERT_TRUE(AppendKept(ctx_, **writer, {bytes.substr(2 << 20), kept}).ok());
    ASSERT_TRUE((*writer)->Append(ctx_, tail).ok());
    ASSERT_TRUE((*writer)->Commit(ctx_, PutCondition::IfAbsent()));
  }
  kept.reset();
  for (const uint64_t begin : {0ul, 999ul, 1000ul, (2ul << 20) + 990, (3ul << 20) + 999, whole.size() - 1}) {
    for (const uint64_t size : {1ul, 20ul, whole.size() - begin}) {
      const uint64_t end = std::min<uint64_t>(begin + size, whole.size());
      EXPECT_EQ(Read("a", {begin, end}).value(), whole.substr(begin, end - begin)) << begin << " " << size;
    }
  }
  EXPECT_EQ(Asked(), 0u);
  store_.Forget();
  EXPECT_TRUE(alive.expired());
}

TEST_F(WrittenBytesTest, WhatIsLargeIsReadBack) {
  const std::string part(kBytesMax / 4, 'x');
  const size_t parts = 4;
  ASSERT_TRUE(Write("b", std::vector(parts, part)).ok());
  EXPECT_TRUE(store_.remembers());
  ASSERT_TRUE(Write("a", std::vector(parts + 1, part)).ok());
  EXPECT_FALSE(store_.remembers());
  EXPECT_EQ(Read("a", {0, 3}).value(), "xxx");
  EXPECT_EQ(Asked(), 1u);
}

TEST_F(WrittenBytesTest, WhatWasNotWrittenIsNotRemembered) {
  below_->Script(StoreOp::kCommit, 1, Fault::kRefuse);
  EXPECT_FALSE(Write("a", {"0123"}).ok());
  EXPECT_FALSE(store_.remembers());
}

}  // namespace
}  // namespace akidb
