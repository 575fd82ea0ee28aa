#include "manifest/manifest_committer.h"

#include "base/check.h"
#include "base/hash.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

constexpr int kRebasesMax = 100;
constexpr int kAttemptIdDigits = 16;

Status ValidateManifestBytes(std::string_view bytes) {
  AKI_ASSIGN_OR_RETURN(const auto tombstone, DecodeManifestTombstone(bytes));
  return tombstone ? OkStatus() : internal::ToStatus(DecodeManifest(bytes));
}

}  // namespace

ManifestCommitter::ManifestCommitter(ObjectStore& store, const Environment& env, CollectionId collection)
    : env_(env),
      collection_(collection),
      chain_(
          store, CollectionPrefix(collection) + "manifest/",
          [collection](ManifestVersion version) { return ManifestKey(collection, version); }, ValidateManifestBytes) {}

Status ManifestCommitter::CreateFirst(OpContext& ctx, const Manifest& first) {
  AKI_CHECK(!head_);
  Manifest manifest = first;
  manifest.collection = collection_;
  manifest.version = ManifestVersion(1);
  manifest.attempt_id = env_.random->Hex(kAttemptIdDigits);
  manifest.created_at = FormatRfc3339(env_.clock->WallNow());
  manifest.Normalize();
  std::string bytes = EncodeManifest(manifest);
  AKI_ASSIGN_OR_RETURN(const Verdict verdict, chain_.Create(ctx, manifest.version, bytes));
  if (verdict == Verdict::kLost)
    return AlreadyExists("collection id " + std::to_string(collection_.value()) + " was used before");
  head_ = std::make_shared<ManifestHead>(ManifestHead{std::move(manifest), Sha256Hex(bytes)});
  return OkStatus();
}

Status ManifestCommitter::Adopt(ManifestVersion version, std::string bytes) {
  AKI_ASSIGN_OR_RETURN(Manifest manifest, DecodeManifest(bytes));
  if (manifest.version != version || manifest.collection != collection_) {
    return DataLoss(ManifestKey(collection_, version) + " holds another version or collection");
  }
  if (head_ && version == head_->manifest.version.Next() && manifest.previous_sha256 != head_->sha256) {
    return DataLoss(ManifestKey(collection_, version) + " names another predecessor than the one read before");
  }
  head_ = std::make_shared<ManifestHead>(ManifestHead{std::move(manifest), Sha256Hex(bytes)});
  return OkStatus();
}

Status ManifestCommitter::FollowTo(OpContext& ctx, ManifestVersion version) {
  AKI_ASSIGN_OR_RETURN(std::string bytes, chain_.Read(ctx, version));
  return Adopt(version, std::move(bytes));
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
  AKI_RETURN_IF_ERROR(ResolvePending(ctx));
  const ManifestVersion before = head_->manifest.version;
  while (true) {
    const ManifestVersion next = head_->manifest.version.Next();
    AKI_ASSIGN_OR_RETURN(std::optional<std::string> bytes, chain_.ReadIfThere(ctx, next));
    if (!bytes) return head_->manifest.version != before;
    AKI_ASSIGN_OR_RETURN(const auto tombstone, DecodeManifestTombstone(*bytes));
    // Retired already: there is a newer one.
    AKI_RETURN_IF_ERROR(tombstone ? Load(ctx) : Adopt(next, std::move(*bytes)));
    if (tombstone && head_->manifest.version < next) {
      return std::unexpected(
          Unavailable(ManifestKey(collection_, next) + " is retired, but nothing newer can be found"));
    }
  }
}

Status ManifestCommitter::ResolvePending(OpContext& ctx) {
  if (!chain_.pending()) return OkStatus();
  const ManifestVersion version = chain_.pending_version();
  std::string bytes = chain_.pending_bytes();
  AKI_ASSIGN_OR_RETURN(const Verdict verdict, chain_.Resolve(ctx));
  return verdict == Verdict::kWon ? Adopt(version, std::move(bytes)) : FollowTo(ctx, version);
}

Result<std::shared_ptr<const ManifestHead>> ManifestCommitter::Commit(OpContext& ctx, const Edit& edit) {
  AKI_CHECK(head_);
  AKI_RETURN_IF_ERROR(ResolvePending(ctx));
  for (int rebase = 0; rebase < kRebasesMax; ++rebase) {
    Manifest next = head_->manifest;
    AKI_ASSIGN_OR_RETURN(const Edited edited, edit(&next));
    if (edited == Edited::kAlreadyThere) return head_;
    next.version = head_->manifest.version.Next();
    next.previous_sha256 = head_->sha256;
    next.attempt_id = env_.random->Hex(kAttemptIdDigits);
    next.created_at = FormatRfc3339(env_.clock->WallNow());
    next.Normalize();
    std::string bytes = EncodeManifest(next);
    AKI_ASSIGN_OR_RETURN(const Verdict verdict, chain_.Create(ctx, next.version, bytes));
    if (verdict == Verdict::kWon) {
      head_ = std::make_shared<ManifestHead>(ManifestHead{std::move(next), Sha256Hex(bytes)});
      return head_;
    }
    AKI_RETURN_IF_ERROR(FollowTo(ctx, next.version));
  }
  return std::unexpected(Aborted("collection " + std::to_string(collection_.value()) + ": other committers won " +
                                 std::to_string(kRebasesMax) + " times in a row"));
}

Status ManifestCommitter::ReRead(OpContext& ctx, const ManifestHead& expected) {
  AKI_ASSIGN_OR_RETURN(const std::string bytes, chain_.Read(ctx, expected.manifest.version));
  if (Sha256Hex(bytes) != expected.sha256) {
    return DataLoss(ManifestKey(collection_, expected.manifest.version) + " is not the manifest that was committed");
  }
  return OkStatus();
}

}  // namespace akidb
