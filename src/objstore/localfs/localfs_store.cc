#include "objstore/localfs/localfs_store.h"

#include <algorithm>

#include "base/mutex.h"
#include "objstore/localfs/content_hash.h"
#include "objstore/localfs/directory_syncer.h"
#include "objstore/localfs/staged_file.h"
#include "objstore/store_errors.h"

namespace akidb {
namespace {

// Objects on their way live here, on the same file system as their names; it is no part of the key space.
constexpr std::string_view kStagingDir = ".tmp";
constexpr int kStagingNameDigits = 32;

bool IsStagingKey(std::string_view key) {
  return key.starts_with(kStagingDir) && (key.size() == kStagingDir.size() || key[kStagingDir.size()] == '/');
}

Status KeyConflict(const std::string& key) {
  return FailedPrecondition("object " + key + " would share its path with a directory or go through another object")
      .WithReason("key_conflict");
}

// Of a call that makes or removes a name: an I/O error does not say whether it did.
Status NameOutcome(Status status) {
  return status.code() == StatusCode::kUnavailable ? std::move(status).WithEffectUnknown() : status;
}

class LocalFsStore final : public ObjectStore {
 public:
  LocalFsStore(FileSystem& fs, Random& random, Clock& clock, const std::string& root,
               std::function<void(const Status&)> die)
      : fs_(fs), random_(random), clock_(clock), root_(root), dirs_(fs, root, std::move(die)) {}

  Status RemoveLeftovers() {
    const std::string staging = Path(kStagingDir);
    AKI_RETURN_IF_ERROR(MakeDirs(fs_, staging));
    AKI_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_.List(staging));
    for (const std::string& name : names) {
      if (!name.ends_with('/')) AKI_RETURN_IF_ERROR(fs_.Remove(staging + "/" + name));
    }
    return dirs_.Adopt(root_);
  }

  std::string_view kind() const override { return "localfs"; }
  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override;
  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                  char* out) override;
  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override;
  Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                         const PutCondition& condition) override;
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override;
  Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                        uint32_t keys_max) override;
  Status Delete(OpContext& ctx, const std::string& key) override;

  Result<std::unique_ptr<StagedFile>> Stage() {
    return StagedFile::Create(fs_, Path(kStagingDir) + "/" + random_.Hex(kStagingNameDigits));
  }
  // Syncs `file` and gives it its name, whole or not at all.
  Result<ObjectMeta> Publish(OpContext& ctx, const std::string& key, StagedFile* file, const PutCondition& condition);

 private:
  struct Listing {
    const std::string& prefix;
    const std::string& start_after;
    uint32_t keys_max;
    ListPage page;
  };

  std::string Path(std::string_view key) const { return root_ + "/" + std::string(key); }
  static Status Check(OpContext& ctx, const std::string& key);
  Result<std::unique_ptr<File>> OpenObject(OpContext& ctx, const std::string& key);
  Result<ContentHash> HashObject(OpContext& ctx, const std::string& key);
  Status GiveName(OpContext& ctx, const std::string& key, StagedFile* file, const PutCondition& condition);
  Status LinkNew(const std::string& key, const StagedFile& file);
  Status Lost(const std::string& key);
  Status ListDir(OpContext& ctx, const std::string& key_prefix, Listing* listing);

  FileSystem& fs_;
  Random& random_;
  Clock& clock_;
  const std::string root_;
  DirectorySyncer dirs_;
  Mutex replace_mutex_;  // between looking at an etag and replacing its object, nothing else replaces or deletes
};

class LocalFsWriter final : public ObjectWriter {
 public:
  LocalFsWriter(LocalFsStore& store, std::string key, std::unique_ptr<StagedFile> file)
      : store_(store), key_(std::move(key)), file_(std::move(file)) {}

  Status Append(OpContext& ctx, std::string_view bytes) override {
    AKI_RETURN_IF_ERROR(ctx.Check());
    return file_->Append(bytes);
  }
  Result<ObjectMeta> Commit(OpContext& ctx, const PutCondition& condition) override {
    return store_.Publish(ctx, key_, file_.get(), condition);
  }

 private:
  LocalFsStore& store_;
  const std::string key_;
  const std::unique_ptr<StagedFile> file_;
};

Status LocalFsStore::Check(OpContext& ctx, const std::string& key) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  AKI_RETURN_IF_ERROR(ValidateObjectKey(key));
  if (IsStagingKey(key)) {
    return InvalidArgument("object key \"" + key + "\" is in the staging directory").WithReason("invalid_key");
  }
  return OkStatus();
}

