// What benchmarks of indexes read.
//
// Threads: any.
// Errors:  those of ReadNpyVectors and ReadNpyFloats; kInvalidArgument: queries of another dimension, none, or too few
// rows.
#pragma once

#include "base/status.h"
#include "cli/options.h"
#include "ingest/npy_file.h"

namespace akidb {

// Of --metric.
Distance DistanceOfMetric(const std::string& metric);

struct AnnVectors {
  StoredVectors base;
  FloatMatrix queries;
};
// Base and queries; at least `rows_min` rows.
Result<AnnVectors> ReadAnnVectors(const AnnBenchOptions& options, uint32_t rows_min);

}  // namespace akidb
