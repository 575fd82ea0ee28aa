#include "manifest/version_chain.h"

#include "base/check.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

// Rounds of PUT and GET before the caller gets its turn back; pauses between calls are the retry decorator's work.
constexpr int kRoundsMax = 8;
// A malformed body may have been cut on its way: read again before calling the object corrupt.
constexpr int kReadsMax = 3;

}  // namespace

Result<std::string> ReadValid(OpContext& ctx, ObjectStore& store, const std::string& key, uint64_t size_max,
                              const std::function<Status(std::string_view bytes)>& validate) {
  Status malformed;
  for (int read = 0; read < kReadsMax; ++read) {
    AKI_ASSIGN_OR_RETURN(ObjectBody body, store.Get(ctx, key, size_max));
    malformed = validate(body.bytes);
    if (malformed.ok()) return std::move(body.bytes);
  }
  return std::unexpected(std::move(malformed).Annotate(key));
}

Result<ManifestVersion> VersionChain::FindHead(OpContext& ctx) {
  ManifestVersion head;
  std::string after;
  while (true) {
    AKI_ASSIGN_OR_RETURN(const ListPage page, store_.List(ctx, prefix_, after, 1000));
    for (const ObjectMeta& object : page.objects) {
      if (const auto version = VersionOfKey(object.key); version && *version > head) head = *version;
    }
    if (!page.truncated || page.objects.empty()) break;
    after = page.objects.back().key;
  }
  // A listing may lag; the next names are asked for directly.
  while (true) {
    const auto next = store_.Head(ctx, key_of_(head.Next()));
    if (next) {
      head = head.Next();
      continue;
    }
    if (next.error().code() != StatusCode::kNotFound) return std::unexpected(next.error());
    return head;
  }
}

Result<std::optional<std::string>> VersionChain::ReadIfThere(OpContext& ctx, ManifestVersion version) {
  auto bytes = ReadValid(ctx, store_, key_of_(version), bytes_max_, validate_);
  if (bytes) return std::move(*bytes);
  if (bytes.error().code() == StatusCode::kNotFound) return std::nullopt;
  return std::unexpected(std::move(bytes).error());
}

Result<std::string> VersionChain::Read(OpContext& ctx, ManifestVersion version) {
  auto bytes = ReadValid(ctx, store_, key_of_(version), bytes_max_, validate_);
  if (bytes) return bytes;
  Status error = std::move(bytes).error();
  if (error.code() == StatusCode::kNotFound || error.code() == StatusCode::kPermissionDenied) {
    return std::unexpected(
        Unavailable(key_of_(version) + " is named but cannot be read: " + std::string(error.message())));
  }
  return std::unexpected(std::move(error));
}

Result<Verdict> VersionChain::Create(OpContext& ctx, ManifestVersion version, std::string bytes) {
  AKI_CHECK(!pending_);
  pending_ = Attempt{version, std::move(bytes)};
  return Drive(ctx);
}

Result<Verdict> VersionChain::Resolve(OpContext& ctx) {
  AKI_CHECK(pending_);
  return Drive(ctx);
}

Result<Verdict> VersionChain::Drive(OpContext& ctx) {
  const std::string key = key_of_(pending_->version);
  for (int round = 0; round < kRoundsMax; ++round) {
    auto put = store_.Put(ctx, key, pending_->bytes, PutCondition::IfAbsent());
    if (put) {
      pending_.reset();
      return Verdict::kWon;
    }
    Status error = std::move(put).error();
    const bool lost_or_unknown = error.code() == StatusCode::kAborted || error.effect() == Effect::kUnknown;
    if (!lost_or_unknown && !pending_->ambiguous) {
      pending_.reset();
      return std::unexpected(std::move(error));
    }
    if (error.effect() == Effect::kUnknown) pending_->ambiguous = true;

    const auto found = ReadValid(ctx, store_, key, bytes_max_, validate_);
    if (found) {
      const bool replaced = replaces_ && replaces_(*found, pending_->bytes);
      const Verdict verdict = *found == pending_->bytes ? Verdict::kWon
                              : replaced                ? Verdict::kWonThenReplaced
                                                        : Verdict::kLost;
      pending_.reset();
      return verdict;
    }
    // Lost by a definite answer, yet unreadable: the winner's bytes are on their way. Either way nothing is decided.
    pending_->ambiguous = true;
    if (Status alive = ctx.Check(); !alive.ok()) return std::unexpected(std::move(alive).WithEffectUnknown());
    if (found.error().code() != StatusCode::kNotFound && found.error().retry() == Retry::kNever) {
      return std::unexpected(
          Unavailable("the outcome of creating " + key + " is not known: " + std::string(found.error().message()))
              .WithEffectUnknown());
    }
  }
  return std::unexpected(Unavailable("the outcome of creating " + key + " is not known yet").WithEffectUnknown());
}

}  // namespace akidb
