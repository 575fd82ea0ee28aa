#include "base/json_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

namespace akidb {
namespace {

// Length of the valid UTF-8 sequence that starts at s[i], or 0.
size_t Utf8SequenceLength(std::string_view s, size_t i) {
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(s[k]); };
  const unsigned char lead = byte(i);
  size_t length = 0;
  uint32_t code = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
    code = lead & 0x1Fu;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    code = lead & 0x0Fu;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    code = lead & 0x07u;
  } else {
    return 0;
  }
  if (i + length > s.size()) return 0;
  for (size_t k = 1; k < length; ++k) {
    if ((byte(i + k) & 0xC0u) != 0x80u) return 0;
    code = code << 6 | (byte(i + k) & 0x3Fu);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return overlong || surrogate || code > 0x10FFFF ? 0 : length;
}

bool IsWordByte(char c) { return (c >= 'a' && c <= 'z') || c == '_'; }

// Whether these eight bytes stand for themselves in a string: no control bytes, quotes, backslashes, and only ASCII.
bool AllPlain(const char* p) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  uint64_t word;
  std::memcpy(&word, p, sizeof(word));
  const uint64_t quote = word ^ kOnes * '"';
  const uint64_t backslash = word ^ kOnes * '\\';
  // The high bit of some byte, if not always of the right one.
  const uint64_t special = word | (word - kOnes * 0x20) | (quote - kOnes) | (backslash - kOnes);
  return (special & kOnes * 0x80) == 0;
}

template <class T>
void AppendFloat(T value, std::string* out) {
  if (!std::isfinite(value)) {
    *out += "null";
    return;
  }
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  out->append(buffer.data(), end);
}

}  // namespace

void AppendJsonString(std::string_view value, std::string* out) {
  constexpr char kHex[] = "0123456789abcdef";
  out->push_back('"');
  size_t plain = 0;  // start of the bytes not yet copied
  for (size_t i = 0; i < value.size();) {
    if (i + sizeof(uint64_t) <= value.size() && AllPlain(value.data() + i)) {
      i += sizeof(uint64_t);
      continue;
    }
    const auto c = static_cast<unsigned char>(value[i]);
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
      ++i;
      continue;
    }
    size_t length = c >= 0x80 ? Utf8SequenceLength(value, i) : 0;
    if (length > 0) {
      i += length;
      continue;
    }
    out->append(value, plain, i - plain);
    switch (c) {
      case '"': *out += "\\\""; break;
      case '\\': *out += "\\\\"; break;
      case '\n': *out += "\\n"; break;
      case '\r': *out += "\\r"; break;
      case '\t': *out += "\\t"; break;
      default:
        if (c >= 0x80) {
          *out += "\xEF\xBF\xBD";
        } else {
          *out += "\\u00";
          out->push_back(kHex[c >> 4]);
          out->push_back(kHex[c & 15]);
        }
    }
    plain = ++i;
  }
  out->append(value, plain, value.size() - plain);
  out->push_back('"');
}

void AppendJsonNumber(double value, std::string* out) { AppendFloat(value, out); }
void AppendJsonNumber(float value, std::string* out) { AppendFloat(value, out); }

void JsonWriter::Comma() {
  if (!first_) out_->push_back(',');
  first_ = false;
}

JsonWriter& JsonWriter::Open(char c) {
  Comma();
  out_->push_back(c);
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::Close(char c) {
  out_->push_back(c);
  first_ = false;
  return *this;
}

JsonWriter& JsonWriter::Key(std::string_view key) {
  // Nearly all keys are short words of ours: written with one append instead of five.
  constexpr size_t kShortBytes = 24;
  if (key.size() <= kShortBytes && std::ranges::all_of(key, IsWordByte)) {
    std::array<char, kShortBytes + 4> text;
    size_t size = 0;
    if (!first_) text[size++] = ',';
    text[size++] = '"';
    size += key.copy(text.data() + size, key.size());
    text[size++] = '"';
    text[size++] = ':';
    out_->append(text.data(), size);
    first_ = true;
    return *this;
  }
  Comma();
  AppendJsonString(key, out_);
  out_->push_back(':');
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::Value(std::string_view v) {
  Comma();
  AppendJsonString(v, out_);
  return *this;
}

JsonWriter& JsonWriter::Value(bool v) { return Raw(v ? "true" : "false"); }

JsonWriter& JsonWriter::Value(double v) {
  Comma();
  AppendJsonNumber(v, out_);
  return *this;
}

JsonWriter& JsonWriter::Value(float v) {
  Comma();
  AppendJsonNumber(v, out_);
  return *this;
}

JsonWriter& JsonWriter::Null() { return Raw("null"); }

JsonWriter& JsonWriter::Raw(std::string_view json) {
  Comma();
  *out_ += json;
  return *this;
}

}  // namespace akidb
