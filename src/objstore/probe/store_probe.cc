#include "objstore/probe/store_probe.h"

#include <algorithm>
#include <atomic>

#include "base/check.h"

namespace akidb {
namespace {

constexpr uint64_t kBodyBytesMax = 1u << 20;

// Says nothing about what the store can do: the probe ends without a verdict.
bool LeavesUndecided(const Status& status) {
  switch (status.code()) {
    case StatusCode::kUnavailable:
    case StatusCode::kDeadlineExceeded:
    case StatusCode::kCancelled:
    case StatusCode::kResourceExhausted:
    case StatusCode::kPermissionDenied:
    case StatusCode::kUnauthenticated: return true;
    default: return false;
  }
}

// Where 403 is an answer like others: of what is locked, it is the usual one.
bool IsNoAnswer(const Status& status) {
  return LeavesUndecided(status) && status.code() != StatusCode::kPermissionDenied;
}

std::string Printable(std::string_view text) {
  std::string out(text.substr(0, kCheckDetailBytesMax));
  for (char& c : out) {
    if (c < 0x20 || c > 0x7E) c = '?';
  }
  return out;
}

class StoreProbe {
 public:
  StoreProbe(OpContext& ctx, ObjectStore& store, const StoreProbeOptions& options, std::string prefix)
      : ctx_(ctx), store_(store), options_(options), prefix_(std::move(prefix)) {}

  Result<StoreVerdict> Run();
  Status CleanUp();

 private:
  // What was seen; nullopt: not applicable, `not_applicable_` says why. An error: the store is not good enough.
  using Seen = Result<std::optional<std::string>>;
  using Check = Seen (StoreProbe::*)();

  Seen ReadAfterWrite();
  Seen RangeReads();
  Seen OrderedListing();
  Seen StreamedUpload();
  Seen CreateAfterDelete();
  Seen CreateIfAbsent();
  Seen CreateRace();
  Seen StreamedCreateIfAbsent();
  Seen ReplaceIfUnchanged();
  Seen ReplaceOfMissing();
  Seen VersionedRead();
  Seen Checksum();
  Seen ObjectLock();
  Seen LockHolds(ProbeExtensions& extensions, const std::string& version);

  Result<std::vector<uint64_t>> RaceWinners(uint32_t first, uint32_t end);
  Seen NotApplicable(std::string_view why) {
    not_applicable_ = why;
    return std::nullopt;
  }
  std::string Key(std::string_view name) const { return prefix_ + std::string(name); }
  Status ExpectBody(std::string_view name, std::string_view body, std::string_view otherwise);
  Status ExpectVersion(std::string_view name, const std::string& version_id, std::string_view body,
                       std::string_view otherwise);
  Status PutPlain(std::string_view name, std::string_view body) {
    return internal::ToStatus(store_.Put(ctx_, Key(name), body, PutCondition::None()));
  }

