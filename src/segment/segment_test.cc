#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/coding.h"
#include "base/hash.h"
#include "filter/filter_testing.h"
#include "objstore/memory/memory_store.h"
#include "segment/kept_segment.h"
#include "segment/segment_inspect.h"
#include "segment/segment_reader.h"
#include "segment/segment_testing.h"
#include "segment/segment_writer.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

const std::string kKey = "t/default/c/1/segments/00000000000000000001-0123456789abcdef.seg";
const std::string kId = "00000000000000000001-0123456789abcdef";

class SegmentTest : public testing::Test {
 protected:
  Result<SegmentEntry> Write(TestSource& source, const SegmentOptions& options) {
    return WriteSegment(ctx_, *store_, kKey, kId, options, source);
  }
  SegmentEntry MustWrite(const std::vector<TestRow>& rows, const SegmentOptions& options) {
    TestSource source(rows);
    Result<SegmentEntry> entry = Write(source, options);
    EXPECT_TRUE(entry) << entry.error().ToString();
    return entry.value_or(SegmentEntry{});
  }
  Result<std::shared_ptr<const SegmentReader>> Open(const SegmentEntry& entry) {
    return SegmentReader::Open(ctx_, store_, kKey, entry, cache_);
  }
  std::string Bytes() { return store_->Get(ctx_, kKey, 1u << 30)->bytes; }
  void Replace(std::string_view bytes) { ASSERT_TRUE(store_->Put(ctx_, kKey, bytes, PutCondition::None())); }

  OpContext ctx_{RealClock()};
  std::shared_ptr<SpyStore> store_ = std::make_shared<SpyStore>(NewMemoryStore(RealClock()));
  std::shared_ptr<PayloadBlockCache> cache_ = NewPayloadBlockCache(1u << 20);
};

std::string PayloadOf(const TestRow& row) { return row.payload.empty() ? "{}" : row.payload; }

class SegmentRoundTripTest : public SegmentTest, public testing::WithParamInterface<VectorType> {};

TEST_P(SegmentRoundTripTest, GivesBackEveryRow) {
  const std::vector<TestRow> rows = MakeTestRows(3000, 24, GetParam());
  const SegmentEntry entry = MustWrite(rows, {.dim = 24, .type = GetParam(), .payload_block_bytes = 8192});
  EXPECT_EQ(entry.object.id, kId);
  EXPECT_EQ(entry.object.sha256, Sha256Hex(Bytes()));
  EXPECT_EQ(entry.object.size_bytes, Bytes().size());
  EXPECT_EQ(entry.row_count, 3000u);
  EXPECT_EQ(entry.id_min, rows.front().id);
  EXPECT_EQ(entry.id_max, rows.back().id);
  EXPECT_EQ(entry.lsn_max, Lsn(42));

  const auto segment = Open(entry);
  ASSERT_TRUE(segment) << segment.error().ToString();
  const VectorRows& vectors = (*segment)->vectors();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(vectors.data) % 64, 0u);
  EXPECT_EQ(vectors.stride_bytes, 24 * ElementBytes(GetParam()));
  for (RowIndex row = 0; row < rows.size(); ++row) {
    ASSERT_EQ((*segment)->Id(row), rows[row].id);
    ASSERT_EQ((*segment)->Find(rows[row].id), row);
    ASSERT_EQ(std::string_view(reinterpret_cast<const char*>(vectors.Row(row)), vectors.stride_bytes),
              rows[row].vector);
    if (GetParam() == VectorType::kInt8) ASSERT_EQ(vectors.scales[row], rows[row].scale);
    const auto payload = (*segment)->Payload(ctx_, row);
    ASSERT_TRUE(payload) << payload.error().ToString();
    ASSERT_EQ(payload->json, PayloadOf(rows[row]));
    ASSERT_NO_FATAL_FAILURE(Xxh3(std::string_view(payload->json.data(), payload->json.size() + 64)));  // under ASan
  }
  EXPECT_FALSE((*segment)->Find("doc"));
  EXPECT_FALSE((*segment)->Find("doc-00003000"));
}

