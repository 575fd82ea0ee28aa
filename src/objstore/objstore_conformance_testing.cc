#include "objstore/objstore_conformance_testing.h"

#include <algorithm>
#include <barrier>
#include <ostream>
#include <thread>

#include "objstore/kept_bytes.h"

namespace akidb {
namespace {

constexpr uint64_t kSizeMax = 64 << 20;

std::vector<std::string> Keys(const ListPage& page) {
  std::vector<std::string> keys;
  for (const ObjectMeta& object : page.objects) keys.push_back(object.key);
  return keys;
}

// Bytes that differ everywhere, so that moved or cut content shows.
std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  uint32_t state = 1;
  for (char& c : bytes) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return bytes;
}

}  // namespace

void PrintTo(const StoreFactory& factory, std::ostream* os) { *os << factory.name; }

ObjectStoreConformanceTest::ObjectStoreConformanceTest() : ctx_(RealClock()), store_(GetParam().make()) {}

ObjectMeta ObjectStoreConformanceTest::PutOk(const std::string& key, std::string_view body,
                                             const PutCondition& condition) {
  const Result<ObjectMeta> meta = store_->Put(ctx_, key, body, condition);
  EXPECT_TRUE(meta) << meta.error().ToString();
  return meta.value_or(ObjectMeta());
}

std::string ObjectStoreConformanceTest::GetText(const std::string& key) {
  Result<ObjectBody> body = store_->Get(ctx_, key, kSizeMax);
  return body ? std::move(body->bytes) : body.error().ToString();
}

StatusCode ObjectStoreConformanceTest::PutCode(const std::string& key, std::string_view body,
                                               const PutCondition& condition) {
  const Result<ObjectMeta> meta = store_->Put(ctx_, key, body, condition);
  return meta ? StatusCode::kOk : meta.error().code();
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ObjectStoreConformanceTest);

TEST_P(ObjectStoreConformanceTest, GetReturnsWhatPutStored) {
  const std::string body("a\0b\xFF", 4);
  const ObjectMeta put = PutOk("a/b.txt", body);
  EXPECT_EQ(put.key, "a/b.txt");
  EXPECT_EQ(put.size_bytes, 4u);
  const Result<ObjectBody> got = store_->Get(ctx_, "a/b.txt", 4);
  ASSERT_TRUE(got) << got.error().ToString();
  EXPECT_EQ(got->bytes, body);
  EXPECT_EQ(got->meta.key, "a/b.txt");
  EXPECT_EQ(got->meta.size_bytes, 4u);
  EXPECT_EQ(got->meta.etag, put.etag);
  const Result<ObjectMeta> head = store_->Head(ctx_, "a/b.txt");
  ASSERT_TRUE(head) << head.error().ToString();
  EXPECT_EQ(head->key, "a/b.txt");
  EXPECT_EQ(head->size_bytes, 4u);
  EXPECT_EQ(head->etag, put.etag);
}

TEST_P(ObjectStoreConformanceTest, AbsentKeysAreNotFound) {
  PutOk("dir/object", "x");
  char byte = 0;
  for (const std::string key : {"absent", "dir/absent", "absent/absent", "dir", "dir/object/below"}) {
    EXPECT_EQ(store_->Get(ctx_, key, kSizeMax).error().code(), StatusCode::kNotFound) << key;
    EXPECT_EQ(store_->Head(ctx_, key).error().code(), StatusCode::kNotFound) << key;
    EXPECT_EQ(store_->GetRange(ctx_, key, {0, 1}, "", &byte).code(), StatusCode::kNotFound) << key;
  }
}

TEST_P(ObjectStoreConformanceTest, GetRefusesObjectsAboveTheLimit) {
  PutOk("k", "12345");
  const Result<ObjectBody> refused = store_->Get(ctx_, "k", 4);
  EXPECT_EQ(refused.error().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(refused.error().retry(), Retry::kNever);
  EXPECT_TRUE(store_->Get(ctx_, "k", 5));
}

TEST_P(ObjectStoreConformanceTest, EmptyObjectIsAnObject) {
  PutOk("empty", "");
  EXPECT_EQ(GetText("empty"), "");
  EXPECT_EQ(store_->Head(ctx_, "empty")->size_bytes, 0u);
  EXPECT_EQ(PutCode("empty", "x", PutCondition::IfAbsent()), StatusCode::kAborted);
}

TEST_P(ObjectStoreConformanceTest, PutReplacesAndChangesTheEtag) {
  const ObjectMeta first = PutOk("k", "first");
  const ObjectMeta second = PutOk("k", "other");
  EXPECT_EQ(GetText("k"), "other");
  EXPECT_FALSE(first.etag.empty());
  EXPECT_NE(first.etag, second.etag);
}

TEST_P(ObjectStoreConformanceTest, CreateIfAbsentLosesAgainstAnExistingKey) {
  PutOk("k", "first", PutCondition::IfAbsent());
  const Result<ObjectMeta> second = store_->Put(ctx_, "k", "second", PutCondition::IfAbsent());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), StatusCode::kAborted);
  EXPECT_EQ(second.error().reason(), "condition_lost");
  EXPECT_EQ(second.error().effect(), Effect::kNone);
  EXPECT_EQ(GetText("k"), "first");
}

