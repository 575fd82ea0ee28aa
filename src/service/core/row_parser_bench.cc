// Parsing of a bulk upsert body: ours against simdjson's tree of the same text.
// Usage: row_parser_bench [decimals, default 17 as Python prints a float32]
#include <simdjson.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/random.h"
#include "service/core/row_parser.h"

namespace akidb {
namespace {

constexpr uint32_t kDim = 384;
constexpr int kRows = 500;

std::string Body(int decimals) {
  const auto random = NewSeededRandom(1);
  std::string body = "{\"vectors\": [";
  for (int row = 0; row < kRows; ++row) {
    body += row == 0 ? "" : ", ";
    body += "{\"id\": \"doc-" + std::to_string(row) + "\", \"vector\": [";
    for (uint32_t i = 0; i < kDim; ++i) {
      const auto x = static_cast<float>(static_cast<double>(random->Next() >> 11) / 9007199254740992.0 * 0.2 - 0.1);
      std::array<char, 64> text{};
      const auto end = decimals >= 17 ? std::to_chars(text.data(), text.data() + 64, static_cast<double>(x))
                                      : std::to_chars(text.data(), text.data() + 64, static_cast<double>(x),
                                                      std::chars_format::fixed, decimals);
      body.append(i == 0 ? "" : ", ").append(text.data(), end.ptr);
    }
    body +=
        R"(], "payload": {"lang": "en", "section": "libs", "tags": ["a", "b", "c"], "size": 1234, "text": "A library that does what it says and says what it does"}})";
  }
  body += "]}";
  body.reserve(body.size() + 64);
  return body;
}

template <class F>
void Measure(const char* what, size_t bytes, F run) {
  double best = 1e9;
  for (int i = 0; i < 30; ++i) {
    const MonotonicTime begin = RealClock().Now();
    run();
    best = std::min(best, std::chrono::duration<double>(RealClock().Now() - begin).count());
  }
  std::printf("%-28s %7.0f MB/s %9.0f vectors/s on one core\n", what, static_cast<double>(bytes) / best / 1e6,
              kRows / best);
}

int Main(int argc, char** argv) {
  const int decimals = argc > 1 ? std::atoi(argv[1]) : 17;
  const std::string body = Body(decimals);
  std::printf("%d rows of %u elements, %zu bytes\n", kRows, kDim, body.size());
  Measure("ParseJsonRows", body.size(), [&] {
    const auto rows = ParseJsonRows(body, kDim, Limits{});
    if (!rows || rows->rows.ids.size() != kRows) std::abort();
  });
  simdjson::dom::parser parser;
  Measure("simdjson tree and copy", body.size(), [&] {
    std::vector<float> out;
    out.reserve(kRows * kDim);
    for (const auto row : parser.parse(body.data(), body.size(), false)["vectors"].get_array()) {
      for (const auto x : row["vector"].get_array()) out.push_back(static_cast<float>(x.get_double().value()));
    }
    if (out.size() != kRows * kDim) std::abort();
  });
  return 0;
}

}  // namespace
}  // namespace akidb

int main(int argc, char** argv) { return akidb::Main(argc, argv); }
