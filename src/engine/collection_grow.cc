// Graphs over rows that are not in a segment yet (docs/internals/growing-rows.md): they follow the rows in small
// pieces, behind the writes, and searches scan what a graph does not have.
#include "engine/collection_impl.h"

namespace akidb {
namespace {

// Some tens of milliseconds: other steps wait no longer for the thread.
constexpr uint32_t kRowsAStep = 256;
// Rows that will be in a segment within this share of the age at which they are sealed get no graph any more.
constexpr int kLeastShareOfSealAge = 8;

}  // namespace

// Judged by the time they have had so far: in a bulk load a graph would be sealed before it was of use, and take the
// processor from the load.
bool CollectionImpl::StaysAWhile(const GrowingRows& rows) {
  MutexLock lock(write_mutex_);
  if (dropped_ || batch_first_lsn_.value() == 0) return false;
  const Duration seal_age = deps_.options.seal_age;
  const Duration age = deps_.env.clock->Now() - batch_since_;
  const Duration least = seal_age / kLeastShareOfSealAge;
  const double filled = static_cast<double>(rows.memory_bytes()) / static_cast<double>(deps_.options.seal_bytes);
  if (age + least > seal_age || filled >= 1) return false;
  return static_cast<double>(age.count()) * (1 - filled) > static_cast<double>(least.count()) * filled;
}

Result<bool> CollectionImpl::GrowStep(OpContext& ctx) {
  const auto current = view();
  if (current->active && StaysAWhile(*current->active)) {
    AKI_ASSIGN_OR_RETURN(const uint32_t rows, current->active->IndexSome(ctx, kRowsAStep));
    if (rows > 0) return true;
  }
  // Usually gone in a moment, and then hardly anybody has searched them; but a store that is down keeps them here.
  for (const auto& sealed : current->sealed) {
    AKI_ASSIGN_OR_RETURN(const uint32_t rows, sealed->IndexSome(ctx, kRowsAStep));
    if (rows > 0) return true;
  }
  return false;
}

}  // namespace akidb
