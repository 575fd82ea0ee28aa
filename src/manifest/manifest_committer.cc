#include "manifest/manifest_committer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

constexpr int kRebasesMax = 100;
constexpr int kAttemptIdDigits = 16;
constexpr int kObjectIdDigits = 16;
// Of the segments in a numbered manifest. The rest is for epochs, pins and specification; where those need more, the
// segments get less, but no commit of a few segments shall need a base of its own.
constexpr uint64_t kSegmentBytesMax = kManifestInlineBytesMax / 2;
constexpr uint64_t kSegmentBytesMin = 4u << 10;
// MinIO keeps an object of a versioned bucket within its metadata up to 16 KiB, and writes a second file for a larger
// one. Bases are rewritten more often for it, as long as they are small.
constexpr uint64_t kSmallManifestBytes = 15u << 10;
constexpr uint64_t kManifestsPerBase = 4;  // in bytes

Status ValidateManifestBytes(std::string_view bytes) {
  AKI_ASSIGN_OR_RETURN(const auto tombstone, DecodeManifestTombstone(bytes));
  return tombstone ? OkStatus() : internal::ToStatus(DecodeStoredManifest(bytes));
}

bool IsTombstoneOf(std::string_view found, std::string_view sent) {
  const auto tombstone = DecodeManifestTombstone(found);
  return tombstone && tombstone->has_value() && (*tombstone)->sha256 == Sha256Hex(sent);
}

// What `manifest` has room for, over a base of that size.
uint64_t SegmentBytesMax(Manifest* manifest, uint64_t base_bytes) {
  constexpr uint64_t kBaseBytes = 512;  // a reference to one
  std::vector<SegmentEntry> segments = std::exchange(manifest->segments, {});
  const uint64_t taken = EncodeManifest(*manifest).size() + kBaseBytes;
  manifest->segments = std::move(segments);
  const bool small =
      base_bytes <= kManifestsPerBase * kSmallManifestBytes && taken + kSegmentBytesMin <= kSmallManifestBytes;
  const uint64_t room = small ? kSmallManifestBytes : kManifestInlineBytesMax;
  const uint64_t left = taken < room ? room - taken : 0;
  return std::clamp(left, kSegmentBytesMin, kSegmentBytesMax);
}

}  // namespace

ManifestCommitter::ManifestCommitter(ObjectStore& store, const Environment& env, CollectionId collection)
    : env_(env),
      store_(store),
      collection_(collection),
      chain_(
          store, CollectionPrefix(collection) + "manifest/",
          [collection](ManifestVersion version) { return ManifestKey(collection, version); }, ValidateManifestBytes,
          kManifestBytesMax, IsTombstoneOf),
      reader_(std::make_shared<ManifestReader>(store, collection)) {}

Result<ObjectRef> ManifestCommitter::UploadBase(OpContext& ctx, const ManifestBase& base) {
  const std::string bytes = EncodeManifestBase(base);
  const std::string key = BaseKey(collection_, base.id);
  auto put = store_.Put(ctx, key, bytes, PutCondition::None());
  if (!put) {
    // Whether it is there or not, nothing names it: no effect, and the collector's.
    Status failed(put.error().code(), "cannot write " + key + ": " + std::string(put.error().message()));
    return std::unexpected(std::move(failed).WithRetry(put.error().retry()).WithReason(put.error().reason()));
  }
  return ObjectRef{.id = base.id,
                   .sha256 = Sha256Hex(bytes),
                   .version_id = put->version_id,
                   .size_bytes = bytes.size(),
                   .owner = CollectionId(0)};
}

Result<ManifestCommitter::Base> ManifestCommitter::ChooseBase(OpContext& ctx, Manifest* next) {
  const std::optional<ObjectRef> proposed = std::exchange(next->base, std::nullopt);
  std::optional<ObjectRef> current;
  if (head_) current = head_->manifest.base;
  const uint64_t allowed = SegmentBytesMax(next, current ? current->size_bytes : 0);
  uint64_t fewest = EncodedSegmentBytes(*next, nullptr, allowed);
  Base chosen;
  const auto consider = [&](const ObjectRef& ref) -> Status {
    AKI_ASSIGN_OR_RETURN(Base base, reader_->ReadBase(ctx, ref));
    const uint64_t bytes = EncodedSegmentBytes(*next, base.get(), allowed);
    if (bytes >= fewest) return OkStatus();
    fewest = bytes;
    chosen = std::move(base);
    next->base = ref;
    return OkStatus();
  };
  if (current) AKI_RETURN_IF_ERROR(consider(*current));
  if (proposed && proposed != current) AKI_RETURN_IF_ERROR(consider(*proposed));
  // A spare one may be doomed meanwhile, and then it must not be named, whether it is still there or not (I8).
  if (spare_base_ && ObjectIdStart(spare_base_->id) < next->gc_boundary) spare_base_.reset();
  if (spare_base_ && spare_base_ != current) AKI_RETURN_IF_ERROR(consider(*spare_base_));
  if (fewest <= allowed) return chosen;

  const ManifestVersion start = head_ ? head_->manifest.version : ManifestVersion(0);
  ManifestBase whole{collection_, MintObjectId(start, env_.random->Hex(kObjectIdDigits)), next->segments};
  AKI_ASSIGN_OR_RETURN(spare_base_, UploadBase(ctx, whole));
  next->base = spare_base_;
  chosen = std::make_shared<const ManifestBase>(std::move(whole));
  reader_->Remember(chosen);
  return chosen;
}

