// Short-lived credentials from STS: AssumeRole and AssumeRoleWithWebIdentity.
// Source: AWS STS API reference, version 2011-06-15; MinIO takes the same as a form POST to "/".
//
// Threads: the returned functions are thread-safe.
// Errors:  those of CredentialsProvider.
#pragma once

#include <functional>
#include <memory>

#include "base/file_system.h"
#include "objstore/s3/s3_client.h"
#include "objstore/s3/s3_options.h"

namespace akidb::s3 {

// Both ask through `client`, made for service "sts": signed with long-lived keys for AssumeRole, unsigned for the
// other.
std::function<Result<Credentials>(OpContext&)> AssumeRole(std::shared_ptr<S3Client> client,
                                                          const CredentialOptions& options);
// The token file is read at every fetch: whoever issues the token replaces it.
std::function<Result<Credentials>(OpContext&)> AssumeRoleWithWebIdentity(std::shared_ptr<S3Client> client,
                                                                         FileSystem& fs,
                                                                         const CredentialOptions& options);

}  // namespace akidb::s3
