#include "server/spelling.h"

#include <gtest/gtest.h>

namespace akidb {
namespace {

TEST(SpellingTest, NamesTheNearestOfWhatIsKnown) {
  EXPECT_EQ(DidYouMean("colection", {"serve", "collection"}), "; did you mean 'collection'?");
  EXPECT_EQ(DidYouMean("--topk", {"--offset", "--top-k"}), "; did you mean '--top-k'?");
  EXPECT_EQ(DidYouMean("server.listn", {"server.listen", "server.advertise"}), "; did you mean 'server.listen'?");
}

TEST(SpellingTest, KeepsQuietWhenNothingIsNear) {
  EXPECT_EQ(DidYouMean("foo", {"wal", "serve"}), "");
  EXPECT_EQ(DidYouMean("", {"wal"}), "");
  EXPECT_EQ(DidYouMean("wal", {}), "");
}

}  // namespace
}  // namespace akidb
