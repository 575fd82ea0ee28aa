#include "cli/ann_vectors.h"

namespace akidb {

Distance DistanceOfMetric(const std::string& metric) {
  if (metric == "l2") return Distance::kEuclidean;
  return metric == "dot" ? Distance::kDotProduct : Distance::kCosine;
}

Result<AnnVectors> ReadAnnVectors(const AnnBenchOptions& options, uint32_t rows_min) {
  FileSystem& fs = PosixFileSystem();
  AnnVectors out;
  AKI_ASSIGN_OR_RETURN(out.base, ReadNpyVectors(fs, options.base, *ParseVectorType(options.vector_type)));
  AKI_ASSIGN_OR_RETURN(out.queries, ReadNpyFloats(fs, options.queries));
  const VectorRows& rows = out.base.view;
  if (out.queries.columns != rows.dim || out.queries.rows == 0 || rows.row_count < rows_min) {
    return std::unexpected(InvalidArgument(options.queries + ": need queries of " + std::to_string(rows.dim) +
                                           " elements, and " + std::to_string(rows_min) + " rows or more in " +
                                           options.base));
  }
  return out;
}

}  // namespace akidb