TEST_P(ObjectStoreConformanceTest, CreateIfAbsentHasOneWinnerOfManyRacers) {
  constexpr int kRacers = 32;
  constexpr int kRounds = 8;
  std::vector<std::vector<StatusCode>> outcomes(kRounds, std::vector<StatusCode>(kRacers));
  std::barrier start(kRacers);
  std::vector<std::thread> racers;
  for (int racer = 0; racer < kRacers; ++racer) {
    racers.emplace_back([&, racer] {
      OpContext ctx(RealClock());
      for (int round = 0; round < kRounds; ++round) {
        start.arrive_and_wait();
        const auto meta =
            store_->Put(ctx, "race/" + std::to_string(round), std::to_string(racer), PutCondition::IfAbsent());
        outcomes[round][racer] = meta ? StatusCode::kOk : meta.error().code();
      }
    });
  }
  for (std::thread& racer : racers) racer.join();
  for (int round = 0; round < kRounds; ++round) {
    const auto winner = std::ranges::find(outcomes[round], StatusCode::kOk);
    ASSERT_NE(winner, outcomes[round].end());
    EXPECT_EQ(std::ranges::count(outcomes[round], StatusCode::kOk), 1);
    EXPECT_EQ(std::ranges::count(outcomes[round], StatusCode::kAborted), kRacers - 1);
    EXPECT_EQ(GetText("race/" + std::to_string(round)), std::to_string(winner - outcomes[round].begin()));
  }
}

TEST_P(ObjectStoreConformanceTest, ConditionalReplaceNeedsTheCurrentEtag) {
  const ObjectMeta first = PutOk("k", "first");
  const ObjectMeta second = PutOk("k", "second", PutCondition::IfEtagIs(first.etag));
  EXPECT_EQ(GetText("k"), "second");
  const Result<ObjectMeta> stale = store_->Put(ctx_, "k", "third", PutCondition::IfEtagIs(first.etag));
  EXPECT_EQ(stale.error().code(), StatusCode::kAborted);
  EXPECT_EQ(stale.error().reason(), "condition_lost");
  EXPECT_EQ(GetText("k"), "second");
  PutOk("k", "third", PutCondition::IfEtagIs(second.etag));
  EXPECT_EQ(GetText("k"), "third");
}

TEST_P(ObjectStoreConformanceTest, ConditionalReplaceOfAnAbsentKeyIsNotFound) {
  EXPECT_EQ(PutCode("k", "x", PutCondition::IfEtagIs("etag")), StatusCode::kNotFound);
  EXPECT_EQ(store_->Head(ctx_, "k").error().code(), StatusCode::kNotFound);
}

TEST_P(ObjectStoreConformanceTest, ConditionalReplaceHasOneWinnerPerEtag) {
  constexpr int kRacers = 8;
  constexpr int kRounds = 8;
  const std::string first = PutOk("k", "start").etag;
  std::string current = first;
  std::atomic<int> wins = 0;
  std::string next;
  std::barrier start(kRacers, [&]() noexcept {
    if (!next.empty()) current = next;
  });
  std::vector<std::thread> racers;
  for (int racer = 0; racer < kRacers; ++racer) {
    racers.emplace_back([&, racer] {
      OpContext ctx(RealClock());
      for (int round = 0; round < kRounds; ++round) {
        start.arrive_and_wait();
        const auto meta =
            store_->Put(ctx, "k", std::to_string(round * kRacers + racer), PutCondition::IfEtagIs(current));
        if (meta) {
          ++wins;
          next = meta->etag;
        }
      }
      start.arrive_and_drop();
    });
  }
  for (std::thread& racer : racers) racer.join();
  EXPECT_EQ(wins, kRounds);
}

