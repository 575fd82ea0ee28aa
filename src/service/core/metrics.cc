#include "service/core/metrics.h"

#include <algorithm>

#include "base/json_writer.h"

namespace akidb {
namespace {

constexpr std::array<double, 17> kBounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                            0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30};

}  // namespace

size_t MetricShard() {
  static std::atomic<size_t> next{0};
  thread_local const size_t shard = next.fetch_add(1, std::memory_order_relaxed) % kMetricShards;
  return shard;
}

uint64_t Counter::Value() const {
  uint64_t sum = 0;
  for (const Shard& shard : shards_) sum += shard.value.load(std::memory_order_relaxed);
  return sum;
}

std::span<const double> Histogram::Bounds() { return kBounds; }

void Histogram::Observe(Duration duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  const auto bucket = static_cast<size_t>(std::lower_bound(kBounds.begin(), kBounds.end(), seconds) - kBounds.begin());
  Shard& shard = shards_[MetricShard()];
  shard.buckets[bucket].fetch_add(1, std::memory_order_relaxed);
  shard.sum_ns.fetch_add(static_cast<uint64_t>(std::max<int64_t>(duration.count(), 0)), std::memory_order_relaxed);
}

Histogram::Totals Histogram::Read() const {
  Totals totals;
  for (const Shard& shard : shards_) {
    for (size_t i = 0; i < totals.buckets.size(); ++i) {
      const uint64_t n = shard.buckets[i].load(std::memory_order_relaxed);
      totals.buckets[i] += n;
      totals.count += n;
    }
    totals.sum_seconds += static_cast<double>(shard.sum_ns.load(std::memory_order_relaxed)) * 1e-9;
  }
  return totals;
}

void PrometheusText::Family(std::string_view name, std::string_view type, std::string_view help) {
  out_->append("# HELP ")
      .append(name)
      .append(" ")
      .append(help)
      .append("\n# TYPE ")
      .append(name)
      .append(" ")
      .append(type)
      .append("\n");
}

void PrometheusText::Sample(std::string_view name, std::string_view labels, double value) {
  out_->append(name);
  if (!labels.empty()) out_->append("{").append(labels).append("}");
  out_->push_back(' ');
  AppendJsonNumber(value, out_);
  out_->push_back('\n');
}

void PrometheusText::Sample(std::string_view name, std::string_view labels, uint64_t value) {
  out_->append(name);
  if (!labels.empty()) out_->append("{").append(labels).append("}");
  out_->append(" ").append(std::to_string(value)).append("\n");
}

void PrometheusText::HistogramSamples(std::string_view name, std::string_view labels, const Histogram::Totals& totals) {
  const std::string base(name);
  uint64_t below = 0;
  for (size_t i = 0; i < totals.buckets.size(); ++i) {
    below += totals.buckets[i];
    std::string bound = "+Inf";
    if (i < kBounds.size()) {
      bound.clear();
      AppendJsonNumber(kBounds[i], &bound);
    }
    Sample(base + "_bucket", std::string(labels) + (labels.empty() ? "" : ",") + "le=\"" + bound + "\"", below);
  }
  Sample(base + "_sum", labels, totals.sum_seconds);
  Sample(base + "_count", labels, totals.count);
}

void PrometheusText::Single(std::string_view name, std::string_view type, std::string_view help, double value) {
  Family(name, type, help);
  Sample(name, {}, value);
}

MetricsRegistry::Family& MetricsRegistry::GetFamily(const std::string& name, const std::string& help) {
  Family& family = families_[name];
  family.help = help;
  return family;
}

Counter& MetricsRegistry::GetCounter(const std::string& name, const std::string& help, const std::string& labels) {
  MutexLock lock(mutex_);
  auto& counter = GetFamily(name, help).counters[labels];
  if (!counter) counter = std::make_unique<Counter>();
  return *counter;
}

Gauge& MetricsRegistry::GetGauge(const std::string& name, const std::string& help, const std::string& labels) {
  MutexLock lock(mutex_);
  auto& gauge = GetFamily(name, help).gauges[labels];
  if (!gauge) gauge = std::make_unique<Gauge>();
  return *gauge;
}

Histogram& MetricsRegistry::GetHistogram(const std::string& name, const std::string& help, const std::string& labels) {
  MutexLock lock(mutex_);
  auto& histogram = GetFamily(name, help).histograms[labels];
  if (!histogram) histogram = std::make_unique<Histogram>();
  return *histogram;
}

void MetricsRegistry::AddCollector(std::function<void(PrometheusText&)> collector) {
  MutexLock lock(mutex_);
  collectors_.push_back(std::move(collector));
}

std::string MetricsRegistry::Text() const {
  std::string out;
  PrometheusText text(&out);
  MutexLock lock(mutex_);
  for (const auto& [name, family] : families_) {
    text.Family(name,
                !family.counters.empty() ? "counter"
                : !family.gauges.empty() ? "gauge"
                                         : "histogram",
                family.help);
    for (const auto& [labels, counter] : family.counters) text.Sample(name, labels, counter->Value());
    for (const auto& [labels, gauge] : family.gauges) text.Sample(name, labels, static_cast<double>(gauge->Value()));
    for (const auto& [labels, histogram] : family.histograms) text.HistogramSamples(name, labels, histogram->Read());
  }
  for (const auto& collector : collectors_) collector(text);
  return out;
}

std::string MetricLabel(std::string_view name, std::string_view value) {
  std::string out(name);
  out += "=\"";
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('"');
  return out;
}

}  // namespace akidb