TEST_P(SegmentRoundTripTest, TheEntryIsKnownBeforeTheObjectIsThere) {
  const std::vector<TestRow> rows = MakeTestRows(50, 24, GetParam());
  const SegmentOptions options{.dim = 24, .type = GetParam()};
  TestSource source(rows);
  SegmentEntry early;
  const auto entry =
      WriteSegment(ctx_, *store_, kKey, kId, options, source, [&](const SegmentEntry& known, const auto&) {
        early = known;
        EXPECT_EQ(store_->Head(ctx_, kKey).error().code(), StatusCode::kNotFound);
        return OkStatus();
      });
  ASSERT_TRUE(entry);
  EXPECT_EQ(early, *entry) << "on a store without versions";
  EXPECT_EQ(early.object.sha256, Sha256Hex(Bytes()));

  const auto refused = WriteSegment(ctx_, *store_, kKey + "2", kId, options, source,
                                    [](const SegmentEntry&, const auto&) { return Unavailable("not now"); });
  EXPECT_EQ(refused.error().message(), "not now");
  EXPECT_FALSE(store_->Head(ctx_, kKey + "2"));
}

TEST_P(SegmentRoundTripTest, WhatIsKeptOfTheWritingIsWhatIsStored) {
  for (const size_t count : {1u, 50u, 40'000u}) {  // a few bytes, one block, more than one
    const std::vector<TestRow> rows = MakeTestRows(count, 24, GetParam());
    SegmentOptions options{.dim = 24, .type = GetParam()};
    const SegmentEntry without = MustWrite(rows, options);
    options.kept_bytes_max = 64u << 20;
    TestSource source(rows);
    std::shared_ptr<const HugeArena> kept;
    const auto entry = WriteSegment(ctx_, *store_, kKey + "2", kId, options, source,
                                    [&](const SegmentEntry&, const std::shared_ptr<const HugeArena>& arena) {
                                      kept = arena;
                                      return OkStatus();
                                    });
    ASSERT_TRUE(entry) << entry.error().ToString();
    EXPECT_EQ(*entry, without);
    EXPECT_EQ(store_->Get(ctx_, kKey + "2", 1u << 30)->bytes, Bytes());

    store_->ranges.clear();
    const auto segment = OpenKeptSegment(ctx_, store_, kKey + "2", *entry, cache_, kept);
    ASSERT_TRUE(segment) << segment.error().ToString();
    const bool small = count < 40'000;
    EXPECT_EQ(store_->ranges.size(), small ? 3u : 2u) << "footer, ids, and a payload that is small";
    for (RowIndex row = 0; row < count; row += 7) {
      EXPECT_EQ((*segment)->Payload(ctx_, row)->json, rows[row].payload) << row;
    }
    if (small) EXPECT_EQ(store_->ranges.size(), 3u) << "it is there already";
    const auto read = Open(without);
    const VectorRows& vectors = (*segment)->vectors();
    ASSERT_EQ(vectors.row_count, count);
    EXPECT_EQ(std::memcmp(vectors.data, (*read)->vectors().data, count * vectors.stride_bytes), 0);
    if (vectors.inv_norms != nullptr) {
      const std::vector<float> norms((*read)->vectors().inv_norms, (*read)->vectors().inv_norms + count);
      const auto told = OpenKeptSegment(ctx_, store_, kKey + "2", *entry, cache_, kept, norms);
      ASSERT_TRUE(told) << told.error().ToString();
      EXPECT_EQ(std::memcmp((*told)->vectors().inv_norms, norms.data(), count * sizeof(float)), 0);
      // As many as there are rows, or they are computed.
      const auto mistold = OpenKeptSegment(ctx_, store_, kKey + "2", *entry, cache_, kept, {1.0F, 2.0F, 3.0F});
      ASSERT_TRUE(mistold) << mistold.error().ToString();
      EXPECT_EQ(std::memcmp((*mistold)->vectors().inv_norms, norms.data(), count * sizeof(float)), 0);
    }
    ASSERT_TRUE(store_->Delete(ctx_, kKey).ok());
    ASSERT_TRUE(store_->Delete(ctx_, kKey + "2").ok());
  }
}

TEST_F(SegmentTest, WhatIsLargeIsNotKept) {
  TestSource source(MakeTestRows(50, 24, VectorType::kF32));
  SegmentOptions options{.dim = 24};
  options.kept_bytes_max = 4096 + 50 * 24 * sizeof(float) - 1;
  bool kept = true;
  ASSERT_TRUE(WriteSegment(ctx_, *store_, kKey, kId, options, source, [&](const SegmentEntry&, const auto& arena) {
    kept = arena != nullptr;
    return OkStatus();
  }));
  EXPECT_FALSE(kept);
}

TEST_P(SegmentRoundTripTest, InverseNormsAreThoseOfTheStoredElements) {
  const std::vector<TestRow> rows = MakeTestRows(50, 37, GetParam());
  const auto segment = Open(MustWrite(rows, {.dim = 37, .type = GetParam()}));
  ASSERT_TRUE(segment) << segment.error().ToString();
  const VectorRows& vectors = (*segment)->vectors();
  for (RowIndex row = 0; row < rows.size(); ++row) {
    std::vector<float> x(37);
    if (GetParam() == VectorType::kF32) std::memcpy(x.data(), rows[row].vector.data(), 37 * 4);
    if (GetParam() == VectorType::kF16) {
      SelectKernels("scalar").value()->f16_to_f32(reinterpret_cast<const uint16_t*>(rows[row].vector.data()), x.data(),
                                                  37);
    }
    if (GetParam() == VectorType::kInt8) {
      for (size_t i = 0; i < 37; ++i)
        x[i] = static_cast<float>(static_cast<int8_t>(rows[row].vector[i])) * rows[row].scale;
    }
    double sum = 0;
    for (const float v : x) sum += static_cast<double>(v) * v;
    ASSERT_NEAR(vectors.inv_norms[row] * std::sqrt(sum), 1.0, 2e-7);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, SegmentRoundTripTest,
                         testing::Values(VectorType::kF32, VectorType::kF16, VectorType::kInt8),
                         [](const auto& param) { return std::string(VectorTypeName(param.param)); });

TEST_F(SegmentTest, NormsOnlyUnderCosineAndInfiniteForAZeroRow) {
  std::vector<TestRow> rows = MakeTestRows(2, 4, VectorType::kF32);
  rows[1].vector.assign(16, '\0');
  const auto cosine = Open(MustWrite(rows, {.dim = 4}));
  EXPECT_TRUE(std::isinf((*cosine)->vectors().inv_norms[1]));
  ASSERT_TRUE(store_->Delete(ctx_, kKey).ok());
  const auto dot = Open(MustWrite(rows, {.dim = 4, .distance = Distance::kDotProduct}));
  EXPECT_EQ((*dot)->vectors().inv_norms, nullptr);
  EXPECT_EQ((*dot)->distance(), Distance::kDotProduct);
}

TEST_F(SegmentTest, FindsTheFooterWithoutAManifestsHint) {
  SegmentEntry entry = MustWrite(MakeTestRows(10, 4, VectorType::kF32), {.dim = 4});
  entry.footer_offset = entry.footer_bytes = 0;
  EXPECT_TRUE(Open(entry));
}

TEST_F(SegmentTest, OpensWithThreeRequestsAndReadsAPayloadWithOne) {
  const SegmentEntry entry = MustWrite(MakeTestRows(2000, 64, VectorType::kF32), {.dim = 64});
  const auto segment = Open(entry);
  ASSERT_TRUE(segment);
  EXPECT_EQ(store_->ranges.size(), 3u);
  store_->ranges.clear();
  ASSERT_TRUE((*segment)->Payload(ctx_, 7));
  ASSERT_TRUE((*segment)->Payload(ctx_, 8));
  EXPECT_EQ(store_->ranges.size(), 1u);
}

// The cache below cuts a large range into requests and sends several at once.
TEST_F(SegmentTest, AsksForItsVectorsInOneLargeRange) {
  const SegmentEntry entry = MustWrite(MakeTestRows(5000, 1024, VectorType::kF32), {.dim = 1024});
  ASSERT_TRUE(Open(entry));
  EXPECT_EQ(store_->ranges.size(), 3u);  // footer, 20 MB of vectors, ids
}

TEST_F(SegmentTest, ScanVisitsTheRowsOfItsRangeInOrder) {
  const std::vector<TestRow> rows = MakeTestRows(1000, 4, VectorType::kF32);
  const auto segment = Open(MustWrite(rows, {.dim = 4, .payload_block_bytes = 2048}));
  ASSERT_TRUE(segment);
  RowIndex next = 123;
  EXPECT_TRUE((*segment)
                  ->ScanPayloads(ctx_, 123, 877,
                                 [&](RowIndex row, std::string_view json) {
                                   EXPECT_EQ(row, next++);
                                   EXPECT_EQ(json, PayloadOf(rows[row]));
                                   return OkStatus();
                                 })
                  .ok());
  EXPECT_EQ(next, 877u);
  int visited = 0;
  const Status stopped = (*segment)->ScanPayloads(ctx_, 0, 1000, [&](RowIndex row, std::string_view) {
    ++visited;
    return row == 5 ? Cancelled("enough") : OkStatus();
  });
  EXPECT_EQ(stopped.code(), StatusCode::kCancelled);
  EXPECT_EQ(visited, 6);
  EXPECT_TRUE(
      (*segment)->ScanPayloads(ctx_, 3, 3, [](RowIndex, std::string_view) { return Internal("visited"); }).ok());
}

TEST_F(SegmentTest, ScanUsesCachedBlocksAndAddsNone) {
  const auto segment =
      Open(MustWrite(MakeTestRows(1000, 4, VectorType::kF32), {.dim = 4, .payload_block_bytes = 2048}));
  ASSERT_TRUE(segment);
  const auto ignore = [](RowIndex, std::string_view) { return OkStatus(); };
  ASSERT_TRUE((*segment)->ScanPayloads(ctx_, 0, 1000, ignore).ok());
  EXPECT_EQ(PayloadBlockCacheBytes(*cache_), 0u);
  ASSERT_TRUE((*segment)->Payload(ctx_, 0));
  const uint64_t used = PayloadBlockCacheBytes(*cache_);
  EXPECT_GT(used, 2048u);
  store_->ranges.clear();
  ASSERT_TRUE((*segment)->ScanPayloads(ctx_, 0, 1, ignore).ok());
  EXPECT_EQ(store_->ranges.size(), 0u);
  ASSERT_TRUE((*segment)->ScanPayloads(ctx_, 0, 1000, ignore).ok());
  EXPECT_EQ(store_->ranges.size(), 1u);  // all the rest in one range
  EXPECT_EQ(PayloadBlockCacheBytes(*cache_), used);
}

TEST_F(SegmentTest, PayloadsOfManyRowsAreThoseOfEachWhateverTheCacheHolds) {
  const std::vector<TestRow> rows = MakeTestRows(1000, 4, VectorType::kF32);
  const SegmentEntry entry = MustWrite(rows, {.dim = 4, .payload_block_bytes = 2048});
  // All blocks, a few of them, none.
  for (const uint64_t capacity : {1u << 20, 8u << 10, 0u}) {
    cache_ = NewPayloadBlockCache(capacity);
    const auto segment = Open(entry);
    ASSERT_TRUE(segment);
    std::vector<RowIndex> asked;
    for (RowIndex i = 0; i < 100; ++i) asked.push_back(i * 337 % 1000);
    asked.insert(asked.end(), {0, 999, 0, 1, 31, 32, 33});
    std::vector<PayloadView> payloads(asked.size());
    for (int round = 0; round < 2; ++round) {
      ASSERT_TRUE((*segment)->Payloads(ctx_, asked, payloads).ok());
      for (size_t i = 0; i < asked.size(); ++i) EXPECT_EQ(payloads[i].json, PayloadOf(rows[asked[i]])) << asked[i];
    }
    (*segment)->PrefetchIds(asked);
  }
  const auto segment = Open(entry);
  store_->answer = Unavailable("the store is away");
  PayloadView payload;
  EXPECT_EQ((*segment)->Payloads(ctx_, std::vector<RowIndex>{7}, {&payload, 1}).code(), StatusCode::kUnavailable);
}

TEST_F(SegmentTest, AClosedSegmentLeavesNothingInTheCache) {
  auto segment = Open(MustWrite(MakeTestRows(10, 4, VectorType::kF32), {.dim = 4}));
  ASSERT_TRUE(segment);
  const PayloadView held = (*segment)->Payload(ctx_, 1).value();
  EXPECT_GT(PayloadBlockCacheBytes(*cache_), 0u);
  segment->reset();
  EXPECT_EQ(PayloadBlockCacheBytes(*cache_), 0u);
  EXPECT_EQ(held.json, MakeTestRows(10, 4, VectorType::kF32)[1].payload);
}

TEST_F(SegmentTest, WhatTheStoreDeniesIsUnavailable) {
  const SegmentEntry entry = MustWrite(MakeTestRows(10, 4, VectorType::kF32), {.dim = 4});
  const auto segment = Open(entry);
  ASSERT_TRUE(segment);
  for (const Status& answer : {NotFound("no such key"), PermissionDenied("no"), Internal("?"), Unavailable("503")}) {
    store_->answer = answer;
    EXPECT_EQ(Open(entry).error().code(), StatusCode::kUnavailable);
    const auto payload = (*segment)->Payload(ctx_, 0);
    EXPECT_EQ(payload.error().code(), StatusCode::kUnavailable);
    EXPECT_NE(payload.error().message().find(kKey), std::string::npos);
  }
  store_->answer = DeadlineExceeded("late");
  EXPECT_EQ(Open(entry).error().code(), StatusCode::kDeadlineExceeded);
}

TEST_F(SegmentTest, RefusesASegmentThatIsNotTheManifests) {
  const SegmentEntry entry = MustWrite(MakeTestRows(10, 4, VectorType::kF32), {.dim = 4});
  SegmentEntry other = entry;
  other.row_count = 11;
  EXPECT_EQ(Open(other).error().code(), StatusCode::kDataLoss);
  other = entry;
  other.object.size_bytes += 1;
  EXPECT_EQ(Open(other).error().code(), StatusCode::kDataLoss);
  other = entry;
  other.footer_offset += 1;
  other.footer_bytes -= 1;
  EXPECT_EQ(Open(other).error().code(), StatusCode::kDataLoss);
  Replace(Bytes().substr(0, Bytes().size() - 1));
  EXPECT_EQ(Open(entry).error().code(), StatusCode::kDataLoss);
}

TEST_F(SegmentTest, RefusesRowsItCannotWriteAndLeavesNothing) {
  const auto refused = [&](auto change) {
    TestSource source(MakeTestRows(10, 4, VectorType::kF32));
    change(source.rows());
    const auto entry = Write(source, {.dim = 4});
    EXPECT_FALSE(store_->Head(ctx_, kKey));
    return entry ? StatusCode::kOk : entry.error().code();
  };
  EXPECT_EQ(refused([](auto& rows) { rows.clear(); }), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused([](auto& rows) { rows[4].id = rows[3].id; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused([](auto& rows) { std::swap(rows[4].id, rows[3].id); }), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused([](auto& rows) { rows[0].id.clear(); }), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused([](auto& rows) { rows[9].id.assign(70000, 'z'); }), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused([](auto& rows) { rows[9].vector.pop_back(); }), StatusCode::kInvalidArgument);
}

TEST_F(SegmentTest, NeverReplacesAnObject) {
  MustWrite(MakeTestRows(10, 4, VectorType::kF32), {.dim = 4});
  const std::string before = Bytes();
  TestSource source(MakeTestRows(11, 4, VectorType::kF32));
  EXPECT_EQ(Write(source, {.dim = 4}).error().code(), StatusCode::kAborted);
  EXPECT_EQ(Bytes(), before);
}

TEST_F(SegmentTest, EqualRowsGiveEqualBytes) {
  MustWrite(MakeTestRows(500, 8, VectorType::kF16), {.dim = 8, .type = VectorType::kF16});
  const std::string first = Bytes();
  ASSERT_TRUE(store_->Delete(ctx_, kKey).ok());
  MustWrite(MakeTestRows(500, 8, VectorType::kF16), {.dim = 8, .type = VectorType::kF16});
  EXPECT_EQ(Bytes(), first);
}

TEST_F(SegmentTest, InspectSaysWhatIsThereAndWhichBlockIsBroken) {
  MustWrite(MakeTestRows(100, 8, VectorType::kF32), {.dim = 8});
  const auto intact = InspectSegmentJson(ctx_, store_, kKey);
  ASSERT_TRUE(intact) << intact.error().ToString();
  EXPECT_NE(intact->find(R"("row_count":100)"), std::string::npos) << *intact;
  EXPECT_NE(intact->find(R"("lsn_max":42)"), std::string::npos);
  EXPECT_NE(intact->find(R"("intact":true)"), std::string::npos);
  std::string bytes = Bytes();
  bytes[4096 + 17] ^= 1;
  Replace(bytes);
  const auto broken = InspectSegmentJson(ctx_, store_, kKey);
  ASSERT_TRUE(broken);
  EXPECT_NE(broken->find(R"("intact":false)"), std::string::npos);
  EXPECT_NE(
      broken->find(
          R"("name":"vectors","offset":4096,"stored_bytes":3200,"raw_bytes":3200,"blocks":1,"broken_blocks":[0])"),
      std::string::npos)
      << *broken;
}

// Opens the segment and reads every column and payload; the first error, or OK.
Status ReadAll(OpContext& ctx, const std::shared_ptr<ObjectStore>& store, const SegmentEntry& entry) {
  AKI_ASSIGN_OR_RETURN(const auto segment, SegmentReader::Open(ctx, store, kKey, entry, NewPayloadBlockCache(0)));
  static const auto every_column =
      ParseFilterText(R"({"must":[{"is_empty":{"key":"n"}},{"is_empty":{"key":"lang"}},{"is_empty":{"key":"text"}}]})");
  AKI_ASSIGN_OR_RETURN(const auto match, segment->MatchColumns(ctx, **every_column));
  EXPECT_TRUE(match.undecided.empty());
  return segment->ScanPayloads(ctx, 0, segment->row_count(), [](RowIndex, std::string_view) { return OkStatus(); });
}

class SegmentFlipTest : public SegmentTest, public testing::WithParamInterface<VectorType> {};

TEST_P(SegmentFlipTest, EveryBitFlipIsSeen) {
  const SegmentEntry entry = MustWrite(MakeTestRows(12, 5, GetParam()), {.dim = 5, .type = GetParam()});
  SegmentEntry without_hint = entry;
  without_hint.footer_offset = without_hint.footer_bytes = 0;
  std::string bytes = Bytes();
  ASSERT_TRUE(ReadAll(ctx_, store_, entry).ok());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    Replace(bytes);
    ASSERT_FALSE(ReadAll(ctx_, store_, entry).ok()) << "bit " << bit % 8 << " of byte " << bit / 8;
    if (bit / 8 >= entry.footer_offset) ASSERT_FALSE(ReadAll(ctx_, store_, without_hint).ok()) << "byte " << bit / 8;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
  }
}

TEST_P(SegmentFlipTest, EveryTruncationIsSeen) {
  const SegmentEntry entry = MustWrite(MakeTestRows(12, 5, GetParam()), {.dim = 5, .type = GetParam()});
  SegmentEntry bare;  // as for a segment found without its manifest
  bare.row_count = entry.row_count;
  const std::string bytes = Bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    Replace(bytes.substr(0, size));
    ASSERT_FALSE(ReadAll(ctx_, store_, bare).ok()) << size << " bytes";
  }
}

INSTANTIATE_TEST_SUITE_P(Types, SegmentFlipTest, testing::Values(VectorType::kF32, VectorType::kInt8),
                         [](const auto& param) { return std::string(VectorTypeName(param.param)); });

}  // namespace
}  // namespace akidb