Result<std::unique_ptr<File>> LocalFsStore::OpenObject(OpContext& ctx, const std::string& key) {
  AKI_RETURN_IF_ERROR(Check(ctx, key));
  const std::string path = Path(key);
  const Status adopted = dirs_.Adopt(ParentDir(path));
  if (adopted.code() == StatusCode::kNotFound || adopted.reason() == "key_conflict") {
    return std::unexpected(ObjectNotFound(key));
  }
  AKI_RETURN_IF_ERROR(adopted);
  Result<std::unique_ptr<File>> file = fs_.Open(path, OpenMode::kRead);
  if (!file && file.error().code() == StatusCode::kNotFound) return std::unexpected(ObjectNotFound(key));
  return file;
}

Result<ObjectBody> LocalFsStore::Get(OpContext& ctx, const std::string& key, uint64_t size_max) {
  AKI_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, OpenObject(ctx, key));
  AKI_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size > size_max) return std::unexpected(ObjectTooLarge(key, size, size_max));
  ObjectBody body;
  body.bytes.resize(size);
  AKI_ASSIGN_OR_RETURN(const size_t count, file->ReadAt(0, size, body.bytes.data()));
  if (count != size) return std::unexpected(DataLoss("object " + key + " became shorter while it was read"));
  ContentHash hash;
  hash.AddAll(body.bytes);
  body.meta = {.key = key, .size_bytes = size, .etag = hash.Etag(), .version_id = {}, .modified_at = {}};
  return body;
}

Status LocalFsStore::GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string&, char* out) {
  AKI_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, OpenObject(ctx, key));
  AKI_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  AKI_RETURN_IF_ERROR(CheckObjectRange(key, range, size));
  AKI_ASSIGN_OR_RETURN(const size_t count, file->ReadAt(range.begin, range.size(), out));
  if (count != range.size()) return DataLoss("object " + key + " became shorter while it was read");
  return OkStatus();
}

Result<ContentHash> LocalFsStore::HashObject(OpContext& ctx, const std::string& key) {
  AKI_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, OpenObject(ctx, key));
  ContentHash hash;
  std::string piece(kHashPieceBytes, '\0');
  while (true) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    AKI_ASSIGN_OR_RETURN(const size_t count, file->ReadAt(hash.size_bytes(), piece.size(), piece.data()));
    if (count > 0) hash.AddPiece(std::string_view(piece).substr(0, count));
    if (count < piece.size()) return hash;
  }
}

Result<ObjectMeta> LocalFsStore::Head(OpContext& ctx, const std::string& key) {
  AKI_ASSIGN_OR_RETURN(const ContentHash hash, HashObject(ctx, key));
  return ObjectMeta{
      .key = key, .size_bytes = hash.size_bytes(), .etag = hash.Etag(), .version_id = {}, .modified_at = {}};
}

Result<ObjectMeta> LocalFsStore::Put(OpContext& ctx, const std::string& key, std::string_view body,
                                     const PutCondition& condition) {
  AKI_RETURN_IF_ERROR(Check(ctx, key));
  if (condition.kind == PutCondition::Kind::kIfAbsent && fs_.Exists(Path(key)).value_or(false)) {
    return std::unexpected(Lost(key));  // spares the loser its fdatasync; the link below decides
  }
  AKI_ASSIGN_OR_RETURN(const std::unique_ptr<StagedFile> file, Stage());
  AKI_RETURN_IF_ERROR(file->Append(body));
  return Publish(ctx, key, file.get(), condition);
}

Result<std::unique_ptr<ObjectWriter>> LocalFsStore::OpenWriter(OpContext& ctx, const std::string& key) {
  AKI_RETURN_IF_ERROR(Check(ctx, key));
  AKI_ASSIGN_OR_RETURN(std::unique_ptr<StagedFile> file, Stage());
  return std::make_unique<LocalFsWriter>(*this, key, std::move(file));
}

Result<ObjectMeta> LocalFsStore::Publish(OpContext& ctx, const std::string& key, StagedFile* file,
                                         const PutCondition& condition) {
  AKI_RETURN_IF_ERROR(file->Flush());
  AKI_RETURN_IF_ERROR(dirs_.Checked(file->Sync()));
  AKI_RETURN_IF_ERROR(ctx.Check());
  const std::string dir = ParentDir(Path(key));
  AKI_RETURN_IF_ERROR(dirs_.Make(dir));
  AKI_RETURN_IF_ERROR(GiveName(ctx, key, file, condition));
  AKI_RETURN_IF_ERROR(dirs_.Sync(dir));
  return ObjectMeta{.key = key,
                    .size_bytes = file->hash().size_bytes(),
                    .etag = file->hash().Etag(),
                    .version_id = {},
                    .modified_at = clock_.WallNow()};
}

