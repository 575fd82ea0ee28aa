// Counters, gauges and histograms of the process, and their Prometheus text.
// Hot metrics are sharded so that threads do not share cache lines; families and labels are fixed at wiring or come
// from small closed sets (routes, status codes), never from users.
//
// Threads: thread-safe. References returned by the registry live as long as it does.
// Errors:  none.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"

namespace akidb {

inline constexpr size_t kMetricShards = 8;
// This thread's shard.
size_t MetricShard();

class Counter {
 public:
  void Add(uint64_t n = 1) { shards_[MetricShard()].value.fetch_add(n, std::memory_order_relaxed); }
  uint64_t Value() const;

 private:
  struct alignas(64) Shard {
    std::atomic<uint64_t> value{0};
  };
  std::array<Shard, kMetricShards> shards_;
};

class Gauge {
 public:
  void Add(int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  int64_t Value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Durations in buckets from 100 microseconds to 30 seconds.
class Histogram {
 public:
  static std::span<const double> Bounds();  // seconds
  void Observe(Duration duration);
  struct Totals {
    std::array<uint64_t, 18> buckets{};  // not cumulative; the last is "more"
    uint64_t count = 0;
    double sum_seconds = 0;
  };
  Totals Read() const;

 private:
  struct alignas(64) Shard {
    std::array<std::atomic<uint64_t>, 18> buckets{};
    std::atomic<uint64_t> sum_ns{0};
  };
  std::array<Shard, kMetricShards> shards_;
};

// Writes the text exposition format 0.0.4.
class PrometheusText {
 public:
  explicit PrometheusText(std::string* out) : out_(out) {}
  // `type` is "counter", "gauge" or "histogram"; samples of the family follow at once.
  void Family(std::string_view name, std::string_view type, std::string_view help);
  // `labels` is `a="b",c="d"` or empty.
  void Sample(std::string_view name, std::string_view labels, double value);
  void Sample(std::string_view name, std::string_view labels, uint64_t value);
  void HistogramSamples(std::string_view name, std::string_view labels, const Histogram::Totals& totals);
  // A family with one sample.
  void Single(std::string_view name, std::string_view type, std::string_view help, double value);

 private:
  std::string* out_;
};

class MetricsRegistry {
 public:
  Counter& GetCounter(const std::string& name, const std::string& help, const std::string& labels);
  Gauge& GetGauge(const std::string& name, const std::string& help, const std::string& labels);
  Histogram& GetHistogram(const std::string& name, const std::string& help, const std::string& labels);
  // Called at each scrape; it writes whole families of its own.
  void AddCollector(std::function<void(PrometheusText&)> collector);

  std::string Text() const;

 private:
  struct Family {
    std::string help;
    std::map<std::string, std::unique_ptr<Counter>> counters;
    std::map<std::string, std::unique_ptr<Gauge>> gauges;
    std::map<std::string, std::unique_ptr<Histogram>> histograms;
  };
  Family& GetFamily(const std::string& name, const std::string& help) AKI_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::map<std::string, Family> families_ AKI_GUARDED_BY(mutex_);
  std::vector<std::function<void(PrometheusText&)>> collectors_ AKI_GUARDED_BY(mutex_);
};

// `name="value"` with the value escaped.
std::string MetricLabel(std::string_view name, std::string_view value);

}  // namespace akidb