TEST_P(ObjectStoreConformanceTest, RangesReadExactlyTheirBytes) {
  PutOk("k", "0123456789");
  const auto read = [&](uint64_t begin, uint64_t end) {
    std::string out(end - begin + 1, '#');
    const Status status = store_->GetRange(ctx_, "k", {begin, end}, "", out.data());
    return status.ok() ? out : std::string(StatusCodeName(status.code()));
  };
  EXPECT_EQ(read(0, 10), "0123456789#");
  EXPECT_EQ(read(0, 1), "0#");
  EXPECT_EQ(read(9, 10), "9#");
  EXPECT_EQ(read(3, 7), "3456#");
  EXPECT_EQ(read(5, 5), "#");
  EXPECT_EQ(read(10, 10), "#");
  EXPECT_EQ(read(9, 11), "OUT_OF_RANGE");
  EXPECT_EQ(read(11, 11), "OUT_OF_RANGE");
  EXPECT_EQ(read(UINT64_MAX - 1, UINT64_MAX), "OUT_OF_RANGE");
  char byte = 0;
  EXPECT_EQ(store_->GetRange(ctx_, "k", {7, 3}, "", &byte).code(), StatusCode::kInvalidArgument);
}

TEST_P(ObjectStoreConformanceTest, BigObjectsKeepEveryByte) {
  const std::string body = Pattern((5 << 20) + 17);
  const ObjectMeta meta = PutOk("big", body);
  EXPECT_EQ(meta.size_bytes, body.size());
  EXPECT_TRUE(GetText("big") == body);
  std::string part(1 << 20, '\0');
  const uint64_t begin = (3 << 20) - 5;
  ASSERT_TRUE(store_->GetRange(ctx_, "big", {begin, begin + part.size()}, "", part.data()).ok());
  EXPECT_TRUE(part == body.substr(begin, part.size()));
}

