#include "npy.h"

#include <cstdio>
#include <cstdlib>

namespace akidb {
namespace {

template <class T>
T ValueOrFail(Result<T> result) {
  if (!result) BenchFail(result.error().ToString());
  return std::move(*result);
}

}  // namespace

void BenchFail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(2);
}

FloatMatrix ReadFloats(const std::string& path) { return ValueOrFail(ReadNpyFloats(PosixFileSystem(), path)); }
StoredVectors ReadVectors(const std::string& path, VectorType type) {
  return ValueOrFail(ReadNpyVectors(PosixFileSystem(), path, type));
}

}  // namespace akidb
