// Bytes of payload per second that an evaluator goes through, for filters from trivial to rich.
// Usage: filter_bench [seconds per filter]

#include <simdjson.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/json_writer.h"
#include "base/random.h"
#include "filter/filter.h"

namespace akidb {
namespace {

constexpr size_t kRows = 20000;
constexpr size_t kPaddingBytes = 64;

// Payloads of about 700 bytes, as a document collection has them, each with its padding.
struct Rows {
  std::string bytes;
  std::vector<std::pair<size_t, size_t>> places;  // offset, length
  std::vector<std::string> ids;
};

std::string Sentence(Random& random, size_t words) {
  static constexpr const char* kWords[] = {"the",      "package", "contains",    "shared", "libraries",
                                           "données",  "de",      "development", "files",  "système",
                                           "fichiers", "tools",   "网络",        "で",     "utilidad"};
  std::string text;
  for (size_t i = 0; i < words; ++i) text.append(i == 0 ? "" : " ").append(kWords[random.Below(std::size(kWords))]);
  return text;
}

std::string Payload(Random& random, size_t row) {
  static constexpr const char* kLanguages[] = {"en", "fr", "es", "ja", "zh"};
  static constexpr const char* kTags[] = {"devel::library", "role::program", "interface::commandline",
                                          "works-with::text"};
  std::string text;
  JsonWriter w(&text);
  w.BeginObject().Key("name").Value("package-" + std::to_string(row)).Key("lang").Value(kLanguages[random.Below(5)]);
  w.Key("section").Value(random.Below(3) == 0 ? "net" : "libs").Key("priority").Value("optional");
  w.Key("installed_size_kib")
      .Value(random.Below(100000))
      .Key("score")
      .Value(static_cast<double>(random.Below(1000)) / 7);
  w.Key("homepage");
  random.Below(4) == 0 ? w.Null() : w.Value("https://example.org/projects/" + std::to_string(row));
  w.Key("updated").Value("2024-0" + std::to_string(1 + random.Below(9)) + "-11T10:00:00Z");
  w.Key("tags").BeginArray();
  for (size_t i = random.Below(4); i > 0; --i) w.Value(kTags[random.Below(4)]);
  w.EndArray().Key("maintainer").BeginObject().Key("domain").Value("example.org").Key("team").Value(true).EndObject();
  w.Key("summary").Value(Sentence(random, 10)).Key("text").Value(Sentence(random, 45)).EndObject();
  return text;
}

Rows MakeRows() {
  const auto random = NewSeededRandom(1);
  Rows rows;
  for (size_t row = 0; row < kRows; ++row) {
    const std::string payload = Payload(*random, row);
    rows.places.emplace_back(rows.bytes.size(), payload.size());
    rows.bytes.append(payload);
    rows.ids.push_back("doc-" + std::to_string(row));
  }
  rows.bytes.append(kPaddingBytes, '\0');
  return rows;
}

void Measure(const char* name, const char* json, const Rows& rows, double seconds) {
  using Clock = std::chrono::steady_clock;
  simdjson::dom::parser parser;
  const auto filter = Filter::Parse(parser.parse(simdjson::padded_string(std::string_view(json))).value(), Limits());
  if (!filter) std::abort();
  const auto evaluator = FilterEvaluator::New(**filter);
  size_t matches = 0;
  size_t rounds = 0;
  const auto start = Clock::now();
  std::chrono::duration<double> spent{};
  for (; spent.count() < seconds; spent = Clock::now() - start, ++rounds) {
    for (size_t row = 0; row < kRows; ++row) {
      const auto [offset, length] = rows.places[row];
      matches += evaluator->Matches(rows.ids[row], std::string_view(rows.bytes).substr(offset, length)) ? 1 : 0;
    }
  }
  const double evaluated = static_cast<double>(rounds * kRows);
  std::printf("%-16s %7.0f MB/s %7.0f ns/row %6.2f %% match\n", name,
              static_cast<double>(rows.bytes.size() * rounds) / spent.count() / 1e6, spent.count() / evaluated * 1e9,
              100 * static_cast<double>(matches) / evaluated);
}

void Run(double seconds) {
  const Rows rows = MakeRows();
  std::printf("%zu payloads, %.0f bytes each, parser %s\n", kRows, static_cast<double>(rows.bytes.size()) / kRows,
              simdjson::get_active_implementation()->name().c_str());
  Measure("match", R"({"key":"lang","match":{"value":"fr"}})", rows, seconds);
  Measure("match last", R"({"key":"text","match":{"value":"fr"}})", rows, seconds);
  Measure("match nested key", R"({"key":"maintainer.domain","match":{"value":"example.org"}})", rows, seconds);
  Measure("range", R"({"key":"installed_size_kib","range":{"gte":1000,"lt":50000}})", rows, seconds);
  Measure("time range", R"({"key":"updated","range":{"gte":"2024-05-01T00:00:00+02:00"}})", rows, seconds);
  Measure("tags any", R"({"key":"tags","match":{"any":["role::program","devel::library"]}})", rows, seconds);
  Measure("text", R"({"key":"text","match":{"text":"shared libraries"}})", rows, seconds);
  Measure("six leaves",
          R"({"must":[{"key":"lang","value":"en"},{"key":"score","value":{"gt":10}}],
              "should":[{"key":"tags","contains":"role::program"},{"key":"section","value":"net"}],
              "must_not":[{"key":"homepage","is_null":true},{"key":"priority","value":"extra"}]})",
          rows, seconds);
  Measure("ids only", R"({"has_id":["doc-1","doc-5","doc-99","doc-19999"]})", rows, seconds);
}

}  // namespace
}  // namespace akidb

int main(int argc, char** argv) { akidb::Run(argc > 1 ? std::atof(argv[1]) : 1.0); }