TEST_P(ObjectStoreConformanceTest, WriterPublishesOnlyAtCommit) {
  const std::string body = Pattern((3 << 20) + 5);
  Result<std::unique_ptr<ObjectWriter>> writer = store_->OpenWriter(ctx_, "w/streamed");
  ASSERT_TRUE(writer) << writer.error().ToString();
  for (size_t begin = 0; begin < body.size(); begin += 700'001) {
    ASSERT_TRUE((*writer)->Append(ctx_, std::string_view(body).substr(begin, 700'001)).ok());
  }
  EXPECT_EQ(store_->Head(ctx_, "w/streamed").error().code(), StatusCode::kNotFound);
  EXPECT_TRUE(store_->List(ctx_, "", "", 10)->objects.empty());
  const Result<ObjectMeta> meta = (*writer)->Commit(ctx_, PutCondition::IfAbsent());
  ASSERT_TRUE(meta) << meta.error().ToString();
  EXPECT_EQ(meta->size_bytes, body.size());
  EXPECT_EQ(store_->Head(ctx_, "w/streamed")->etag, meta->etag);
  EXPECT_TRUE(GetText("w/streamed") == body);
}

TEST_P(ObjectStoreConformanceTest, WhatIsKeptForAWriterIsWrittenLikeWhatItCopies) {
  const auto body = std::make_shared<const std::string>(Pattern((3 << 20) + 5));
  const std::string_view bytes = *body;
  Result<std::unique_ptr<ObjectWriter>> writer = store_->OpenWriter(ctx_, "w/kept");
  ASSERT_TRUE(writer) << writer.error().ToString();
  ASSERT_TRUE(AppendKept(ctx_, **writer, {bytes.substr(0, 1 << 20), body}).ok());
  ASSERT_TRUE(AppendKept(ctx_, **writer, {bytes.substr(1 << 20, 5), body}).ok());
  ASSERT_TRUE((*writer)->Append(ctx_, std::string(bytes.substr((1 << 20) + 5, 3))).ok());
  ASSERT_TRUE(AppendKept(ctx_, **writer, {bytes.substr((1 << 20) + 8), body}).ok());
  ASSERT_TRUE((*writer)->Commit(ctx_, PutCondition::IfAbsent()));
  EXPECT_TRUE(GetText("w/kept") == bytes);
}

TEST_P(ObjectStoreConformanceTest, ADigestIsGivenWhatIsWritten) {
  const auto body = std::make_shared<const std::string>(Pattern((3 << 20) + 5));
  const std::string_view bytes = *body;
  Result<std::unique_ptr<ObjectWriter>> writer = store_->OpenWriter(ctx_, "w/digest");
  ASSERT_TRUE(writer) << writer.error().ToString();
  Sha256 whole;
  ASSERT_TRUE(AppendKept(ctx_, **writer, {bytes.substr(0, 70), body, &whole}).ok());
  ASSERT_TRUE(AppendKept(ctx_, **writer, {std::string(bytes.substr(70, 1 << 20)), nullptr, &whole}).ok());
  ASSERT_TRUE(AppendKept(ctx_, **writer, {bytes.substr(70 + (1 << 20)), body, &whole}).ok());
  ASSERT_TRUE((*writer)->Commit(ctx_, PutCondition::IfAbsent()));
  EXPECT_TRUE(GetText("w/digest") == bytes);
  EXPECT_EQ(whole.HexDigest(), Sha256Hex(bytes));
}

TEST_P(ObjectStoreConformanceTest, AbandonedWriterLeavesNothing) {
  {
    const auto writer = store_->OpenWriter(ctx_, "w/abandoned");
    ASSERT_TRUE((*writer)->Append(ctx_, Pattern(2 << 20)).ok());
  }
  EXPECT_EQ(store_->Head(ctx_, "w/abandoned").error().code(), StatusCode::kNotFound);
  EXPECT_TRUE(store_->List(ctx_, "", "", 10)->objects.empty());
}

TEST_P(ObjectStoreConformanceTest, WriterHonoursItsCondition) {
  PutOk("k", "first");
  const auto writer = store_->OpenWriter(ctx_, "k");
  ASSERT_TRUE((*writer)->Append(ctx_, "second").ok());
  EXPECT_EQ((*writer)->Commit(ctx_, PutCondition::IfAbsent()).error().reason(), "condition_lost");
  EXPECT_EQ(GetText("k"), "first");
}

TEST_P(ObjectStoreConformanceTest, EmptyWriterMakesAnEmptyObject) {
  const auto writer = store_->OpenWriter(ctx_, "k");
  ASSERT_TRUE((*writer)->Commit(ctx_, PutCondition::None()));
  EXPECT_EQ(GetText("k"), "");
}

TEST_P(ObjectStoreConformanceTest, ListsInBytewiseOrder) {
  const std::vector<std::string> sorted = {"A", "a-b", "a.b", "a/0/x", "a/B", "a/b", "a0", "b/c/d/e", "b0"};
  for (const std::string& key :
       {sorted[5], sorted[0], sorted[8], sorted[2], sorted[7], sorted[4], sorted[1], sorted[6], sorted[3]}) {
    PutOk(key, key);
  }
  const Result<ListPage> page = store_->List(ctx_, "", "", 1000);
  ASSERT_TRUE(page) << page.error().ToString();
  EXPECT_EQ(Keys(*page), sorted);
  EXPECT_FALSE(page->truncated);
  for (const ObjectMeta& object : page->objects) EXPECT_EQ(object.size_bytes, object.key.size());
}

TEST_P(ObjectStoreConformanceTest, ListTakesOnlyThePrefix) {
  for (const std::string key : {"a/1", "a/b/2", "a/bc/3", "a0/4", "b/5"}) PutOk(key, "");
  const auto list = [&](const std::string& prefix) { return Keys(*store_->List(ctx_, prefix, "", 1000)); };
  using KeyList = std::vector<std::string>;
  EXPECT_EQ(list("a/"), (KeyList{"a/1", "a/b/2", "a/bc/3"}));
  EXPECT_EQ(list("a/b"), (KeyList{"a/b/2", "a/bc/3"}));
  EXPECT_EQ(list("a/b/"), (KeyList{"a/b/2"}));
  EXPECT_EQ(list("a/b/2"), (KeyList{"a/b/2"}));
  EXPECT_EQ(list("a"), (KeyList{"a/1", "a/b/2", "a/bc/3", "a0/4"}));
  EXPECT_EQ(list("a/b/2/"), KeyList());
  EXPECT_EQ(list("c/"), KeyList());
}

TEST_P(ObjectStoreConformanceTest, PagesJoinToTheWholeListing) {
  std::vector<std::string> all;
  for (int i = 0; i < 23; ++i) all.push_back("p/" + std::to_string(i / 5) + "/" + std::to_string(i));
  for (const std::string& key : all) PutOk(key, "");
  PutOk("q", "");
  std::ranges::sort(all);
  for (const uint32_t keys_max : {1u, 4u, 23u, 1000u}) {
    std::vector<std::string> joined;
    std::string start_after;
    for (bool truncated = true; truncated;) {
      const Result<ListPage> page = store_->List(ctx_, "p/", start_after, keys_max);
      ASSERT_TRUE(page) << page.error().ToString();
      ASSERT_LE(page->objects.size(), keys_max);
      truncated = page->truncated;
      ASSERT_FALSE(truncated && page->objects.empty());
      for (const ObjectMeta& object : page->objects) joined.push_back(start_after = object.key);
    }
    EXPECT_EQ(joined, all) << keys_max;
  }
}

TEST_P(ObjectStoreConformanceTest, StartAfterNeedNotBeAKey) {
  for (const std::string key : {"a/1", "a/2", "b/1", "c"}) PutOk(key, "");
  const auto list = [&](const std::string& prefix, const std::string& start_after) {
    return Keys(*store_->List(ctx_, prefix, start_after, 1000));
  };
  using KeyList = std::vector<std::string>;
  EXPECT_EQ(list("", "a/1x"), (KeyList{"a/2", "b/1", "c"}));
  EXPECT_EQ(list("", "a/2"), (KeyList{"b/1", "c"}));
  EXPECT_EQ(list("", "a/~"), (KeyList{"b/1", "c"}));
  EXPECT_EQ(list("b/", "a/1"), (KeyList{"b/1"}));
  EXPECT_EQ(list("a/", "b"), KeyList());
}

TEST_P(ObjectStoreConformanceTest, ListRefusesBadArguments) {
  EXPECT_EQ(store_->List(ctx_, "", "", 0).error().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->List(ctx_, "", "", 1001).error().code(), StatusCode::kInvalidArgument);
  for (const std::string prefix : {"/", "../", "a/../b", "a//", "a/./b", "a b"}) {
    EXPECT_EQ(store_->List(ctx_, prefix, "", 10).error().code(), StatusCode::kInvalidArgument) << prefix;
  }
}

TEST_P(ObjectStoreConformanceTest, DeleteIsIdempotent) {
  PutOk("d/k", "x");
  EXPECT_TRUE(store_->Delete(ctx_, "d/k").ok());
  EXPECT_EQ(store_->Head(ctx_, "d/k").error().code(), StatusCode::kNotFound);
  EXPECT_TRUE(store_->Delete(ctx_, "d/k").ok());
  EXPECT_TRUE(store_->Delete(ctx_, "never/was").ok());
  PutOk("d/k", "again", PutCondition::IfAbsent());
  EXPECT_EQ(GetText("d/k"), "again");
}

TEST_P(ObjectStoreConformanceTest, BadKeysAreRefusedEverywhere) {
  char byte = 0;
  for (const std::string& key : {std::string(), std::string("/a"), std::string("a/"), std::string("a//b"),
                                 std::string("../a"), std::string("a/../b"), std::string("a/.."), std::string("."),
                                 std::string("a/./b"), std::string("a\0b", 3), std::string("a b"), std::string("a\\b"),
                                 std::string("%2e%2e"), std::string("\xC3\xA9"), std::string(1025, 'k')}) {
    EXPECT_EQ(PutCode(key, "x", PutCondition::None()), StatusCode::kInvalidArgument) << key;
    EXPECT_EQ(store_->Get(ctx_, key, 1).error().code(), StatusCode::kInvalidArgument) << key;
    EXPECT_EQ(store_->GetRange(ctx_, key, {0, 1}, "", &byte).code(), StatusCode::kInvalidArgument) << key;
    EXPECT_EQ(store_->Head(ctx_, key).error().code(), StatusCode::kInvalidArgument) << key;
    EXPECT_EQ(store_->Delete(ctx_, key).code(), StatusCode::kInvalidArgument) << key;
    const auto writer = store_->OpenWriter(ctx_, key);
    EXPECT_EQ(writer ? StatusCode::kOk : writer.error().code(), StatusCode::kInvalidArgument) << key;
  }
}

TEST_P(ObjectStoreConformanceTest, LongestKeyIsAccepted) {
  std::string key;
  while (key.size() < 1000) key += "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde/";
  key.resize(1023, 'k');
  key += 'z';
  PutOk(key, "x");
  EXPECT_EQ(GetText(key), "x");
  EXPECT_EQ(Keys(*store_->List(ctx_, "", "", 10)), std::vector<std::string>{key});
}

TEST_P(ObjectStoreConformanceTest, PassedDeadlineChangesNothing) {
  PutOk("k", "first");
  OpContext late(RealClock());
  late.set_timeout(Duration(0));
  EXPECT_EQ(store_->Put(late, "k", "second", PutCondition::None()).error().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(store_->Delete(late, "k").code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(store_->Get(late, "k", kSizeMax).error().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(GetText("k"), "first");
}

}  // namespace akidb
