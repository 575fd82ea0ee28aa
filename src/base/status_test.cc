#include <gtest/gtest.h>
#include "base/status.h"
#include "base/json_writer.h"
namespace akidb { namespace {
Result<int> F(bool f){ if(f) return std::unexpected(NotFound("x")); return 3; }
Status G(bool f){ AKI_ASSIGN_OR_RETURN(auto v, F(f)); AKI_RETURN_IF_ERROR(F(v!=3)); return OkStatus(); }
Result<std::string> H(bool f){ AKI_RETURN_IF_ERROR(G(f)); return std::string("a"); }
TEST(StatusTest, MacrosServeStatusAndResult){ EXPECT_TRUE(H(false)); EXPECT_EQ(H(true).error().code(), StatusCode::kNotFound);} } }
