#include "objstore/memory/memory_store.h"

#include "objstore/objstore_conformance_testing.h"

namespace akidb {
namespace {

INSTANTIATE_TEST_SUITE_P(Memory, ObjectStoreConformanceTest,
                         testing::Values(StoreFactory{"memory", [] { return NewMemoryStore(RealClock()); }}),
                         [](const auto& param_info) { return param_info.param.name; });

TEST(MemoryStoreTest, DatesObjectsByItsClock) {
  class FixedClock final : public Clock {
   public:
    MonotonicTime Now() override { return {}; }
    WallTime WallNow() override { return WallTime(Duration(42)); }
  };
  FixedClock clock;
  const auto store = NewMemoryStore(clock);
  OpContext ctx(clock);
  ASSERT_TRUE(store->Put(ctx, "k", "", PutCondition::None()));
  EXPECT_EQ(store->Head(ctx, "k")->modified_at, WallTime(Duration(42)));
}

}  // namespace
}  // namespace akidb
