#include "objstore/s3/credentials.h"

#include <algorithm>

#include "base/mutex.h"

namespace akidb::s3 {
namespace {

class StaticCredentials final : public CredentialsProvider {
 public:
  explicit StaticCredentials(Credentials credentials)
      : credentials_(std::make_shared<const Credentials>(std::move(credentials))) {}
  Result<std::shared_ptr<const Credentials>> Get(OpContext&) override { return credentials_; }
  bool Refused(const Credentials&) override { return false; }

 private:
  const std::shared_ptr<const Credentials> credentials_;
};

class RefreshingCredentials final : public CredentialsProvider {
 public:
  explicit RefreshingCredentials(std::function<Result<Credentials>(OpContext&)> fetch) : fetch_(std::move(fetch)) {}

  Result<std::shared_ptr<const Credentials>> Get(OpContext& ctx) override {
    constexpr auto kSlice = std::chrono::milliseconds(50);  // how late a deadline or a cancellation may be noticed
    uint64_t waited_for = 0;
    {
      const MutexLock lock(mutex_);
      for (;;) {
        AKI_RETURN_IF_ERROR(ctx.Check());
        const WallTime now = ctx.clock().WallNow();
        const bool usable = current_ != nullptr && now < current_->expires_at;
        if (usable && (fetching_ || now < RefreshAt(*current_))) return current_;
        if (usable && ctx.clock().Now() < try_again_at_) return current_;
        if (!fetching_) {
          // Whoever waited for a fetch that failed is told so instead of asking in turn.
          if (waited_for != 0 && waited_for <= failures_ && !last_error_.ok()) return std::unexpected(last_error_);
          fetching_ = true;
          break;
        }
        waited_for = failures_ + 1;
        fetched_.WaitFor(mutex_, kSlice);
      }
    }
    return Fetch(ctx);
  }

  bool Refused(const Credentials& used) override {
    const MutexLock lock(mutex_);
    if (current_ != nullptr && current_->access_key == used.access_key &&
        current_->session_token == used.session_token && current_->secret_key == used.secret_key) {
      current_.reset();
    }
    return true;
  }

 private:
  static WallTime RefreshAt(const Credentials& credentials) {
    constexpr Duration kEarliest = std::chrono::minutes(5);
    if (credentials.expires_at == WallTime::max()) return WallTime::max();
    const Duration life = credentials.expires_at - credentials.issued_at;
    return credentials.expires_at - std::min(kEarliest, life / 5);
  }

  Result<std::shared_ptr<const Credentials>> Fetch(OpContext& ctx) {
    constexpr Duration kPauseAfterFailure = std::chrono::seconds(10);  // while the old ones still serve
    const WallTime issued_at = ctx.clock().WallNow();
    Result<Credentials> fetched = fetch_(ctx);
    const MutexLock lock(mutex_);
    fetching_ = false;
    fetched_.NotifyAll();
    if (fetched) {
      fetched->issued_at = issued_at;
      current_ = std::make_shared<const Credentials>(std::move(*fetched));
      last_error_ = OkStatus();
      try_again_at_ = MonotonicTime::min();
      return current_;
    }
    ++failures_;
    last_error_ = fetched.error();
    try_again_at_ = ctx.clock().Now() + kPauseAfterFailure;
    if (current_ != nullptr && ctx.clock().WallNow() < current_->expires_at) return current_;
    return std::unexpected(last_error_);
  }

  const std::function<Result<Credentials>(OpContext&)> fetch_;
  Mutex mutex_;
  CondVar fetched_;
  std::shared_ptr<const Credentials> current_ AKI_GUARDED_BY(mutex_);
  bool fetching_ AKI_GUARDED_BY(mutex_) = false;
  uint64_t failures_ AKI_GUARDED_BY(mutex_) = 0;
  Status last_error_ AKI_GUARDED_BY(mutex_);
  MonotonicTime try_again_at_ AKI_GUARDED_BY(mutex_) = MonotonicTime::min();
};

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") + 1 - begin);
}

}  // namespace

std::unique_ptr<CredentialsProvider> NewStaticCredentials(std::string access_key, std::string secret_key,
                                                          std::string session_token) {
  Credentials credentials;
  credentials.access_key = std::move(access_key);
  credentials.secret_key = std::move(secret_key);
  credentials.session_token = std::move(session_token);
  return std::make_unique<StaticCredentials>(std::move(credentials));
}

std::unique_ptr<CredentialsProvider> NewRefreshingCredentials(std::function<Result<Credentials>(OpContext&)> fetch) {
  return std::make_unique<RefreshingCredentials>(std::move(fetch));
}

Result<Credentials> ParseCredentialsFile(std::string_view text, std::string_view profile, std::string_view path) {
  Credentials out;
  bool in_profile = false;
  bool found = false;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      in_profile = line.back() == ']' && Trim(line.substr(1, line.size() - 2)) == profile;
      found = found || in_profile;
      continue;
    }
    const size_t equals = line.find('=');
    if (!in_profile || equals == std::string_view::npos) continue;
    const std::string_view name = Trim(line.substr(0, equals));
    const std::string_view value = Trim(line.substr(equals + 1));
    for (const char c : value) {
      if (c <= 0x20 || c > 0x7E) {
        return std::unexpected(InvalidArgument(std::string(path) + ": " + std::string(name.substr(0, 64)) +
                                               " has a blank or a byte that is not ASCII"));
      }
    }
    if (name == "aws_access_key_id") out.access_key = value;
    if (name == "aws_secret_access_key") out.secret_key = value;
    if (name == "aws_session_token") out.session_token = value;
  }
  if (!found) {
    return std::unexpected(InvalidArgument(std::string(path) + " has no profile [" + std::string(profile) + "]"));
  }
  if (out.access_key.empty() || out.secret_key.empty()) {
    return std::unexpected(InvalidArgument(std::string(path) + ": profile [" + std::string(profile) +
                                           "] lacks aws_access_key_id or aws_secret_access_key"));
  }
  return out;
}

std::unique_ptr<CredentialsProvider> NewFileCredentials(FileSystem& fs, std::string path, std::string profile) {
  constexpr uint64_t kFileBytesMax = 1u << 20;
  return NewRefreshingCredentials([&fs, path, profile](OpContext&) -> Result<Credentials> {
    AKI_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(fs, path, kFileBytesMax));
    return ParseCredentialsFile(text, profile, path);
  });
}

}  // namespace akidb::s3