  OpContext& ctx_;
  ObjectStore& store_;
  const StoreProbeOptions& options_;
  const std::string prefix_;
  std::string not_applicable_;
};

// "Refused" must be a refusal for that reason and nothing else.
Status ExpectConditionLost(const Result<ObjectMeta>& result, std::string_view what) {
  if (result) return FailedPrecondition(std::string(what) + " was accepted");
  if (result.error().code() == StatusCode::kAborted) return OkStatus();
  return result.error();
}

Status StoreProbe::ExpectBody(std::string_view name, std::string_view body, std::string_view otherwise) {
  AKI_ASSIGN_OR_RETURN(const ObjectBody read, store_.Get(ctx_, Key(name), kBodyBytesMax));
  return read.bytes == body ? OkStatus() : DataLoss(std::string(otherwise));
}

Status StoreProbe::ExpectVersion(std::string_view name, const std::string& version_id, std::string_view body,
                                 std::string_view otherwise) {
  std::string read(body.size(), '\0');
  const Status status = store_.GetRange(ctx_, Key(name), {0, body.size()}, version_id, read.data());
  if (!status.ok() && LeavesUndecided(status)) return status;
  return status.ok() && read == body ? OkStatus() : DataLoss(std::string(otherwise));
}

StoreProbe::Seen StoreProbe::ReadAfterWrite() {
  const std::string body(64u << 10, 'a');
  AKI_RETURN_IF_ERROR(PutPlain("plain", body));
  AKI_RETURN_IF_ERROR(ExpectBody("plain", body, "other bytes came back"));
  AKI_RETURN_IF_ERROR(PutPlain("plain", "new"));
  AKI_RETURN_IF_ERROR(ExpectBody("plain", "new", "the bytes before the overwrite came back"));
  const auto missing = store_.Get(ctx_, Key("missing"), kBodyBytesMax);
  if (missing) return std::unexpected(FailedPrecondition("an absent key was read"));
  if (missing.error().code() != StatusCode::kNotFound) return std::unexpected(missing.error());
  return "64 KiB, overwritten";
}

StoreProbe::Seen StoreProbe::RangeReads() {
  std::string body(100000, '\0');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 26);
  AKI_RETURN_IF_ERROR(PutPlain("ranges", body));
  for (const ByteRange range : {ByteRange{0, 1}, ByteRange{4095, 8193}, ByteRange{99999, 100000}}) {
    std::string out(range.size(), '\0');
    AKI_RETURN_IF_ERROR(store_.GetRange(ctx_, Key("ranges"), range, {}, out.data()));
    if (out != body.substr(range.begin, range.size())) return std::unexpected(DataLoss("a range has other bytes"));
  }
  std::string out(2, '\0');
  const Status past = store_.GetRange(ctx_, Key("ranges"), {99999, 100001}, {}, out.data());
  if (past.ok()) return std::unexpected(FailedPrecondition("a range past the end was answered"));
  if (LeavesUndecided(past)) return std::unexpected(past);
  return "3 ranges, 1 past the end";
}

StoreProbe::Seen StoreProbe::OrderedListing() {
  std::vector<std::string> expected;
  for (const std::string name : {"list/a", "list/a.b", "list/b/c", "list/b/d", "list/b0"}) {
    AKI_RETURN_IF_ERROR(PutPlain(name, name));
    expected.push_back(Key(name));
  }
  std::ranges::sort(expected);
  std::vector<std::string> seen;
  for (std::string after;;) {
    AKI_ASSIGN_OR_RETURN(const ListPage page, store_.List(ctx_, Key("list/"), after, 2));
    for (const ObjectMeta& object : page.objects) seen.push_back(object.key);
    if (!page.truncated || page.objects.empty() || seen.size() > expected.size()) break;
    after = page.objects.back().key;
  }
  if (seen != expected) return std::unexpected(FailedPrecondition("keys are missing, doubled or out of order"));
  return std::to_string(seen.size()) + " keys in pages of 2";
}

StoreProbe::Seen StoreProbe::StreamedUpload() {
  {
    AKI_ASSIGN_OR_RETURN(const auto abandoned, store_.OpenWriter(ctx_, Key("upload")));
    AKI_RETURN_IF_ERROR(abandoned->Append(ctx_, "half"));
  }
  const auto head = store_.Head(ctx_, Key("upload"));
  if (head) return std::unexpected(FailedPrecondition("an abandoned upload is visible"));
  if (head.error().code() != StatusCode::kNotFound) return std::unexpected(head.error());
  AKI_ASSIGN_OR_RETURN(const auto writer, store_.OpenWriter(ctx_, Key("upload")));
  AKI_RETURN_IF_ERROR(writer->Append(ctx_, "who"));
  AKI_RETURN_IF_ERROR(writer->Append(ctx_, "le"));
  AKI_RETURN_IF_ERROR(writer->Commit(ctx_, PutCondition::IfAbsent()));
  AKI_RETURN_IF_ERROR(ExpectBody("upload", "whole", "a streamed object has other bytes"));
  return "1 abandoned, 1 committed";
}

StoreProbe::Seen StoreProbe::CreateAfterDelete() {
  AKI_ASSIGN_OR_RETURN(const ObjectMeta old, store_.Put(ctx_, Key("again"), "old", PutCondition::IfAbsent()));
  AKI_RETURN_IF_ERROR(store_.Delete(ctx_, Key("again")));
  AKI_RETURN_IF_ERROR(store_.Delete(ctx_, Key("again")));
  const auto created = store_.Put(ctx_, Key("again"), "new", PutCondition::IfAbsent());
  if (!created && created.error().code() == StatusCode::kAborted) {
    return std::unexpected(FailedPrecondition("a deleted key cannot be created again"));
  }
  if (!created) return std::unexpected(created.error());
  AKI_RETURN_IF_ERROR(ExpectBody("again", "new", "the old bytes came back"));
  // Where there are versions, the delete has left a marker.
  return old.version_id.empty() ? "deleted twice, created, read"
                                : "deleted twice, created over the delete marker, read";
}

StoreProbe::Seen StoreProbe::CreateIfAbsent() {
  AKI_RETURN_IF_ERROR(store_.Put(ctx_, Key("once"), "first", PutCondition::IfAbsent()));
  AKI_RETURN_IF_ERROR(ExpectConditionLost(store_.Put(ctx_, Key("once"), "second", PutCondition::IfAbsent()),
                                          "a second create-if-absent"));
  AKI_RETURN_IF_ERROR(ExpectBody("once", "first", "the refused create changed the object"));
  return "the first bytes stay";
}

// The winners of each of the rounds [first, end).
Result<std::vector<uint64_t>> StoreProbe::RaceWinners(uint32_t first, uint32_t end) {
  std::vector<std::atomic<uint64_t>> won(end - first);
  std::vector<Status> undecided(static_cast<size_t>(end - first) * options_.racers);
  std::vector<std::function<void()>> racers;
  for (uint32_t round = first; round < end; ++round) {
    for (uint32_t i = 0; i < options_.racers; ++i) {
      Status& failed = undecided[racers.size()];
      racers.emplace_back([this, &won = won[round - first], &failed, key = Key("race/" + std::to_string(round)), i] {
        OpContext ctx(ctx_.clock());
        ctx.set_deadline(ctx_.deadline());
        const auto put = store_.Put(ctx, key, "racer " + std::to_string(i), PutCondition::IfAbsent());
        if (put) {
          ++won;
        } else if (put.error().code() != StatusCode::kAborted) {
          failed = put.error();
        }
      });
    }
  }
  options_.run_together(racers);
  for (const Status& status : undecided) AKI_RETURN_IF_ERROR(status);
  return std::vector<uint64_t>(won.begin(), won.end());
}

StoreProbe::Seen StoreProbe::CreateRace() {
  for (uint32_t round = 0; round < options_.rounds; round += options_.rounds_at_once) {
    AKI_RETURN_IF_ERROR(ctx_.Check());
    AKI_ASSIGN_OR_RETURN(const std::vector<uint64_t> winners,
                         RaceWinners(round, std::min(options_.rounds, round + options_.rounds_at_once)));
    const auto wrong = std::ranges::find_if(winners, [](uint64_t count) { return count != 1; });
    if (wrong != winners.end()) {
      return std::unexpected(FailedPrecondition(std::to_string(*wrong) + " of " + std::to_string(options_.racers) +
                                                " racers created the same key"));
    }
  }
  return std::to_string(options_.racers) + " racers x " + std::to_string(options_.rounds) + " rounds";
}

StoreProbe::Seen StoreProbe::StreamedCreateIfAbsent() {
  AKI_RETURN_IF_ERROR(PutPlain("upload-once", "first"));
  AKI_ASSIGN_OR_RETURN(const auto writer, store_.OpenWriter(ctx_, Key("upload-once")));
  AKI_RETURN_IF_ERROR(writer->Append(ctx_, "second"));
  AKI_RETURN_IF_ERROR(
      ExpectConditionLost(writer->Commit(ctx_, PutCondition::IfAbsent()), "an upload over an existing key"));
  AKI_RETURN_IF_ERROR(ExpectBody("upload-once", "first", "the refused upload changed the object"));
  return "the first bytes stay";
}

StoreProbe::Seen StoreProbe::ReplaceIfUnchanged() {
  AKI_ASSIGN_OR_RETURN(const ObjectMeta first, store_.Put(ctx_, Key("replace"), "1", PutCondition::None()));
  AKI_RETURN_IF_ERROR(store_.Put(ctx_, Key("replace"), "2", PutCondition::IfEtagIs(first.etag)));
  AKI_RETURN_IF_ERROR(ExpectConditionLost(store_.Put(ctx_, Key("replace"), "3", PutCondition::IfEtagIs(first.etag)),
                                          "a replace with a stale etag"));
  AKI_RETURN_IF_ERROR(ExpectBody("replace", "2", "the refused replace changed the object"));
  return "stale etag refused";
}

StoreProbe::Seen StoreProbe::ReplaceOfMissing() {
  AKI_ASSIGN_OR_RETURN(const ObjectMeta first, store_.Put(ctx_, Key("gone"), "1", PutCondition::None()));
  AKI_RETURN_IF_ERROR(store_.Delete(ctx_, Key("gone")));
  for (const std::string name : {"gone", "never"}) {
    const auto replaced = store_.Put(ctx_, Key(name), "2", PutCondition::IfEtagIs(first.etag));
    if (replaced) return std::unexpected(FailedPrecondition("a replace of a missing key was accepted"));
    const StatusCode code = replaced.error().code();
    if (code != StatusCode::kNotFound && code != StatusCode::kAborted) return std::unexpected(replaced.error());
    const auto head = store_.Head(ctx_, Key(name));
    if (head) return std::unexpected(DataLoss("the refused replace made an object"));
    if (LeavesUndecided(head.error())) return std::unexpected(head.error());
  }
  return "deleted key, key that never was";
}

StoreProbe::Seen StoreProbe::VersionedRead() {
  AKI_ASSIGN_OR_RETURN(const ObjectMeta first, store_.Put(ctx_, Key("versions"), "first", PutCondition::None()));
  AKI_ASSIGN_OR_RETURN(const ObjectMeta second, store_.Put(ctx_, Key("versions"), "other", PutCondition::None()));
  if (first.version_id.empty() && second.version_id.empty()) return NotApplicable("the store reports no version ids");
  if (first.version_id == second.version_id) {
    return std::unexpected(FailedPrecondition("two versions have the same id"));
  }
  AKI_RETURN_IF_ERROR(
      ExpectVersion("versions", first.version_id, "first", "an overwritten version is not what it was"));
  AKI_RETURN_IF_ERROR(store_.Delete(ctx_, Key("versions")));
  AKI_RETURN_IF_ERROR(ExpectVersion("versions", first.version_id, "first", "an old version went with its key"));
  AKI_RETURN_IF_ERROR(ExpectVersion("versions", second.version_id, "other", "the last version went with its key"));
  const auto deleted = store_.Get(ctx_, Key("versions"), kBodyBytesMax);
  if (deleted) return std::unexpected(FailedPrecondition("a deleted key can still be read"));
  if (deleted.error().code() != StatusCode::kNotFound) return std::unexpected(deleted.error());
  return "overwritten, deleted, both read";
}

StoreProbe::Seen StoreProbe::Checksum() {
  if (options_.extensions == nullptr) return NotApplicable("checksums are not sent to this store");
  const Status status = options_.extensions->PutWithWrongChecksum(ctx_, Key("checksum"), "bytes");
  if (status.ok()) return std::unexpected(FailedPrecondition("bytes under a wrong checksum were accepted"));
  if (status.code() == StatusCode::kUnimplemented) return NotApplicable("checksums are not sent to this store");
  if (LeavesUndecided(status)) return std::unexpected(status);
  const auto head = store_.Head(ctx_, Key("checksum"));
  if (head) return std::unexpected(DataLoss("the refused bytes made an object"));
  if (LeavesUndecided(head.error())) return std::unexpected(head.error());
  return "wrong checksum refused";
}

StoreProbe::Seen StoreProbe::ObjectLock() {
  if (options_.extensions == nullptr) return NotApplicable("this store has no object lock");
  ProbeExtensions& extensions = *options_.extensions;
  const Result<std::string> version = extensions.PutLocked(ctx_, Key("locked"), "locked");
  if (!version) {
    switch (version.error().code()) {
      case StatusCode::kUnimplemented:
      case StatusCode::kFailedPrecondition: return NotApplicable("the bucket has no object lock");
      case StatusCode::kPermissionDenied: return NotApplicable("these credentials may not lock objects");
      default: return std::unexpected(version.error());
    }
  }
  Seen seen = LockHolds(extensions, *version);
  extensions.RemoveLocked(ctx_, Key("locked"), *version).IgnoreError("what stays locked frees itself in time");
  return seen;
}

StoreProbe::Seen StoreProbe::LockHolds(ProbeExtensions& extensions, const std::string& version) {
  // A refusal says something only if what is not locked could have been removed.
  AKI_ASSIGN_OR_RETURN(const std::string free, extensions.PutUnlocked(ctx_, Key("free"), "free"));
  const Status removed = extensions.DeleteVersion(ctx_, Key("free"), free);
  if (IsNoAnswer(removed)) return std::unexpected(removed);
  if (!removed.ok()) return NotApplicable("these credentials may not remove versions, locked or not");
  const Status deleted = extensions.DeleteVersion(ctx_, Key("locked"), version);
  if (deleted.ok()) return std::unexpected(FailedPrecondition("a locked version was deleted"));
  if (IsNoAnswer(deleted)) return std::unexpected(deleted);
  const Status shortened = extensions.ShortenLock(ctx_, Key("locked"), version);
  if (shortened.ok()) return std::unexpected(FailedPrecondition("a lock was shortened"));
  if (IsNoAnswer(shortened)) return std::unexpected(shortened);
  AKI_RETURN_IF_ERROR(PutPlain("locked", "another"));
  AKI_RETURN_IF_ERROR(store_.Delete(ctx_, Key("locked")));
  AKI_RETURN_IF_ERROR(ExpectVersion("locked", version, "locked", "a locked version is not what it was"));
  return "delete by version id and shortening refused";
}

Status StoreProbe::CleanUp() {
  // What removes versions removes objects too. It may need rights that nodes do not have.
  if (options_.extensions != nullptr && options_.extensions->PurgeVersions(ctx_, prefix_).ok()) return OkStatus();
  for (std::string after;;) {
    AKI_ASSIGN_OR_RETURN(const ListPage page, store_.List(ctx_, prefix_, after, kListKeysMax));
    for (const ObjectMeta& object : page.objects) AKI_RETURN_IF_ERROR(store_.Delete(ctx_, object.key));
    if (!page.truncated || page.objects.empty()) break;
    after = page.objects.back().key;
  }
  return OkStatus();
}

Result<StoreVerdict> StoreProbe::Run() {
  static constexpr std::array<Check, kStoreChecks.size()> kChecks = {
      &StoreProbe::ReadAfterWrite,     &StoreProbe::RangeReads,
      &StoreProbe::OrderedListing,     &StoreProbe::StreamedUpload,
      &StoreProbe::CreateAfterDelete,  &StoreProbe::CreateIfAbsent,
      &StoreProbe::CreateRace,         &StoreProbe::StreamedCreateIfAbsent,
      &StoreProbe::ReplaceIfUnchanged, &StoreProbe::ReplaceOfMissing,
      &StoreProbe::VersionedRead,      &StoreProbe::Checksum,
      &StoreProbe::ObjectLock};
  StoreVerdict verdict;
  verdict.store = store_.kind();
  verdict.probed_at = FormatRfc3339(ctx_.clock().WallNow());
  for (size_t i = 0; i < kChecks.size(); ++i) {
    AKI_RETURN_IF_ERROR(ctx_.Check());
    const MonotonicTime started = ctx_.clock().Now();
    const Seen seen = (this->*kChecks[i])();
    const Duration took = ctx_.clock().Now() - started;
    StoreCheckOutcome outcome{.name = std::string(kStoreChecks[i].name),
                              .result = CheckResult::kOk,
                              .detail = {},
                              .took_us = static_cast<uint64_t>(took / std::chrono::microseconds(1))};
    if (!seen) {
      if (LeavesUndecided(seen.error())) return std::unexpected(Status(seen.error()).Annotate("check " + outcome.name));
      outcome.result = CheckResult::kFailed;
      outcome.detail = Printable(seen.error().message());
    } else if (!*seen) {
      outcome.result = CheckResult::kNotApplicable;
      outcome.detail = not_applicable_;
    } else {
      outcome.detail = **seen;
    }
    verdict.checks.push_back(std::move(outcome));
  }
  return verdict;
}

}  // namespace

Result<StoreVerdict> ProbeStore(OpContext& ctx, ObjectStore& store, Random& random, const StoreProbeOptions& options) {
  AKI_CHECK(options.run_together != nullptr && options.racers >= 2 && options.rounds_at_once >= 1);
  StoreProbe probe(ctx, store, options, std::string(kProbePrefix) + random.Hex(16) + "/");
  Result<StoreVerdict> verdict = probe.Run();
  probe.CleanUp().IgnoreError("what is left lies below a prefix that nobody reads");
  return verdict;
}

}  // namespace akidb
