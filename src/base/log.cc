#include "base/log.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>

#include "base/clock.h"
#include "base/json_writer.h"

namespace akidb {
namespace {

std::atomic<LogLevel> g_level{LogLevel::kInfo};

std::function<void(std::string_view)>& Sink() {
  static std::function<void(std::string_view)> sink;
  return sink;
}

constexpr std::array<std::string_view, 4> kLevelNames = {"debug", "info", "warn", "error"};

}  // namespace

LogField::LogField(std::string_view k, std::string_view v) : key(k) { AppendJsonString(v, &value); }

LogField::LogField(std::string_view k, double v) : key(k) { AppendJsonNumber(v, &value); }

void SetLogLevel(LogLevel level) { g_level.store(level, std::memory_order_relaxed); }

void SetLogSink(std::function<void(std::string_view)> sink) { Sink() = std::move(sink); }

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (level < g_level.load(std::memory_order_relaxed)) return;
  std::string line = "{\"ts\":\"";
  line += FormatRfc3339(RealClock().WallNow());
  line += "\",\"level\":\"";
  line += kLevelNames[static_cast<size_t>(level)];
  line += "\",\"msg\":";
  AppendJsonString(message, &line);
  for (const LogField& field : fields) {
    line += ",\"";
    line += field.key;
    line += "\":";
    line += field.value;
  }
  line += "}\n";
  if (Sink()) {
    Sink()(line);
    return;
  }
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace akidb
