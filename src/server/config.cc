#include "server/config.h"

#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "format/node_lease.h"
#include "server/spelling.h"
#include "server/store_url.h"
#include "server/write_forwarder.h"

namespace akidb {
namespace {

constexpr uint64_t kFileBytesMax = 1u << 20;
constexpr uint64_t kSecretBytesMax = 64u << 10;
constexpr std::string_view kVariablePrefix = "AKIDB_";
constexpr std::string_view kFileSuffix = "_file";
// Names that are promised to stay, beside AKIDB_SECTION__KEY, which wins.
constexpr std::pair<std::string_view, std::string_view> kPromised[] = {
    {"AKIDB_S3_ENDPOINT", "s3.endpoint"},     {"AKIDB_S3_REGION", "s3.region"},
    {"AKIDB_S3_BUCKET", "s3.bucket"},         {"AKIDB_S3_ACCESS_KEY", "s3.access_key"},
    {"AKIDB_S3_SECRET_KEY", "s3.secret_key"},
};

class Loader {
 public:
  Loader(FileSystem& fs, const std::vector<ConfigKey>& keys) : fs_(fs), keys_(keys) {}

  Status ReadFile(const std::string& path);
  Status ReadEnvironment(const std::map<std::string, std::string>& environment);
  Status Set(const std::string& name, const std::string& value, const std::string& origin);
  LoadedConfig Take() { return std::move(loaded_); }

 private:
  Status ReadSection(const std::string& path, const std::string& section, const YAML::Node& node);
  const ConfigKey* Find(std::string_view name) const;
  Status Unknown(const std::string& name, const std::string& origin) const;

  FileSystem& fs_;
  const std::vector<ConfigKey>& keys_;
  LoadedConfig loaded_;
};

const ConfigKey* Loader::Find(std::string_view name) const {
  const auto found = std::find_if(keys_.begin(), keys_.end(), [&](const ConfigKey& key) { return key.name == name; });
  return found == keys_.end() ? nullptr : &*found;
}

Status Loader::Unknown(const std::string& name, const std::string& origin) const {
  std::vector<std::string> known;
  for (const ConfigKey& key : keys_) known.push_back(key.name);
  return InvalidArgument(origin + ": unknown key '" + name + "'" + DidYouMean(name, known));
}

Status Loader::Set(const std::string& name, const std::string& value, const std::string& origin) {
  const ConfigKey* key = Find(name);
  std::string text = value;
  if (key == nullptr && name.ends_with(kFileSuffix)) {
    key = Find(std::string_view(name).substr(0, name.size() - kFileSuffix.size()));
    if (key == nullptr || key->secrecy == Secrecy::kPublic) return Unknown(name, origin);
    auto secret = ReadWholeFile(fs_, value, kSecretBytesMax);
    if (!secret) return std::move(secret).error().Annotate(origin + ": " + name);
    text = std::move(*secret);
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  }
  if (key == nullptr) return Unknown(name, origin);
  Status status = key->set(loaded_.config, text);
  if (!status.ok()) return std::move(status).Annotate(origin + ": " + name);
  loaded_.origins[key->name] = origin;
  return OkStatus();
}

Status Loader::ReadSection(const std::string& path, const std::string& section, const YAML::Node& node) {
  const auto origin = [&](const YAML::Node& at) { return path + ":" + std::to_string(at.Mark().line + 1); };
  if (node.IsNull()) return OkStatus();
  if (!node.IsMap()) return InvalidArgument(origin(node) + ": '" + section + "' is not a map of keys");
  for (const auto& entry : node) {
    const std::string name = section + "." + entry.first.as<std::string>();
    if (!entry.second.IsScalar()) return InvalidArgument(origin(entry.first) + ": " + name + ": expected one value");
    AKI_RETURN_IF_ERROR(Set(name, entry.second.Scalar(), origin(entry.first)));
  }
  return OkStatus();
}

Status Loader::ReadFile(const std::string& path) {
  AKI_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(fs_, path, kFileBytesMax));
  try {
    const YAML::Node root = YAML::Load(text);
    if (root.IsNull()) return OkStatus();
    if (!root.IsMap()) return InvalidArgument(path + ": expected sections (server:, storage:, engine:, limits:)");
    for (const auto& entry : root) {
      AKI_RETURN_IF_ERROR(ReadSection(path, entry.first.as<std::string>(), entry.second));
    }
  } catch (const YAML::Exception& e) {
    return InvalidArgument(path + ":" + std::to_string(e.mark.line + 1) + ": " + e.msg);
  }
  return OkStatus();
}

// The promised names first, then AKIDB_SECTION__KEY; other variables without "__" belong to others (AKIDB_SIMD,
// AKIDB_SERVER).
Status Loader::ReadEnvironment(const std::map<std::string, std::string>& environment) {
  for (const auto& [variable, key] : kPromised) {
    const auto found = environment.find(std::string(variable));
    if (found == environment.end()) continue;
    AKI_RETURN_IF_ERROR(Set(std::string(key), found->second, "environment " + found->first));
  }
  for (const auto& [variable, value] : environment) {
    if (!variable.starts_with(kVariablePrefix)) continue;
    const size_t split = variable.find("__", kVariablePrefix.size());
    if (split == std::string::npos) continue;
    std::string name =
        variable.substr(kVariablePrefix.size(), split - kVariablePrefix.size()) + "." + variable.substr(split + 2);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    AKI_RETURN_IF_ERROR(Set(name, value, "environment " + variable));
  }
  return OkStatus();
}

}  // namespace

