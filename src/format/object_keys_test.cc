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

TEST(ObjectKeysTest, BasesLieBesideTheManifests) {
  EXPECT_EQ(BaseKey(CollectionId(12), "00000000000000000003-00ff00ff00ff00ff"),
            "t/default/c/12/bases/00000000000000000003-00ff00ff00ff00ff.json");
}

TEST(ObjectKeysTest, WalKeysParseBack) {
  const std::string key = WalObjectKey(CollectionId(12), Epoch(3), WalSequence(70));
  EXPECT_EQ(key, "t/default/c/12/wal/00000000000000000003/00000000000000000070.wal");
  EXPECT_TRUE(key.starts_with(WalPrefix(CollectionId(12), Epoch(3))));
  EXPECT_TRUE(WalPrefix(CollectionId(12), Epoch(3)).starts_with(WalPrefix(CollectionId(12))));
  EXPECT_EQ(ParseWalObjectKey(CollectionId(12), key), (WalObjectName{Epoch(3), WalSequence(70)}));
  EXPECT_FALSE(ParseWalObjectKey(CollectionId(1), key));
  for (const std::string_view name :
       {"", "3/70.wal", "00000000000000000003/.wal", "00000000000000000003/00000000000000000070",
        "00000000000000000003/00000000000000000070.walx", "00000000000000000003/0/00000000000000000070.wal",
        "00000000000000000070.wal", "00000000000000000003/99999999999999999999.wal", ".wal", "/.wal"}) {
    EXPECT_FALSE(ParseWalObjectKey(CollectionId(12), WalPrefix(CollectionId(12)) + std::string(name))) << name;
  }
}

TEST(ObjectKeysTest, LeaseKeysParseBack) {
  const std::string key = LeaseKey("node-a.example", 17);
  EXPECT_EQ(key, "nodes/node-a.example/00000000000000000017.json");
  EXPECT_EQ(ParseLeaseKey(key), (LeaseName{"node-a.example", 17}));
  for (const std::string_view name :
       {"", ".json", "/.json", "a/17.json", "a/00000000000000000017", "../00000000000000000017.json",
        "a/b/00000000000000000017.json", "/00000000000000000017.json", "00000000000000000017.json"}) {
    EXPECT_FALSE(ParseLeaseKey("nodes/" + std::string(name))) << name;
  }
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

TEST(ObjectKeysDeathTest, AStringThatIsNoNameNeverBecomesAPrefix) {
  EXPECT_DEATH(LeaseKey("../catalog", 1), "ValidateName");
}

TEST(ObjectKeysDeathTest, AStringThatIsNoIdNeverBecomesAKey) {
  EXPECT_DEATH(SegmentKey(CollectionId(1), "../../catalog/x"), "ObjectIdStart");
}

}  // namespace
}  // namespace akidb
