// Small objects are read from what was written, others from the store.
#include "engine/written_bytes.h"

#include <gtest/gtest.h>

#include "engine/engine_testing.h"
#include "objstore/fault_store.h"
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
  WrittenBytes store_{below_};
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

TEST_F(WrittenBytesTest, AnotherObjectAndARangePastTheEndAreTheStores) {
  ASSERT_TRUE(Write("a", {"0123"}).ok());
  EXPECT_EQ(Read("b", {0, 1}).error().code(), StatusCode::kNotFound);
  EXPECT_FALSE(Read("a", {2, 6}));
  EXPECT_EQ(Asked(), 2u);
}

TEST_F(WrittenBytesTest, WhatIsLargeIsReadBack) {
  const std::string part(WrittenBytes::kBytesMax / 2 + 1, 'x');
  ASSERT_TRUE(Write("a", {part, part}).ok());
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
