// Specimens of every JSON document, and the golden files that no later version may fail to read.
//
// Threads: one test, one thread.
// Errors:  helpers fail the test.
#pragma once

#include <string>
#include <string_view>

#include "format/manifest_format.h"

namespace akidb {

// Every field set, every list filled, as the newest format has them.
Manifest FullManifest();
CatalogVersion FullCatalogVersion();
// Names FullBase(), of which it keeps one segment, changes one, removes one and adds one.
Manifest FullManifestOnBase();
ManifestBase FullBase();
// What the golden files of earlier formats hold.
Manifest FullManifestV1();
Manifest FullManifestV2();
Manifest FullManifestV3();
Manifest FullManifestOnBaseV2();
Manifest FullManifestOnBaseV3();
ManifestBase FullBaseV1();
CatalogVersion FullCatalogVersionV1();
ManifestTombstone FullTombstone();

// The bytes of tests/compat/format/<name>.
std::string ReadGolden(const std::string& name);
// Compares with the golden file; on a difference the bytes are left with the test's temporary files. A golden file is
// added once and never edited.
void ExpectGolden(const std::string& name, std::string_view bytes);

}  // namespace akidb
