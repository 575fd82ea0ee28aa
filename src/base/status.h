// What an operation came to: OK, or a code with what the caller may do about it.
// It exists because no library type answers "did the write happen?": Status carries the retry class and the effect.
//
// Threads: immutable after construction; copies share nothing.
// Errors:  codes have gRPC's names and numbers; docs/internals/errors.md maps code -> HTTP -> caller action.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace akidb {

enum class StatusCode : uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// Whether the same call may succeed later.
enum class Retry : uint8_t { kNever, kBackoff };
// Whether a failed write may have been applied.
enum class Effect : uint8_t { kNone, kUnknown };

std::string_view StatusCodeName(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  // The retry class defaults to the usual one of the code: kUnavailable, kResourceExhausted, kAborted and
  // kDeadlineExceeded back off, all others never.
  Status(StatusCode code, std::string message);
  Status(const Status& other);
  Status& operator=(const Status& other);
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;

  bool ok() const { return rep_ == nullptr; }
  StatusCode code() const { return rep_ ? rep_->code : StatusCode::kOk; }
  Retry retry() const { return rep_ ? rep_->retry : Retry::kNever; }
  Effect effect() const { return rep_ ? rep_->effect : Effect::kNone; }
  // A stable machine-readable word such as "wrong_dimension"; empty when the code alone says it.
  std::string_view reason() const { return rep_ ? std::string_view(rep_->reason) : std::string_view(); }
  std::string_view message() const { return rep_ ? std::string_view(rep_->message) : std::string_view(); }

  Status&& WithEffectUnknown() &&;
  Status&& WithRetry(Retry retry) &&;
  Status&& WithReason(std::string_view reason) &&;
  // Puts "context: " before the message; a no-op on OK.
  Status&& Annotate(std::string_view context) &&;

  // "DATA_LOSS: block 3 of x: checksum mismatch".
  std::string ToString() const;
  // The only way to drop a status; the reason is for readers and grep.
  void IgnoreError(std::string_view /*reason*/) const {}

 private:
  struct Rep {
    StatusCode code;
    Retry retry;
    Effect effect = Effect::kNone;
    std::string reason;
    std::string message;
  };
  std::unique_ptr<Rep> rep_;
};

template <class T>
using Result = std::expected<T, Status>;

inline Status OkStatus() { return Status(); }

// Short constructors; the message is lower case, without a final stop, values in it.
Status InvalidArgument(std::string message);
Status NotFound(std::string message);
Status AlreadyExists(std::string message);
Status Aborted(std::string message);
Status Unavailable(std::string message);
Status DataLoss(std::string message);
Status Internal(std::string message);
Status ResourceExhausted(std::string message);
Status FailedPrecondition(std::string message);
Status DeadlineExceeded(std::string message);
Status Cancelled(std::string message);
Status PermissionDenied(std::string message);
Status Unimplemented(std::string message);

namespace internal {
inline Status ToStatus(Status&& s) { return std::move(s); }
inline const Status& ToStatus(const Status& s) { return s; }
template <class T>
Status ToStatus(Result<T>&& r) {
  return r ? Status() : std::move(r).error();
}
}  // namespace internal

}  // namespace akidb

#define AKI_CONCAT_INNER(a, b) a##b
#define AKI_CONCAT(a, b) AKI_CONCAT_INNER(a, b)

// Leaves the function with the error of `expr` (a Status or Result), in functions that return Status or Result.
#define AKI_RETURN_IF_ERROR(expr)                                                         \
  do {                                                                                    \
    if (::akidb::Status aki_status = ::akidb::internal::ToStatus(expr); !aki_status.ok()) \
      return ::akidb::internal::AsReturn(std::move(aki_status));                          \
  } while (false)

// AKI_ASSIGN_OR_RETURN(auto x, MaybeX());
#define AKI_ASSIGN_OR_RETURN(lhs, expr) AKI_ASSIGN_OR_RETURN_INNER(AKI_CONCAT(aki_result_, __COUNTER__), lhs, expr)
#define AKI_ASSIGN_OR_RETURN_INNER(tmp, lhs, expr)                      \
  auto tmp = (expr);                                                    \
  if (!tmp) return ::akidb::internal::AsReturn(std::move(tmp).error()); \
  lhs = std::move(*tmp)

namespace akidb::internal {
// Converts to Status and to any Result<T>, so that one macro serves both kinds of function.
class [[nodiscard]] ReturnableError {
 public:
  explicit ReturnableError(Status s) : status_(std::move(s)) {}
  operator Status() && { return std::move(status_); }  // NOLINT(google-explicit-constructor)
  template <class T>
  operator Result<T>() && {  // NOLINT(google-explicit-constructor)
    return std::unexpected(std::move(status_));
  }

 private:
  Status status_;
};
inline ReturnableError AsReturn(Status s) { return ReturnableError(std::move(s)); }
}  // namespace akidb::internal
