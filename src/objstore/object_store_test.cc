#include "objstore/object_store.h"

#include <gtest/gtest.h>

#include "objstore/store_errors.h"

namespace akidb {
namespace {

TEST(ObjectKeyTest, AcceptsEveryAllowedByte) {
  EXPECT_TRUE(ValidateObjectKey("azAZ09_.-/..x/.y/x..").ok());
  EXPECT_TRUE(ValidateObjectKey(std::string(1024, 'k')).ok());
}

TEST(ObjectKeyTest, ErrorsNameTheKeyAndTheLimitButNoControlBytes) {
  const Status too_long = ValidateObjectKey(std::string(1025, 'k'));
  EXPECT_EQ(too_long.message(), "object key \"" + std::string(64, 'k') + "...\" has 1025 bytes, the limit is 1024");
  EXPECT_EQ(ValidateObjectKey("a\nb").message(), "object key \"a?b\" has a byte outside of [A-Za-z0-9_.-/]");
  EXPECT_EQ(ValidateObjectKey("a/../b").reason(), "invalid_key");
}

TEST(ObjectKeyTest, PrefixMayEndAnywhereInAKey) {
  for (const std::string_view prefix : {"", "a", "a/", "a/b", "a/.", "a/.."}) {
    EXPECT_TRUE(ValidateListing(prefix, "", 1).ok()) << prefix;
  }
  EXPECT_FALSE(ValidateListing("a/../", "", 1).ok());
  EXPECT_FALSE(ValidateListing("a", std::string(1025, 'k'), 1).ok());
}

TEST(ObjectRangeTest, MessageNamesRangeAndSize) {
  EXPECT_EQ(CheckObjectRange("k", {3, 12}, 10).message(), "range [3, 12) ends past object k of 10 bytes");
}

}  // namespace
}  // namespace akidb
