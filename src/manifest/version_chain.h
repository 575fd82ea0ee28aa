// A chain of numbered immutable objects, each created only if absent: the heart of the commit protocol.
// It exists so that the one hard question, "did my conditional write happen?", is answered in one place.
//
// Threads:    one committer at a time per chain object; different processes may race on the bucket.
// Errors:     kUnavailable / kDeadlineExceeded with effect unknown when no verdict was reached before the deadline;
//             the attempt then stays pending and the next call resolves it first. Definite refusals (effect none) of
//             an attempt that was never ambiguous come through as they are.
// Durability: kWon means the version is in the bucket for ever.
// Cost:       1 PUT a won commit; after an ambiguous answer 1 GET and, on absence, 1 PUT more each round.
// Invariants: 1. Two attempts never both win a version (I6).
//             2. An ambiguous attempt is decided only by bytes that were read: equal bytes won, so did those that a
//                tombstone says it replaced, others lost.
//             3. Until the verdict the very same bytes are sent again, never others under the same version.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/context.h"
#include "base/ids.h"
#include "base/status.h"
#include "format/manifest_format.h"
#include "objstore/object_store.h"

namespace akidb {

// kWonThenReplaced: the version was ours, but is history by now; there are newer ones.
enum class Verdict : uint8_t { kWon, kWonThenReplaced, kLost };

// The whole object, read again a few times if validate(bytes) refuses it: a body cut on its way must not decide
// anything. The last refusal if it stays so.
Result<std::string> ReadValid(OpContext& ctx, ObjectStore& store, const std::string& key, uint64_t size_max,
                              const std::function<Status(std::string_view bytes)>& validate);

class VersionChain {
 public:
  // Says whether bytes read back are a whole, well-formed version: a body cut on its way must not decide anything.
  using Validate = std::function<Status(std::string_view bytes)>;
  // Says whether `found`, which is not `sent`, has taken the place of `sent` after it won.
  using Replaces = std::function<bool(std::string_view found, std::string_view sent)>;

  // `key_of` maps a version to its key. `store` must outlive the chain.
  // Objects larger than `bytes_max` are refused when read.
  VersionChain(ObjectStore& store, std::string prefix, std::function<std::string(ManifestVersion)> key_of,
               Validate validate, uint64_t bytes_max = kCatalogBytesMax, Replaces replaces = nullptr)
      : store_(store),
        prefix_(std::move(prefix)),
        key_of_(std::move(key_of)),
        validate_(std::move(validate)),
        bytes_max_(bytes_max),
        replaces_(std::move(replaces)) {}

  // The greatest version found by listing and then by probing upwards; 0 for an empty chain. A hint (I11): only Create
  // decides whether a version is free.
  Result<ManifestVersion> FindHead(OpContext& ctx);

  // The bytes of a version that may not exist; nullopt is a hint that it does not (I11).
  Result<std::optional<std::string>> ReadIfThere(OpContext& ctx, ManifestVersion version);
  // kUnavailable when the version is named but cannot be read; kDataLoss when it stays malformed over several reads.
  Result<std::string> Read(OpContext& ctx, ManifestVersion version);

  // Tries to create `version` with `bytes` and does not return without a verdict unless the deadline passes.
  // Requires: no other attempt is pending.
  Result<Verdict> Create(OpContext& ctx, ManifestVersion version, std::string bytes);

  // True after Create returned with effect unknown.
  bool pending() const { return pending_.has_value(); }
  ManifestVersion pending_version() const { return pending_->version; }
  const std::string& pending_bytes() const { return pending_->bytes; }
  // Goes on with the pending attempt until a verdict.
  Result<Verdict> Resolve(OpContext& ctx);

 private:
  struct Attempt {
    ManifestVersion version;
    std::string bytes;
    bool ambiguous = false;
  };
  Result<Verdict> Drive(OpContext& ctx);

  ObjectStore& store_;
  std::string prefix_;
  std::function<std::string(ManifestVersion)> key_of_;
  Validate validate_;
  uint64_t bytes_max_;
  Replaces replaces_;
  std::optional<Attempt> pending_;
};

}  // namespace akidb
