#include "base/status.h"

#include <gtest/gtest.h>

namespace akidb {
namespace {

Result<int> ThreeUnless(bool fail) {
  if (fail) return std::unexpected(NotFound("no three"));
  return 3;
}

Status CheckThree(bool fail) {
  AKI_ASSIGN_OR_RETURN(const int three, ThreeUnless(fail));
  AKI_RETURN_IF_ERROR(ThreeUnless(three != 3));
  return OkStatus();
}

Result<std::string> Spelled(bool fail) {
  AKI_RETURN_IF_ERROR(CheckThree(fail));
  return std::string("three");
}

TEST(StatusTest, MacrosServeStatusAndResult) {
  EXPECT_EQ(*Spelled(false), "three");
  EXPECT_EQ(Spelled(true).error().code(), StatusCode::kNotFound);
}

TEST(StatusTest, CopiesShareNothing) {
  const Status original = Unavailable("busy");
  const Status changed = Status(original).WithEffectUnknown().WithReason("lost_answer").Annotate("put k");
  EXPECT_EQ(original.effect(), Effect::kNone);
  EXPECT_EQ(original.message(), "busy");
  EXPECT_EQ(changed.effect(), Effect::kUnknown);
  EXPECT_EQ(changed.reason(), "lost_answer");
  EXPECT_EQ(changed.ToString(), "UNAVAILABLE: put k: busy");
}

TEST(StatusTest, RetryClassFollowsTheCodeUnlessSet) {
  EXPECT_EQ(Unavailable("x").retry(), Retry::kBackoff);
  EXPECT_EQ(DataLoss("x").retry(), Retry::kNever);
  EXPECT_EQ(Unavailable("x").WithRetry(Retry::kNever).retry(), Retry::kNever);
}

TEST(StatusTest, OkIgnoresAnnotations) {
  EXPECT_TRUE(OkStatus().Annotate("x").WithEffectUnknown().ok());
  EXPECT_EQ(OkStatus().ToString(), "OK");
}

}  // namespace
}  // namespace akidb