Status ManifestCommitter::CreateFirst(OpContext& ctx, const Manifest& first) {
  AKI_CHECK(!head_);
  Manifest manifest = first;
  manifest.collection = collection_;
  manifest.version = ManifestVersion(1);
  manifest.attempt_id = env_.random->Hex(kAttemptIdDigits);
  manifest.created_at = FormatRfc3339(env_.clock->WallNow());
  manifest.Normalize();
  AKI_ASSIGN_OR_RETURN(const Base base, ChooseBase(ctx, &manifest));
  std::string bytes = EncodeManifest(manifest, base.get());
  AKI_ASSIGN_OR_RETURN(const Verdict verdict, chain_.Create(ctx, manifest.version, bytes));
  if (verdict == Verdict::kLost)
    return AlreadyExists("collection id " + std::to_string(collection_.value()) + " was used before");
  if (verdict == Verdict::kWonThenReplaced) return FollowTo(ctx, manifest.version);
  head_ = std::make_shared<ManifestHead>(ManifestHead{std::move(manifest), Sha256Hex(bytes)});
  return OkStatus();
}

Status ManifestCommitter::Adopt(OpContext& ctx, ManifestVersion version, std::string_view bytes) {
  AKI_ASSIGN_OR_RETURN(auto head, reader_->Decode(ctx, version, bytes));
  if (head_ && version == head_->manifest.version.Next() && head->manifest.previous_sha256 != head_->sha256) {
    return DataLoss(ManifestKey(collection_, version) + " names another predecessor than the one read before");
  }
  head_ = std::move(head);
  return OkStatus();
}

Status ManifestCommitter::FollowTo(OpContext& ctx, ManifestVersion version) {
  AKI_ASSIGN_OR_RETURN(const std::string bytes, chain_.Read(ctx, version));
  return GoTo(ctx, version, bytes);
}

Status ManifestCommitter::GoTo(OpContext& ctx, ManifestVersion version, std::string_view bytes) {
  AKI_ASSIGN_OR_RETURN(const auto tombstone, DecodeManifestTombstone(bytes));
  if (!tombstone) return Adopt(ctx, version, bytes);
  // Others have committed and collected since: go where they are.
  AKI_ASSIGN_OR_RETURN(const ManifestVersion newest, chain_.FindHead(ctx));
  if (newest <= version) {
    return Unavailable(ManifestKey(collection_, version) + " is a tombstone, and what came after cannot be found");
  }
  return FollowTo(ctx, newest);
}

Status ManifestCommitter::Load(OpContext& ctx) {
  AKI_ASSIGN_OR_RETURN(const ManifestVersion version, chain_.FindHead(ctx));
  if (version.value() == 0) {
    return Unavailable("collection " + std::to_string(collection_.value()) +
                       " is in the catalog but its manifest cannot be read");
  }
  return FollowTo(ctx, version);
}

Result<bool> ManifestCommitter::Follow(OpContext& ctx) {
  AKI_CHECK(head_);
  AKI_RETURN_IF_ERROR(ResolvePending(ctx));
  const ManifestVersion before = head_->manifest.version;
  while (true) {
    const ManifestVersion next = head_->manifest.version.Next();
    AKI_ASSIGN_OR_RETURN(const std::optional<std::string> bytes, chain_.ReadIfThere(ctx, next));
    if (!bytes) return head_->manifest.version != before;
    AKI_RETURN_IF_ERROR(GoTo(ctx, next, *bytes));
  }
}

Status ManifestCommitter::ResolvePending(OpContext& ctx) {
  if (!chain_.pending()) return OkStatus();
  const ManifestVersion version = chain_.pending_version();
  const std::string bytes = chain_.pending_bytes();
  AKI_ASSIGN_OR_RETURN(const Verdict verdict, chain_.Resolve(ctx));
  Status gone_on = verdict == Verdict::kWon ? Adopt(ctx, version, bytes) : FollowTo(ctx, version);
  // What won is committed, although its effect cannot be looked at yet.
  return gone_on.ok() || verdict == Verdict::kLost ? gone_on : std::move(gone_on).WithEffectUnknown();
}

Result<std::shared_ptr<const ManifestHead>> ManifestCommitter::Commit(OpContext& ctx, const Edit& edit) {
  AKI_CHECK(head_);
  AKI_RETURN_IF_ERROR(ResolvePending(ctx));
  for (int rebase = 0; rebase < kRebasesMax; ++rebase) {
    Manifest next = head_->manifest;
    AKI_ASSIGN_OR_RETURN(const Edited edited, edit(&next));
    if (edited == Edited::kAlreadyThere) return head_;
    next.collection = collection_;
    next.version = head_->manifest.version.Next();
    next.previous_sha256 = head_->sha256;
    next.attempt_id = env_.random->Hex(kAttemptIdDigits);
    next.created_at = FormatRfc3339(env_.clock->WallNow());
    next.Normalize();
    AKI_ASSIGN_OR_RETURN(const Base base, ChooseBase(ctx, &next));
    std::string bytes = EncodeManifest(next, base.get());
    AKI_ASSIGN_OR_RETURN(const Verdict verdict, chain_.Create(ctx, next.version, bytes));
    if (verdict == Verdict::kWon) {
      head_ = std::make_shared<ManifestHead>(ManifestHead{std::move(next), Sha256Hex(bytes)});
      return head_;
    }
    // Lost, or won so long ago that others went on: the edit sees the newest head, which may have its effect.
    Status gone_on = FollowTo(ctx, next.version);
    if (!gone_on.ok() && verdict != Verdict::kLost) gone_on = std::move(gone_on).WithEffectUnknown();
    AKI_RETURN_IF_ERROR(std::move(gone_on));
  }
  return std::unexpected(Aborted("collection " + std::to_string(collection_.value()) + ": other committers won " +
                                 std::to_string(kRebasesMax) + " times in a row"));
}

}  // namespace akidb
