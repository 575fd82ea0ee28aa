// `akidb store check`: tries, on the real thing, what the commit protocol needs of a store. Everything happens under
// one scratch prefix that is deleted at the end.
#include <algorithm>
#include <atomic>
#include <thread>

#include "base/json_writer.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/table.h"
#include "objstore/object_store.h"
#include "server/store_url.h"

namespace akidb {
namespace {

constexpr uint64_t kBodyBytesMax = 1u << 20;

class StoreCheck {
 public:
  StoreCheck(OpContext& ctx, ObjectStore& store, const StoreCheckOptions& options, std::string prefix)
      : ctx_(ctx), store_(store), options_(options), prefix_(std::move(prefix)) {}

  struct Outcome {
    std::string name;
    std::string detail;
    Status status;
    Duration took{};
  };

  Status RunAll();
  const std::vector<Outcome>& outcomes() const { return outcomes_; }

 private:
  // A check returns its detail, or why the store is not good enough.
  using Check = Result<std::string> (StoreCheck::*)();

  Result<std::string> ReadsBackWhatWasWritten();
  Result<std::string> RefusesASecondCreate();
  Result<std::string> OneWinnerARace();
  Result<std::string> RefusesAStaleReplace();
  Result<std::string> CreatesAgainAfterDelete();
  Result<std::string> ReadsRanges();
  Result<std::string> ListsInOrder();
  Result<std::string> ForgetsAbandonedUploads();
  Status Race(uint32_t round, uint64_t* winners);
  Status CleanUp();

  std::string Key(std::string_view name) const { return prefix_ + std::string(name); }

