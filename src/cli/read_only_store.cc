#include "cli/read_only_store.h"

namespace akidb {
namespace {

class ReadOnlyStore final : public ObjectStore {
 public:
  ReadOnlyStore(std::unique_ptr<File> file, std::string key) : file_(std::move(file)), key_(std::move(key)) {}

  std::string_view kind() const override { return "file"; }

  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override {
    AKI_ASSIGN_OR_RETURN(ObjectMeta meta, Head(ctx, key));
    if (meta.size_bytes > size_max) {
      return std::unexpected(ResourceExhausted(key + " has " + std::to_string(meta.size_bytes) + " bytes, at most " +
                                               std::to_string(size_max) + " are allowed"));
    }
    ObjectBody body{std::move(meta), {}};
    body.bytes.resize(body.meta.size_bytes);
    AKI_RETURN_IF_ERROR(GetRange(ctx, key, {0, body.meta.size_bytes}, {}, body.bytes.data()));
    return body;
  }

  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& /*version_id*/,
                  char* out) override {
    AKI_RETURN_IF_ERROR(ctx.Check());
    AKI_RETURN_IF_ERROR(CheckKey(key));
    AKI_ASSIGN_OR_RETURN(const size_t count, file_->ReadAt(range.begin, range.size(), out));
    if (count == range.size()) return OkStatus();
    return Status(StatusCode::kOutOfRange, key + " ends before byte " + std::to_string(range.end));
  }

  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override {
    AKI_RETURN_IF_ERROR(ctx.Check());
    AKI_RETURN_IF_ERROR(CheckKey(key));
    ObjectMeta meta;
    meta.key = key;
    AKI_ASSIGN_OR_RETURN(meta.size_bytes, file_->Size());
    return meta;
  }

  Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                        uint32_t /*keys_max*/) override {
    ListPage page;
    if (key_.starts_with(prefix) && key_ > start_after) {
      AKI_ASSIGN_OR_RETURN(ObjectMeta meta, Head(ctx, key_));
      page.objects.push_back(std::move(meta));
    }
    return page;
  }

  Result<ObjectMeta> Put(OpContext&, const std::string&, std::string_view, const PutCondition&) override {
    return std::unexpected(ReadOnly());
  }
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext&, const std::string&) override {
    return std::unexpected(ReadOnly());
  }
  Status Delete(OpContext&, const std::string&) override { return ReadOnly(); }

 private:
  static Status ReadOnly() { return FailedPrecondition("the file is open for reading only"); }
  Status CheckKey(const std::string& key) const {
    return key == key_ ? OkStatus() : NotFound(key + ": no such object");
  }

  const std::unique_ptr<File> file_;
  const std::string key_;
};

}  // namespace

std::string FileNameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Result<std::shared_ptr<ObjectStore>> OpenReadOnlyStore(FileSystem& fs, const std::string& path) {
  AKI_ASSIGN_OR_RETURN(std::unique_ptr<File> file, fs.Open(path, OpenMode::kRead));
  return std::make_shared<ReadOnlyStore>(std::move(file), FileNameOf(path));
}

}  // namespace akidb
