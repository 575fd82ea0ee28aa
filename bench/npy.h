// Vectors from .npy files, for benchmarks.
//
// Threads: functions.
// Errors:  the process ends with a message.
#pragma once

#include <string>

#include "ingest/npy_file.h"

namespace akidb {

[[noreturn]] void BenchFail(const std::string& message);

FloatMatrix ReadFloats(const std::string& path);
StoredVectors ReadVectors(const std::string& path, VectorType type);

}  // namespace akidb
