// A second, naive evaluator of filters, written from docs/guide/filters.md alone: it interprets the filter's JSON as it
// stands, over a JSON tree of its own, with 80-bit floats for numbers. The property test holds the real one against it.
//
// Threads: pure functions.
// Errors:  none; the filter must be valid.
#pragma once

#include <string>
#include <vector>

namespace akidb::reference {

struct Field;

struct Json {
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  bool boolean = false;
  std::string text;  // the string, or the number as it is written
  std::vector<Json> items;
  std::vector<Field> fields;

  static Json Null();
  static Json Bool(bool value);
  static Json Number(std::string text);
  static Json String(std::string text);
  static Json Array(std::vector<Json> items);
  static Json Object(std::vector<Field> fields);

  const Json* Find(const std::string& name) const;
  std::string Text() const;
};

struct Field {
  std::string name;
  Json value;
};

bool Matches(const Json& filter, const std::string& id, const Json& payload);

}  // namespace akidb::reference
