#include "format/object_keys.h"

#include <gtest/gtest.h>

namespace akidb {
namespace {

TEST(ObjectKeysTest, KeysAreThoseOfTheBucketPage) {
  EXPECT_EQ(CatalogKey(ManifestVersion(7)), "catalog/00000000000000000007.json");
  EXPECT_EQ(CollectionPrefix(CollectionId(12)), "t/default/c/12/");
  EXPECT_EQ(ManifestKey(CollectionId(12), ManifestVersion::Max()), "t/default/c/12/manifest/18446744073709551615.json");
  EXPECT_EQ(SegmentKey(CollectionId(12), "00000000000000000003-00ff00ff00ff00ff"),
            "t/default/c/12/segments/00000000000000000003-00ff00ff00ff00ff.seg");
  EXPECT_EQ(DeletesKey(CollectionId(12), "00000000000000000003-00ff00ff00ff00ff"),
            "t/default/c/12/deletes/00000000000000000003-00ff00ff00ff00ff.del");
}

TEST(ObjectKeysTest, IdsCarryTheirStartVersion) {
  for (const ManifestVersion start : {ManifestVersion(0), ManifestVersion(81), ManifestVersion::Max()}) {
    EXPECT_EQ(ObjectIdStart(MintObjectId(start, "0123456789abcdef")), start);
  }
}

TEST(ObjectKeysTest, ForeignIdsHaveNoStart) {
  for (const std::string_view id : {"", "1-0123456789abcdef", "00000000000000000003_00ff00ff00ff00ff",
                                    "00000000000000000003-00FF00ff00ff00ff", "00000000000000000003-00ff00ff00ff00f",
                                    "0000000000000000000x-00ff00ff00ff00ff", "../00000000000000000-00ff00ff00ff00ff",
                                    "99999999999999999999-00ff00ff00ff00ff", "-0000000000000000003-00ff00ff00ff00ff"}) {
    EXPECT_FALSE(ObjectIdStart(id)) << id;
  }
}

TEST(ObjectKeysTest, VersionOfKeyReadsManifestAndCatalogKeysOnly) {
  EXPECT_EQ(VersionOfKey(CatalogKey(ManifestVersion(9))), ManifestVersion(9));
  EXPECT_EQ(VersionOfKey(ManifestKey(CollectionId(1), ManifestVersion(10))), ManifestVersion(10));
  for (const std::string_view key : {"", "catalog/", "catalog/.json", "catalog/9.json", "00000000000000000009.json",
                                     "catalog/00000000000000000009.jsonx", "catalog/0000000000000000000 9.json",
                                     "catalog/99999999999999999999.json"}) {
    EXPECT_FALSE(VersionOfKey(key)) << key;
  }
}

TEST(ObjectKeysDeathTest, AStringThatIsNoIdNeverBecomesAKey) {
  EXPECT_DEATH(SegmentKey(CollectionId(1), "../../catalog/x"), "ObjectIdStart");
}

}  // namespace
}  // namespace akidb