std::string ConfigKey::EnvironmentName() const {
  std::string out(kVariablePrefix);
  for (const char c : name) {
    if (c == '.') {
      out += "__";
    } else {
      out.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
    }
  }
  return out;
}

Result<LoadedConfig> LoadConfig(FileSystem& fs, const std::vector<ConfigKey>& keys, const ConfigSources& sources) {
  Loader loader(fs, keys);
  if (!sources.file.empty()) AKI_RETURN_IF_ERROR(loader.ReadFile(sources.file));
  AKI_RETURN_IF_ERROR(loader.ReadEnvironment(sources.environment));
  for (const auto& [name, value] : sources.flags) AKI_RETURN_IF_ERROR(loader.Set(name, value, "flag"));
  LoadedConfig loaded = loader.Take();
  loaded.config.engine.data_dir = loaded.config.data_dir;
  AKI_RETURN_IF_ERROR(ValidateConfig(loaded.config));
  return loaded;
}

namespace {

// It becomes a header's value, and must not be guessed.
Status ValidateForwardSecret(std::string_view secret) {
  constexpr size_t kBytesMin = 16;
  constexpr size_t kBytesMax = 1024;
  if (secret.empty()) return OkStatus();
  const bool plain = std::ranges::all_of(secret, [](char c) { return c > 0x20 && c < 0x7F; });
  if (plain && secret.size() >= kBytesMin && secret.size() <= kBytesMax) return OkStatus();
  return InvalidArgument("server.forward_secret has " + std::to_string(secret.size()) +
                         " bytes; it must be 16 to 1024 printable ASCII characters without spaces");
}

Status ValidateNode(const ServerConfig& config) {
  AKI_RETURN_IF_ERROR(ValidateForwardSecret(config.forward_secret));
  AKI_RETURN_IF_ERROR(AdvertisedEndpoint(config.advertise, "127.0.0.1", 0, config.forward_secret));
  if (config.node.empty()) return OkStatus();
  AKI_RETURN_IF_ERROR(ValidateName("storage.node", config.node));
  if (config.node.size() <= kNodeNameBytesMax) return OkStatus();
  return InvalidArgument("storage.node has " + std::to_string(config.node.size()) + " bytes, the limit is " +
                         std::to_string(kNodeNameBytesMax));
}

}  // namespace

Status ValidateConfig(const ServerConfig& config) {
  AKI_RETURN_IF_ERROR(ParseListenAddress(config.listen));
  AKI_RETURN_IF_ERROR(ValidateNode(config));
  constexpr uint32_t kThreadsMax = 1024;
  for (const auto& [name, value] :
       {std::pair{"server.io_threads", config.io_threads}, std::pair{"server.worker_threads", config.worker_threads},
        std::pair{"server.background_threads", config.background_threads},
        std::pair{"server.index_threads", config.index_threads}}) {
    if (value > kThreadsMax) {
      return InvalidArgument(std::string(name) + " is " + std::to_string(value) + ", at most " +
                             std::to_string(kThreadsMax) + " are allowed");
    }
  }
  if (config.data_dir.empty()) return InvalidArgument("storage.data_dir is empty");
  AKI_RETURN_IF_ERROR(ValidateStoreUrl(config.store_url(), config.s3).Annotate("storage.store"));
  if (config.engine.limits.request_bytes_max > config.engine.wal_file_bytes / 2) {
    return InvalidArgument("limits.request_bytes_max (" + std::to_string(config.engine.limits.request_bytes_max) +
                           ") is more than half of engine.wal_file_bytes (" +
                           std::to_string(config.engine.wal_file_bytes) + "): one write must fit in one log file");
  }
  if (config.engine.merge_fanout < 2) return InvalidArgument("engine.merge_fanout is less than 2");
  return OkStatus();
}

std::map<std::string, std::string> ProcessEnvironment() {
  std::map<std::string, std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos) out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

Result<ListenAddress> ParseListenAddress(std::string_view text) {
  const Status bad =
      InvalidArgument("server.listen is '" + std::string(text) + "', expected HOST:PORT such as 127.0.0.1:8080");
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::unexpected(bad);
  ListenAddress address;
  address.host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size()) return std::unexpected(bad);
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  } else if (address.host.find(':') != std::string::npos) {
    return std::unexpected(bad);
  }
  if (address.host == "localhost") address.host = "127.0.0.1";
  const bool digits_and_dots = address.host.find_first_not_of("0123456789.") == std::string::npos;
  if (address.host == "::1" || (address.host.starts_with("127.") && digits_and_dots)) return address;
  return std::unexpected(InvalidArgument(
      "server.listen is '" + std::string(text) +
      "': only loopback addresses (127.0.0.1, ::1, localhost) are allowed until authentication exists"));
}

}  // namespace akidb
