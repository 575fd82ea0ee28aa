#include "service/core/fields.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/clock.h"
#include "base/json_writer.h"
#include "format/collection_spec.h"
#include "service/core/json_cursor.h"

namespace akidb {
namespace {

constexpr size_t kFieldsMax = 64;
constexpr size_t kNameBytesMax = 255;
constexpr size_t kTimeBytesMax = 64;
constexpr uint64_t kVersionMax = UINT64_MAX - 1;

Status Bad(std::string_view reason, std::string message) {
  return InvalidArgument(std::move(message)).WithReason(reason);
}

// `raw` lies inside a padded body.
simdjson::error_code ParseDom(std::string_view raw, simdjson::dom::parser* parser, simdjson::dom::element* out) {
  return parser->parse(raw.data(), raw.size(), false).get(*out);
}

bool IsDecimal(std::string_view raw) {
  if (raw.starts_with('-')) raw.remove_prefix(1);
  return !raw.empty() && raw.size() <= 20 && (raw[0] != '0' || raw.size() == 1) &&
         raw.find_first_not_of("0123456789") == std::string_view::npos;
}

// Numbers as people write them, "0.95": of at most fifteen digits, so that both operands of the division are exact and
// its result is correctly rounded. False for all others.
bool ShortDecimal(std::string_view raw, double* out) {
  const size_t point = raw.find('.');
  const std::string_view whole = raw.substr(0, point);
  const std::string_view fraction = point == std::string_view::npos ? std::string_view() : raw.substr(point + 1);
  if (raw.size() > 16 || whole.empty() || (point != std::string_view::npos && fraction.empty())) return false;
  if (whole.size() > 1 && whole[0] == '0') return false;
  uint64_t digits = 0;
  double scale = 1;
  for (const std::string_view part : {whole, fraction}) {
    for (const char c : part) {
      if (c < '0' || c > '9') return false;
      digits = digits * 10 + static_cast<uint64_t>(c - '0');
    }
  }
  for (size_t i = 0; i < fraction.size(); ++i) scale *= 10;
  if (digits > 999999999999999) return false;
  *out = static_cast<double>(digits) / scale;
  return true;
}

// "7.000" is the integer 7 to JSON Schema, and what some languages print.
std::string_view WithoutZeroFraction(std::string_view raw) {
  const size_t dot = raw.find('.');
  if (dot == std::string_view::npos || dot + 1 == raw.size()) return raw;
  return raw.find_first_not_of('0', dot + 1) == std::string_view::npos ? raw.substr(0, dot) : raw;
}

}  // namespace

Fields Fields::Parse(std::string_view text, std::string where) {
  Fields out;
  out.where_ = std::move(where);
  const auto parse = [&]() -> Status {
    JsonCursor cursor(text);
    AKI_RETURN_IF_ERROR(cursor.Take('{'));
    for (bool first = true;; first = false) {
      AKI_ASSIGN_OR_RETURN(const bool more, cursor.NextMember('}', first));
      if (!more) return cursor.End();
      AKI_ASSIGN_OR_RETURN(const std::string_view key, cursor.Key());
      AKI_ASSIGN_OR_RETURN(const std::string_view raw, cursor.RawValue());
      for (const Field& field : out.fields_) {
        if (field.key == key)
          return Bad("duplicate_field", "field \"" + out.where_ + std::string(key) + "\" is given twice");
      }
      if (out.fields_.size() == kFieldsMax) return Bad("unknown_field", "the object has more than 64 fields");
      out.fields_.push_back({key, raw});
    }
  };
  out.status_ = parse();
  return out;
}

std::optional<std::string_view> Fields::Raw(std::string_view key) {
  if (std::ranges::find(asked_, key) == asked_.end()) asked_.push_back(key);
  for (Field& field : fields_) {
    if (field.key != key) continue;
    field.known = true;
    return field.raw;
  }
  return std::nullopt;
}

void Fields::Fail(std::string_view reason, std::string message) {
  if (status_.ok()) status_ = Bad(reason, std::move(message));
}

void Fields::FailField(std::string_view key, std::string_view problem) {
  Fail("invalid_field", "field \"" + where_ + std::string(key) + "\" " + std::string(problem));
}

void Fields::Require(std::string_view key) {
  if (!Raw(key)) Fail("missing_field", "field \"" + where_ + std::string(key) + "\" is missing");
}

void Fields::Bool(std::string_view key, bool* out) {
  const auto raw = Raw(key);
  if (!raw) return;
  if (*raw != "true" && *raw != "false") return FailField(key, "must be true or false");
  *out = *raw == "true";
}

void Fields::Uint(std::string_view key, uint64_t min, uint64_t max, uint32_t* out) {
  uint64_t value = *out;
  Uint(key, min, max, &value);
  *out = static_cast<uint32_t>(value);
}

void Fields::Uint(std::string_view key, uint64_t min, uint64_t max, uint64_t* out) {
  const auto raw = Raw(key);
  if (!raw) return;
  const std::string_view digits = WithoutZeroFraction(*raw);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool whole = IsDecimal(digits) && error == std::errc() && end == digits.data() + digits.size();
  if (!whole || value < min || value > max) {
    return FailField(key, "is " + std::string(raw->substr(0, 32)) + "; it must be an integer from " +
                              std::to_string(min) + " to " + std::to_string(max));
  }
  *out = value;
}

void Fields::Double(std::string_view key, double min, double max, std::optional<double>* out) {
  const auto raw = Raw(key);
  if (!raw) return;
  double value = 0;
  if (!ShortDecimal(*raw, &value)) {
    // A parser allocates, which is dear beside the rest of a search.
    simdjson::dom::parser parser;
    simdjson::dom::element element;
    if (ParseDom(*raw, &parser, &element) != simdjson::SUCCESS ||
        element.get_double().get(value) != simdjson::SUCCESS) {
      value = std::numeric_limits<double>::quiet_NaN();
    }
  }
  if (!(value >= min && value <= max)) {
    std::string range;
    AppendJsonNumber(min, &range);
    range += " to ";
    AppendJsonNumber(max, &range);
    return FailField(key, "must be a number from " + range);
  }
  *out = value;
}

void Fields::String(std::string_view key, size_t size_max, std::string* out) {
  const auto raw = Raw(key);
  if (!raw || *raw == "null") return;
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  std::string_view text;
  if (ParseDom(*raw, &parser, &element) != simdjson::SUCCESS || element.get_string().get(text) != simdjson::SUCCESS) {
    return FailField(key, "must be a string");
  }
  if (text.size() > size_max) {
    return FailField(key, "has " + std::to_string(text.size()) + " bytes; the limit is " + std::to_string(size_max));
  }
  *out = text;
}

void Fields::Floats(std::string_view key, size_t size_max, std::vector<float>* out) {
  const auto raw = Raw(key);
  if (!raw) return;
  // Every element takes two bytes at least, so the text bounds the allocation.
  out->resize(std::min(size_max, raw->size() / 2 + 1));
  JsonCursor cursor(*raw);
  size_t count = 0;
  const Result<NumberParse> parsed = cursor.Floats(out->data(), out->size(), &count);
  if (!parsed) return Fail("invalid_json", std::string(parsed.error().message()));
  if (*parsed == NumberParse::kOutOfRange) {
    return FailField(key, "element " + std::to_string(count) + " is outside the range of a 32-bit float");
  }
  if (*parsed == NumberParse::kNotANumber) {
    return FailField(key, "must be an array of finite numbers; element " + std::to_string(count) + " is not");
  }
  if (count > size_max) {
    return FailField(key, "has " + std::to_string(count) + " elements; the limit is " + std::to_string(size_max));
  }
  out->resize(count);
}

void Fields::Ids(std::string_view key, size_t count_max, std::vector<std::string>* out) {
  const auto raw = Raw(key);
  if (!raw) return;
  simdjson::dom::parser parser;
  const Status status =
      ForEachItem(*raw, count_max, where_ + std::string(key), [&](size_t index, std::string_view item) -> Status {
        if (IsDecimal(item)) {
          out->emplace_back(item == "-0" ? "0" : item);
          return OkStatus();
        }
        simdjson::dom::element element;
        std::string_view text;
        if (ParseDom(item, &parser, &element) != simdjson::SUCCESS ||
            element.get_string().get(text) != simdjson::SUCCESS) {
          return Bad("invalid_field", "field \"" + where_ + std::string(key) + "[" + std::to_string(index) +
                                          "]\" must be a string or an integer");
        }
        out->emplace_back(text);
        return OkStatus();
      });
  if (status_.ok() && !status.ok()) status_ = status;
}

void Fields::FilterTree(std::string_view key, const Limits& limits, std::shared_ptr<const Filter>* out) {
  const auto raw = Raw(key);
  if (!raw || *raw == "null") return;
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  if (const auto error = ParseDom(*raw, &parser, &element); error != simdjson::SUCCESS) {
    return Fail("invalid_filter", where_ + std::string(key) + " is not valid JSON: " + simdjson::error_message(error));
  }
  Result<std::shared_ptr<const Filter>> filter = Filter::Parse(element, limits);
  if (filter) {
    *out = std::move(*filter);
  } else if (status_.ok()) {
    // The message begins with "filter" already.
    status_ = std::move(filter).error();
    if (!where_.empty()) status_ = std::move(status_).Annotate(std::string_view(where_).substr(0, where_.size() - 1));
  }
}

void Fields::Position(std::string_view key, std::optional<akidb::Position>* out) {
  if (!Raw(key)) return;
  std::string token;
  String(key, 256, &token);
  if (!status_.ok()) return;
  Result<akidb::Position> position = akidb::Position::FromToken(token);
  if (!position) return FailField(key, "is not a commit token: " + std::string(position.error().message()));
  *out = *position;
}

bool Fields::Has(std::string_view key) const { return std::ranges::find(fields_, key, &Field::key) != fields_.end(); }

void Fields::ReadAt(std::string_view key, std::optional<ReadPoint>* out) {
  const auto raw = Raw(key);
  if (!raw || *raw == "null") return;
  std::string snapshot;
  std::string time;
  uint64_t version = 0;
  size_t given = 1;
  if (raw->starts_with('{')) {
    Fields inner = Parse(*raw, where_ + std::string(key) + ".");
    given = static_cast<size_t>(inner.Has("snapshot")) + static_cast<size_t>(inner.Has("version")) +
            static_cast<size_t>(inner.Has("time"));
    inner.String("snapshot", kNameBytesMax, &snapshot);
    inner.Uint("version", 1, kVersionMax, &version);
    inner.String("time", kTimeBytesMax, &time);
    if (Status status = inner.Done(); !status.ok()) {
      if (status_.ok()) status_ = std::move(status);
      return;
    }
  } else if (raw->starts_with('"')) {
    String(key, kNameBytesMax, &snapshot);
  } else {
    given = 0;
  }
  if (given != 1) {
    return FailField(key, R"(must be a snapshot's name or one of {"snapshot"}, {"version"} and {"time"})");
  }
  if (version > 0) {
    *out = AtVersion{ManifestVersion(version)};
  } else if (!time.empty()) {
    const auto parsed = ParseRfc3339(time);
    if (!parsed) return FailField(key, "has a time that is not of RFC 3339, as 2026-11-23T02:14:17Z is");
    *out = AtTime{*parsed};
  } else {
    const Status valid = ValidateName(key, snapshot);
    if (!valid.ok()) return FailField(key, "names no snapshot: " + std::string(valid.message()));
    *out = AtSnapshot{snapshot};
  }
}

Result<ReadPoint> ReadPointFromQuery(std::string_view text) {
  std::string json;
  if (text.starts_with('{')) {
    json = "{\"at\":" + std::string(text) + "}";
  } else {
    JsonWriter(&json).BeginObject().Key("at").Value(text).EndObject();
  }
  const size_t size = json.size();
  json.resize(size + simdjson::SIMDJSON_PADDING);
  Fields fields = Fields::Parse(std::string_view(json).substr(0, size), "");
  std::optional<ReadPoint> point;
  fields.ReadAt("at", &point);
  AKI_RETURN_IF_ERROR(fields.Done());
  return *point;
}

Status Fields::Done() {
  // A misspelt field is also missing under its right name; the misspelling is what helps.
  if (!status_.ok() && status_.reason() != "missing_field") return status_;
  for (const Field& field : fields_) {
    if (!field.known) {
      std::string known;
      for (const std::string_view key : asked_) known.append(known.empty() ? "" : ", ").append(key);
      return Bad("unknown_field", "unknown field \"" + where_ + std::string(field.key.substr(0, 64)) + "\"; " +
                                      (known.empty() ? "no field is known here" : "known are " + known));
    }
  }
  return status_;
}

Status ForEachItem(std::string_view text, size_t count_max, std::string_view what,
                   const std::function<Status(size_t, std::string_view)>& visit) {
  JsonCursor cursor(text);
  if (!cursor.TryTake('[')) return Bad("invalid_field", "field \"" + std::string(what) + "\" must be an array");
  for (size_t index = 0;; ++index) {
    AKI_ASSIGN_OR_RETURN(const bool more, cursor.NextMember(']', index == 0));
    if (!more) return cursor.End();
    if (index == count_max) {
      return Bad("invalid_field",
                 "field \"" + std::string(what) + "\" has more than " + std::to_string(count_max) + " items");
    }
    AKI_ASSIGN_OR_RETURN(const std::string_view item, cursor.RawValue());
    AKI_RETURN_IF_ERROR(visit(index, item));
  }
}

}  // namespace akidb
