// Writes JSON: exact shortest floats, escaped strings, no tree in between. Reading JSON is simdjson's work.
//
// Threads: one writer, one thread.
// Errors:  none; misuse of Begin/End is a bug of the caller. Invalid UTF-8 in strings is replaced by U+FFFD.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace akidb {

// Appends `value` quoted and escaped.
void AppendJsonString(std::string_view value, std::string* out);
// Appends the shortest text that reads back as `value`; NaN and infinities become null.
void AppendJsonNumber(double value, std::string* out);
void AppendJsonNumber(float value, std::string* out);

// w.BeginObject(); w.Key("a").Value(1); w.EndObject();
class JsonWriter {
 public:
  explicit JsonWriter(std::string* out) : out_(out) {}

  JsonWriter& BeginObject() { return Open('{'); }
  JsonWriter& EndObject() { return Close('}'); }
  JsonWriter& BeginArray() { return Open('['); }
  JsonWriter& EndArray() { return Close(']'); }
  JsonWriter& Key(std::string_view key);

  JsonWriter& Value(std::string_view v);
  JsonWriter& Value(const std::string& v) { return Value(std::string_view(v)); }
  JsonWriter& Value(const char* v) { return Value(std::string_view(v)); }
  JsonWriter& Value(bool v);
  JsonWriter& Value(double v);
  JsonWriter& Value(float v);
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  JsonWriter& Value(T v) {
    Comma();
    *out_ += std::to_string(v);
    return *this;
  }
  JsonWriter& Null();
  // `json` is appended as it is.
  JsonWriter& Raw(std::string_view json);

 private:
  JsonWriter& Open(char c);
  JsonWriter& Close(char c);
  void Comma();

  std::string* out_;
  bool first_ = true;
};

}  // namespace akidb
