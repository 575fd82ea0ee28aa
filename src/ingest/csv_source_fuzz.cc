#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "ingest/ingest_testing.h"

// The first byte sets how much a read returns, so that every place may be the end of a buffer.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace akidb;
  if (size < 1) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  SourceOptions options;
  options.limits.row_bytes_max = 4096;
  OpContext ctx(RealClock());
  auto source = OpenCsvSource(ctx, std::make_unique<StringFile>(text, size_t{data[0]} + 1), options);
  if (!source) return 0;
  const ReadResult read = ReadAll(**source, 3);
  for (const ReadRow& row : read.rows) {
    if (row.id.empty() || row.payload.front() != '{' || row.payload.back() != '}') std::abort();
  }
  return 0;
}