Status LocalFsStore::GiveName(OpContext& ctx, const std::string& key, StagedFile* file, const PutCondition& condition) {
  if (condition.kind == PutCondition::Kind::kIfAbsent) return LinkNew(key, *file);
  const MutexLock lock(replace_mutex_);
  if (condition.kind == PutCondition::Kind::kIfEtagIs) {
    AKI_ASSIGN_OR_RETURN(const ContentHash current, HashObject(ctx, key));
    if (current.Etag() != condition.etag) return ConditionLost(key, "has another etag");
  }
  Status status = fs_.Rename(file->path(), Path(key));
  if (status.ok()) file->set_renamed();
  if (status.code() == StatusCode::kNotFound || status.code() == StatusCode::kAlreadyExists) return KeyConflict(key);
  return NameOutcome(std::move(status));
}

Status LocalFsStore::LinkNew(const std::string& key, const StagedFile& file) {
  Status status = fs_.Link(file.path(), Path(key));
  if (status.code() == StatusCode::kAlreadyExists) return Lost(key);
  if (status.code() == StatusCode::kNotFound) return KeyConflict(key);
  return NameOutcome(std::move(status));
}

// The loser may tell the world what it lost against, so the winner's name has to be durable first.
Status LocalFsStore::Lost(const std::string& key) {
  if (fs_.List(Path(key))) return KeyConflict(key);
  const std::string dir = ParentDir(Path(key));
  AKI_RETURN_IF_ERROR(dirs_.Make(dir));
  AKI_RETURN_IF_ERROR(dirs_.Sync(dir));
  return ConditionLost(key, "exists already");
}

Status LocalFsStore::Delete(OpContext& ctx, const std::string& key) {
  AKI_RETURN_IF_ERROR(Check(ctx, key));
  const std::string path = Path(key);
  const Status adopted = dirs_.Adopt(ParentDir(path));
  if (adopted.code() == StatusCode::kNotFound || adopted.reason() == "key_conflict") return OkStatus();
  AKI_RETURN_IF_ERROR(adopted);
  {
    const MutexLock lock(replace_mutex_);
    Status status = fs_.Remove(path);
    if (status.code() == StatusCode::kNotFound) return OkStatus();
    AKI_RETURN_IF_ERROR(NameOutcome(std::move(status)));
  }
  return dirs_.Sync(ParentDir(path));
}

Result<ListPage> LocalFsStore::List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                                    uint32_t keys_max) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  AKI_RETURN_IF_ERROR(ValidateListing(prefix, start_after, keys_max));
  Listing listing{.prefix = prefix, .start_after = start_after, .keys_max = keys_max, .page = {}};
  AKI_RETURN_IF_ERROR(ListDir(ctx, prefix.substr(0, prefix.rfind('/') + 1), &listing));
  return std::move(listing.page);
}

// FileSystem::List marks directories with their '/', so its order is the order of keys.
Status LocalFsStore::ListDir(OpContext& ctx, const std::string& key_prefix, Listing* listing) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  const std::string dir = key_prefix.empty() ? root_ : Path(key_prefix.substr(0, key_prefix.size() - 1));
  const Status adopted = dirs_.Adopt(dir);
  if (adopted.code() == StatusCode::kNotFound || adopted.reason() == "key_conflict") return OkStatus();
  AKI_RETURN_IF_ERROR(adopted);
  AKI_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_.List(dir));
  for (const std::string& name : names) {
    const std::string key = key_prefix + name;
    if (IsStagingKey(key)) continue;
    if (key.ends_with('/')) {
      const bool relevant = key.starts_with(listing->prefix) || listing->prefix.starts_with(key);
      const bool passed = key < listing->start_after && !listing->start_after.starts_with(key);
      if (relevant && !passed) AKI_RETURN_IF_ERROR(ListDir(ctx, key, listing));
    } else if (key.starts_with(listing->prefix) && key > listing->start_after) {
      if (listing->page.objects.size() == listing->keys_max) {
        listing->page.truncated = true;
      } else if (const Result<std::unique_ptr<File>> file = fs_.Open(Path(key), OpenMode::kRead)) {
        AKI_ASSIGN_OR_RETURN(const uint64_t size, (*file)->Size());
        listing->page.objects.push_back(
            {.key = key, .size_bytes = size, .etag = {}, .version_id = {}, .modified_at = {}});
      } else if (file.error().code() != StatusCode::kNotFound) {
        return file.error();
      }
    }
    if (listing->page.truncated) return OkStatus();
  }
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<ObjectStore>> OpenLocalFsStore(OpContext& ctx, FileSystem& fs, Random& random, Clock& clock,
                                                      const std::string& root, std::function<void(const Status&)> die) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  if (root.empty()) return std::unexpected(InvalidArgument("the directory of the object store has an empty name"));
  const std::string without_end_slash = ParentDir(root + "/.");
  auto store = std::make_unique<LocalFsStore>(fs, random, clock, without_end_slash, std::move(die));
  AKI_RETURN_IF_ERROR(store->RemoveLeftovers());
  return store;
}

}  // namespace akidb
