#include "cli/ingest_state.h"

#include <simdjson.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/hash.h"
#include "base/json_writer.h"

namespace akidb {
namespace {

constexpr size_t kHashedBytes = 1u << 20;
constexpr uint64_t kStateBytesMax = 64u << 10;
constexpr uint64_t kVersion = 1;

}  // namespace

void AckTracker::Acknowledge(uint64_t begin, uint64_t end) {
  beyond_.emplace(begin, end);
  while (!beyond_.empty() && beyond_.begin()->first <= contiguous_) {
    contiguous_ = std::max(contiguous_, beyond_.begin()->second);
    beyond_.erase(beyond_.begin());
  }
}

Result<FileIdentity> IdentifyFile(FileSystem& fs, const std::string& path) {
  AKI_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, fs.Open(path, OpenMode::kRead));
  FileIdentity identity;
  AKI_ASSIGN_OR_RETURN(identity.size_bytes, file->Size());
  std::string head(kHashedBytes, '\0');
  AKI_ASSIGN_OR_RETURN(const size_t count, file->ReadAt(0, head.size(), head.data()));
  head.resize(count);
  identity.sha256_first_mib = Sha256Hex(head);
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0) {
    identity.modified_ns = int64_t{info.st_mtim.tv_sec} * 1000000000 + info.st_mtim.tv_nsec;
  }
  return identity;
}

std::string EncodeIngestState(const IngestState& state) {
  std::string out;
  JsonWriter writer(&out);
  writer.BeginObject().Key("version").Value(kVersion);
  writer.Key("file").BeginObject();
  writer.Key("size_bytes").Value(state.file.size_bytes);
  writer.Key("modified_ns").Value(state.file.modified_ns);
  writer.Key("sha256_first_mib").Value(state.file.sha256_first_mib);
  writer.EndObject();
  writer.Key("server").Value(state.server);
  writer.Key("collection").Value(state.collection);
  writer.Key("rows_acknowledged").Value(state.rows_acknowledged);
  writer.Key("rows_refused").Value(state.rows_refused);
  writer.EndObject();
  return out + "\n";
}

Result<IngestState> DecodeIngestState(const std::string& json) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  simdjson::dom::element file;
  uint64_t version = 0;
  IngestState state;
  std::string_view sha;
  std::string_view server;
  std::string_view collection;
  const bool ok =
      parser.parse(json).get(root) == simdjson::SUCCESS && root["version"].get(version) == simdjson::SUCCESS &&
      version == kVersion && root["file"].get(file) == simdjson::SUCCESS &&
      file["size_bytes"].get(state.file.size_bytes) == simdjson::SUCCESS &&
      file["modified_ns"].get(state.file.modified_ns) == simdjson::SUCCESS &&
      file["sha256_first_mib"].get(sha) == simdjson::SUCCESS && root["server"].get(server) == simdjson::SUCCESS &&
      root["collection"].get(collection) == simdjson::SUCCESS &&
      root["rows_acknowledged"].get(state.rows_acknowledged) == simdjson::SUCCESS &&
      root["rows_refused"].get(state.rows_refused) == simdjson::SUCCESS;
  if (!ok) return std::unexpected(FailedPrecondition("not the state of an ingest"));
  state.file.sha256_first_mib = sha;
  state.server = server;
  state.collection = collection;
  return state;
}

Status SaveIngestState(FileSystem& fs, const std::string& path, const IngestState& state) {
  const std::string temporary = path + ".tmp";
  AKI_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, fs.Open(temporary, OpenMode::kCreateOrOpen));
  AKI_RETURN_IF_ERROR(file->Truncate(0));
  AKI_RETURN_IF_ERROR(file->WriteAt(0, EncodeIngestState(state)));
  AKI_RETURN_IF_ERROR(file->Sync());
  return fs.Rename(temporary, path);
}

Result<IngestState> LoadIngestState(FileSystem& fs, const std::string& path, const IngestState& current) {
  AKI_ASSIGN_OR_RETURN(const std::string json, ReadWholeFile(fs, path, kStateBytesMax));
  Result<IngestState> state = DecodeIngestState(json);
  if (!state) return std::unexpected(std::move(state).error().Annotate("'" + path + "'"));
  if (state->file != current.file) {
    return std::unexpected(
        FailedPrecondition("'" + path + "' belongs to another version of the file; run without --resume"));
  }
  if (state->collection != current.collection || state->server != current.server) {
    return std::unexpected(FailedPrecondition("'" + path + "' belongs to collection '" + state->collection + "' on " +
                                              state->server + "; run without --resume"));
  }
  return state;
}

}  // namespace akidb
