#include "objstore/localfs/directory_syncer.h"

namespace akidb {

Status DirectorySyncer::Checked(Status status) const {
  if (status.ok()) return status;
  die_(status);
  return std::move(status).WithEffectUnknown();
}

Status DirectorySyncer::Adopt(const std::string& dir) {
  const MutexLock lock(mutex_);
  return AdoptLocked(dir, IfAbsent::kFail);
}

Status DirectorySyncer::Make(const std::string& dir) {
  const MutexLock lock(mutex_);
  return AdoptLocked(dir, IfAbsent::kMake);
}

Status DirectorySyncer::AdoptLocked(const std::string& dir, IfAbsent if_absent) {
  if (adopted_.contains(dir)) return OkStatus();
  if (dir != root_) AKI_RETURN_IF_ERROR(AdoptLocked(ParentDir(dir), if_absent));
  AKI_ASSIGN_OR_RETURN(const bool exists, fs_.Exists(dir));
  if (!exists && if_absent == IfAbsent::kFail) return NotFound(dir + " does not exist");
  if (exists) {
    if (fs_.Open(dir, OpenMode::kRead)) {
      return FailedPrecondition(dir + " is a file, not a directory").WithReason("key_conflict");
    }
    AKI_RETURN_IF_ERROR(Sync(dir));
  } else {
    AKI_RETURN_IF_ERROR(fs_.MakeDir(dir));
    AKI_RETURN_IF_ERROR(Sync(ParentDir(dir)));
  }
  adopted_.insert(dir);
  return OkStatus();
}

}  // namespace akidb
