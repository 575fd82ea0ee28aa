// What payload columns cost a segment when it is written, and what a filter costs on a segment that was just opened.
// Usage: columns_bench PAYLOADS.jsonl [rows] [dim]
// One JSON object a line, repeated until there are so many rows; vectors are f16 noise.

#include <ctime>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <simdjson.h>

#include "base/clock.h"
#include "base/random.h"
#include "objstore/memory/memory_store.h"
#include "segment/segment_reader.h"
#include "segment/segment_writer.h"

namespace akidb {
namespace {

// Of this thread: others may be at work on the machine.
double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

class Source final : public SegmentSource {
 public:
  Source(std::vector<std::string> payloads, uint32_t row_count, uint32_t dim)
      : payloads_(std::move(payloads)), row_count_(row_count) {
    const auto random = NewSeededRandom(1);
    for (uint32_t i = 0; i < dim * 1000; ++i) {
      const auto half = static_cast<uint16_t>(0x3000 + random->Below(0x0c00));
      noise_.append(reinterpret_cast<const char*>(&half), sizeof(half));
    }
    vector_bytes_ = dim * sizeof(uint16_t);
  }
  uint32_t row_count() const override { return row_count_; }
  Result<std::string_view> Id(OpContext&, RowIndex row) override {
    const std::string digits = std::to_string(row);
    id_ = "doc-" + std::string(9 - digits.size(), '0') + digits;
    return id_;
  }
  Result<std::string_view> Vector(OpContext&, RowIndex row) override {
    return std::string_view(noise_).substr(row % 1000 * vector_bytes_, vector_bytes_);
  }
  float Scale(RowIndex) override { return 0; }
  Result<std::string_view> Payload(OpContext&, RowIndex row) override { return payloads_[row % payloads_.size()]; }
  Lsn lsn_max() const override { return Lsn(1); }

 private:
  std::vector<std::string> payloads_;
  uint32_t row_count_;
  std::string noise_;
  size_t vector_bytes_ = 0;
  std::string id_;
};

void Measure(OpContext& ctx, const SegmentReader& segment, const std::string& json, const char* when) {
  simdjson::dom::parser parser;
  const auto filter = Filter::Parse(parser.parse(simdjson::padded_string(json)).value(), Limits()).value();
  const double begin = CpuSeconds();
  const auto rows = segment.Matching(ctx, *filter).value();
  std::printf("  %-16s %10.1f us  %8u match  %s\n", when, (CpuSeconds() - begin) * 1e6, rows->Count(), json.c_str());
}

void Run(const char* file, uint32_t row_count, uint32_t dim) {
  std::vector<std::string> payloads;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) payloads.push_back(line);
  if (payloads.empty()) std::exit(1);
  Source source(std::move(payloads), row_count, dim);
  OpContext ctx(RealClock());
  std::vector<uint64_t> sizes;
  for (const bool with : {false, true, false, true}) {
    const std::shared_ptr<ObjectStore> store = NewMemoryStore(RealClock());
    SegmentOptions options{.dim = dim, .type = VectorType::kF16};
    if (!with) options.columns = std::nullopt;
    double begin = CpuSeconds();
    const auto entry = WriteSegment(ctx, *store, "s", "s", options, source).value();
    std::printf("%s columns: written in %.3f s of CPU, %.1f bytes a row\n", with ? "with" : "without",
                CpuSeconds() - begin, static_cast<double>(entry.object.size_bytes) / row_count);
    begin = CpuSeconds();
    const auto segment = SegmentReader::Open(ctx, store, "s", entry, NewPayloadBlockCache(32u << 20)).value();
    std::printf("  opened in %.3f s of CPU\n", CpuSeconds() - begin);
    const std::string both =
        R"({"must":[{"key":"lang","value":"fr"},{"key":"installed_size_kib","range":{"gt":1000}}]})";
    Measure(ctx, *segment, both, "first");
    Measure(ctx, *segment, both, "the same again");
    Measure(ctx, *segment, R"({"must":[{"key":"lang","value":"ja"},{"key":"installed_size_kib","range":{"lt":9}}]})",
            "the same columns");
    Measure(ctx, *segment, R"({"key":"depends","value":"libc6"})", "first");
    Measure(ctx, *segment, R"({"key":"text","match":{"text":"library"}})", "undecided");
  }
}

}  // namespace
}  // namespace akidb

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  akidb::Run(argv[1], argc > 2 ? static_cast<uint32_t>(std::atoi(argv[2])) : 92'555,
             argc > 3 ? static_cast<uint32_t>(std::atoi(argv[3])) : 384);
}
