// Who we are for the store: a key pair, perhaps with a session token that expires.
//
// Threads: CredentialsProvider is thread-safe; Credentials are immutable once shared.
// Errors:  kPermissionDenied (the issuer refused, reason "credentials"); kUnavailable (it cannot be reached);
//          kInvalidArgument (a file that is not one); kDeadlineExceeded.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/context.h"
#include "base/file_system.h"
#include "base/status.h"

namespace akidb::s3 {

struct Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;             // empty for long-lived keys
  WallTime issued_at = WallTime::min();  // both by the clock of this process
  WallTime expires_at = WallTime::max();
};

class CredentialsProvider {
 public:
  virtual ~CredentialsProvider() = default;
  virtual Result<std::shared_ptr<const Credentials>> Get(OpContext& ctx) = 0;
  // The store refused `used`. True if Get may return others now.
  virtual bool Refused(const Credentials& used) = 0;
};

std::unique_ptr<CredentialsProvider> NewStaticCredentials(std::string access_key, std::string secret_key,
                                                          std::string session_token);

// Keeps what `fetch` returns until a fifth of its life is left (at most five minutes). Then the first caller that needs
// it fetches again while the others go on with the old one; when that has expired they wait for the one fetch. A
// failure is returned to the callers that waited, unless the old ones are still good.
std::unique_ptr<CredentialsProvider> NewRefreshingCredentials(std::function<Result<Credentials>(OpContext&)> fetch);

// One profile of an AWS credentials file: [profile], then aws_access_key_id, aws_secret_access_key and perhaps
// aws_session_token. Read again when the store refuses what was in it.
std::unique_ptr<CredentialsProvider> NewFileCredentials(FileSystem& fs, std::string path, std::string profile);
// `text` is the file; `path` is for messages.
Result<Credentials> ParseCredentialsFile(std::string_view text, std::string_view profile, std::string_view path);

}  // namespace akidb::s3
