#include "format/npy.h"

#include <gtest/gtest.h>

#include <string>

namespace akidb {
namespace {

std::string Npy(const std::string& dictionary, char major = 1) {
  std::string out = std::string("\x93NUMPY") + major + '\0';
  const auto size = static_cast<uint32_t>(dictionary.size());
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i) out += static_cast<char>(size >> (8 * i));
  return out + dictionary;
}

TEST(NpyTest, ReadsShapesAndTypes) {
  const auto matrix = ParseNpyHeader(Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 17), }   \n") + "data");
  ASSERT_TRUE(matrix) << matrix.error().ToString();
  EXPECT_EQ(matrix->type, NpyType::kF32);
  EXPECT_EQ(matrix->rows, 3u);
  EXPECT_EQ(matrix->columns, 17u);
  EXPECT_EQ(matrix->data_offset, Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 17), }   \n").size());
  const auto mask = ParseNpyHeader(Npy("{'descr': '|b1', 'fortran_order': False, 'shape': (99,), }", 2));
  ASSERT_TRUE(mask) << mask.error().ToString();
  EXPECT_EQ(mask->type, NpyType::kU8);
  EXPECT_EQ(mask->rows, 99u);
  EXPECT_EQ(mask->columns, 1u);
}

TEST(NpyTest, SaysWhatItCannotRead) {
  const auto why = [](const std::string& bytes) {
    const auto header = ParseNpyHeader(bytes);
    return header ? std::string("accepted") : std::string(header.error().message());
  };
  EXPECT_EQ(why("PK"), "npy: not a .npy file");
  EXPECT_EQ(why(Npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4)}")),
            "npy: elements are '<f8', known are <f2 <f4 |u1 |i1 |b1 <i4 <u4 <i8");
  EXPECT_EQ(why(Npy("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4)}")),
            "npy: it is in Fortran order, need rows first");
  EXPECT_EQ(why(Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4, 5)}")),
            "npy: it has more than two dimensions");
  EXPECT_EQ(why(Npy("{'descr': '<f4', 'fortran_order': False, 'shape': ()}")), "npy: it has no dimension");
  EXPECT_EQ(why(Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 2)}")),
            "npy: its shape is not of numbers");
  EXPECT_EQ(why(Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3")), "npy: its shape is not of numbers");
  EXPECT_EQ(why(Npy("{'shape': (3, 4)}")), "npy: its header lacks descr, fortran_order or shape");
  EXPECT_EQ(why(std::string("\x93NUMPY\x02\x00\xff\xff\xff\x7f", 12)),
            "npy: a header of 2147483647 bytes, at most 65536");
}

TEST(NpyTest, EveryTruncationIsRefused) {
  const std::string bytes = Npy("{'descr': '<f2', 'fortran_order': False, 'shape': (3, 4)}");
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_FALSE(ParseNpyHeader(std::string_view(bytes).substr(0, n))) << n;
}

}  // namespace
}  // namespace akidb