  OpContext& ctx_;
  ObjectStore& store_;
  const StoreCheckOptions& options_;
  const std::string prefix_;
  std::vector<Outcome> outcomes_;
};

// "Refused" must be a refusal for that reason and nothing else.
Status ExpectConditionLost(const Result<ObjectMeta>& result, std::string_view what) {
  if (result) return FailedPrecondition(std::string(what) + " was accepted");
  if (result.error().code() == StatusCode::kAborted) return OkStatus();
  return result.error();
}

Result<std::string> StoreCheck::ReadsBackWhatWasWritten() {
  const std::string body(64u << 10, 'a');
  AKI_RETURN_IF_ERROR(store_.Put(ctx_, Key("plain"), body, PutCondition::None()));
  AKI_ASSIGN_OR_RETURN(const ObjectBody read, store_.Get(ctx_, Key("plain"), kBodyBytesMax));
  if (read.bytes != body) return std::unexpected(DataLoss("other bytes came back"));
  const auto missing = store_.Get(ctx_, Key("missing"), kBodyBytesMax);
  if (missing || missing.error().code() != StatusCode::kNotFound) {
    return std::unexpected(FailedPrecondition("reading an absent key is not 'not found'"));
  }
  return "64 KiB";
}

Result<std::string> StoreCheck::RefusesASecondCreate() {
  AKI_RETURN_IF_ERROR(store_.Put(ctx_, Key("once"), "first", PutCondition::IfAbsent()));
  AKI_RETURN_IF_ERROR(ExpectConditionLost(store_.Put(ctx_, Key("once"), "second", PutCondition::IfAbsent()),
                                          "a second create-if-absent"));
  AKI_ASSIGN_OR_RETURN(const ObjectBody read, store_.Get(ctx_, Key("once"), kBodyBytesMax));
  if (read.bytes != "first") return std::unexpected(DataLoss("the refused create changed the object"));
  return "the first bytes stay";
}

Status StoreCheck::Race(uint32_t round, uint64_t* winners) {
  const std::string key = Key("race/" + std::to_string(round));
  std::atomic<uint64_t> won{0};
  std::atomic<uint64_t> broken{0};
  std::vector<std::thread> racers;
  for (uint32_t i = 0; i < options_.racers; ++i) {
    racers.emplace_back([&, i] {
      OpContext ctx(RealClock());
      const auto put = store_.Put(ctx, key, "racer " + std::to_string(i), PutCondition::IfAbsent());
      if (put) won.fetch_add(1);
      if (!put && put.error().code() != StatusCode::kAborted) broken.fetch_add(1);
    });
  }
  for (std::thread& racer : racers) racer.join();
  *winners = won.load();
  return broken.load() == 0 ? OkStatus() : Unavailable(std::to_string(broken.load()) + " racers got no verdict");
}

Result<std::string> StoreCheck::OneWinnerARace() {
  for (uint32_t round = 0; round < options_.rounds; ++round) {
    AKI_RETURN_IF_ERROR(CheckInterrupt());
    uint64_t winners = 0;
    AKI_RETURN_IF_ERROR(Race(round, &winners));
    if (winners != 1) {
      return std::unexpected(FailedPrecondition(std::to_string(winners) + " of " + std::to_string(options_.racers) +
                                                " racers created the same key"));
    }
  }
  return std::to_string(options_.racers) + " racers x " + std::to_string(options_.rounds) + " rounds";
}

Result<std::string> StoreCheck::RefusesAStaleReplace() {
  AKI_ASSIGN_OR_RETURN(const ObjectMeta first, store_.Put(ctx_, Key("replace"), "1", PutCondition::None()));
  AKI_RETURN_IF_ERROR(store_.Put(ctx_, Key("replace"), "2", PutCondition::IfEtagIs(first.etag)));
  AKI_RETURN_IF_ERROR(ExpectConditionLost(store_.Put(ctx_, Key("replace"), "3", PutCondition::IfEtagIs(first.etag)),
                                          "a replace with a stale etag"));
  AKI_ASSIGN_OR_RETURN(const ObjectBody read, store_.Get(ctx_, Key("replace"), kBodyBytesMax));
  if (read.bytes != "2") return std::unexpected(DataLoss("the refused replace changed the object"));
  return "stale etag refused";
}

Result<std::string> StoreCheck::CreatesAgainAfterDelete() {
  AKI_RETURN_IF_ERROR(store_.Put(ctx_, Key("again"), "old", PutCondition::IfAbsent()));
  AKI_RETURN_IF_ERROR(store_.Delete(ctx_, Key("again")));
  AKI_RETURN_IF_ERROR(store_.Delete(ctx_, Key("again")));
  AKI_RETURN_IF_ERROR(store_.Put(ctx_, Key("again"), "new", PutCondition::IfAbsent()));
  AKI_ASSIGN_OR_RETURN(const ObjectBody read, store_.Get(ctx_, Key("again"), kBodyBytesMax));
  if (read.bytes != "new") return std::unexpected(DataLoss("the old bytes came back"));
  return "delete twice, create, read";
}

Result<std::string> StoreCheck::ReadsRanges() {
  std::string body(100000, '\0');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 26);
  AKI_RETURN_IF_ERROR(store_.Put(ctx_, Key("ranges"), body, PutCondition::None()));
  for (const ByteRange range : {ByteRange{0, 1}, ByteRange{4095, 8193}, ByteRange{99999, 100000}}) {
    std::string out(range.size(), '\0');
    AKI_RETURN_IF_ERROR(store_.GetRange(ctx_, Key("ranges"), range, {}, out.data()));
    if (out != body.substr(range.begin, range.size())) return std::unexpected(DataLoss("a range has other bytes"));
  }
  std::string out(2, '\0');
  if (store_.GetRange(ctx_, Key("ranges"), {99999, 100001}, {}, out.data()).ok()) {
    return std::unexpected(FailedPrecondition("a range past the end was answered"));
  }
  return "3 ranges, 1 past the end";
}

Result<std::string> StoreCheck::ListsInOrder() {
  const std::vector<std::string> names = {"list/a", "list/a.b", "list/b/c", "list/b/d", "list/b0"};
  for (const std::string& name : names) AKI_RETURN_IF_ERROR(store_.Put(ctx_, Key(name), name, PutCondition::None()));
  std::vector<std::string> expected;
  for (const std::string& name : names) expected.push_back(Key(name));
  std::sort(expected.begin(), expected.end());
  std::vector<std::string> seen;
  for (std::string after;;) {
    AKI_ASSIGN_OR_RETURN(const ListPage page, store_.List(ctx_, Key("list/"), after, 2));
    for (const ObjectMeta& object : page.objects) seen.push_back(object.key);
    if (!page.truncated || page.objects.empty()) break;
    after = page.objects.back().key;
  }
  if (seen != expected) return std::unexpected(FailedPrecondition("keys are missing, doubled or out of order"));
  return std::to_string(seen.size()) + " keys in pages of 2";
}

Result<std::string> StoreCheck::ForgetsAbandonedUploads() {
  {
    AKI_ASSIGN_OR_RETURN(const auto abandoned, store_.OpenWriter(ctx_, Key("upload")));
    AKI_RETURN_IF_ERROR(abandoned->Append(ctx_, "half"));
  }
  if (store_.Head(ctx_, Key("upload"))) return std::unexpected(FailedPrecondition("an abandoned upload is visible"));
  AKI_ASSIGN_OR_RETURN(const auto writer, store_.OpenWriter(ctx_, Key("upload")));
  AKI_RETURN_IF_ERROR(writer->Append(ctx_, "who"));
  AKI_RETURN_IF_ERROR(writer->Append(ctx_, "le"));
  AKI_RETURN_IF_ERROR(writer->Commit(ctx_, PutCondition::IfAbsent()));
  AKI_ASSIGN_OR_RETURN(const ObjectBody read, store_.Get(ctx_, Key("upload"), kBodyBytesMax));
  if (read.bytes != "whole") return std::unexpected(DataLoss("a streamed object has other bytes"));
  return "1 abandoned, 1 committed";
}

Status StoreCheck::CleanUp() {
  for (;;) {
    AKI_ASSIGN_OR_RETURN(const ListPage page, store_.List(ctx_, prefix_, "", 1000));
    for (const ObjectMeta& object : page.objects) AKI_RETURN_IF_ERROR(store_.Delete(ctx_, object.key));
    if (!page.truncated) return OkStatus();
  }
}

Status StoreCheck::RunAll() {
  const std::vector<std::pair<std::string, Check>> checks = {
      {"read back what was written", &StoreCheck::ReadsBackWhatWasWritten},
      {"create-if-absent refuses a second", &StoreCheck::RefusesASecondCreate},
      {"create-if-absent has one winner", &StoreCheck::OneWinnerARace},
      {"replace-if-unchanged refuses a stale etag", &StoreCheck::RefusesAStaleReplace},
      {"create after delete", &StoreCheck::CreatesAgainAfterDelete},
      {"range reads", &StoreCheck::ReadsRanges},
      {"listing in order, paged", &StoreCheck::ListsInOrder},
      {"streamed uploads appear whole or not", &StoreCheck::ForgetsAbandonedUploads}};
  for (const auto& [name, check] : checks) {
    AKI_RETURN_IF_ERROR(CheckInterrupt());
    const MonotonicTime started = ctx_.clock().Now();
    Result<std::string> result = (this->*check)();
    const Duration took = ctx_.clock().Now() - started;
    outcomes_.push_back(
        {name, result ? *result : std::string(result.error().message()), result ? OkStatus() : result.error(), took});
  }
  return CleanUp();
}

void PrintOutcomes(const StoreCheck& check, std::string_view kind, bool good, const Console& console) {
  Table table({{"CHECK"}, {"VERDICT"}, {"TIME", Align::kRight}, {"DETAIL"}});
  std::string json;
  JsonWriter writer(&json);
  writer.BeginObject().Key("store").Value(kind).Key("good").Value(good).Key("checks").BeginArray();
  for (const StoreCheck::Outcome& outcome : check.outcomes()) {
    table.Add({outcome.name, outcome.status.ok() ? "ok" : "FAILED", HumanDuration(outcome.took), outcome.detail});
    writer.BeginObject().Key("name").Value(outcome.name).Key("ok").Value(outcome.status.ok());
    writer.Key("detail").Value(outcome.detail);
    writer.Key("took_ms").Value(std::chrono::duration<double, std::milli>(outcome.took).count()).EndObject();
  }
  writer.EndArray().EndObject();
  console.json() ? console.PrintJson(json) : console.Print(table.ToString());
}

}  // namespace

Status RunStoreCheck(const StoreCheckOptions& options, const Console& console) {
  const std::unique_ptr<Random> random = NewSystemRandom();
  Environment env;
  env.clock = &RealClock();
  env.random = random.get();
  env.fs = &PosixFileSystem();
  env.die = [](const Status& status) { throw std::runtime_error(status.ToString()); };
  OpContext ctx(RealClock());
  AKI_ASSIGN_OR_RETURN(const OpenedStore opened, OpenStore(ctx, env, options.url, LockNote("store check")));
  StoreCheck check(ctx, *opened.store, options, "store-check/" + random->Hex(16) + "/");
  AKI_RETURN_IF_ERROR(check.RunAll());
  const auto failed = std::count_if(check.outcomes().begin(), check.outcomes().end(),
                                    [](const StoreCheck::Outcome& outcome) { return !outcome.status.ok(); });
  PrintOutcomes(check, opened.store->kind(), failed == 0, console);
  if (failed == 0) return OkStatus();
  return FailedPrecondition(std::to_string(failed) + " checks failed: AkiDB must not run on this store");
}

}  // namespace akidb
