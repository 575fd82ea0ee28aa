#include "format/json_fields.h"

#include "base/check.h"
#include "base/hash.h"

namespace akidb {
namespace {

constexpr std::string_view kSealKey = ",\"xxh3\":\"";
constexpr size_t kSealDigits = 16;
constexpr size_t kSealBytes = kSealKey.size() + kSealDigits + 2;

std::string Seal(std::string_view covered) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const uint64_t sum = Xxh3(covered);
  std::string out(kSealKey);
  for (int shift = 60; shift >= 0; shift -= 4) out.push_back(kHex[sum >> shift & 15]);
  out += "\"}";
  return out;
}

}  // namespace

std::string SealJson(std::string object) {
  AKI_CHECK(object.size() > 2 && object.back() == '}');
  object.pop_back();
  object += Seal(object);
  return object;
}

Status CheckJsonSeal(std::string_view what, std::string_view bytes, uint64_t size_max) {
  if (bytes.size() > size_max) {
    return DataLoss(std::string(what) + " is " + std::to_string(bytes.size()) + " bytes, the limit is " +
                    std::to_string(size_max));
  }
  if (bytes.size() <= kSealBytes) return DataLoss(std::string(what) + " is truncated");
  const std::string_view covered = bytes.substr(0, bytes.size() - kSealBytes);
  if (bytes.substr(covered.size()) != Seal(covered)) {
    return DataLoss(std::string(what) + ": field xxh3 is not the checksum of the bytes before it");
  }
  return OkStatus();
}

JsonFields::JsonFields(const simdjson::dom::element& element, std::string path, Status* status)
    : path_(std::move(path)), status_(status) {
  if (!ok()) return;
  if (element.get_object().get(object_) != simdjson::SUCCESS) {
    *status_ = DataLoss(path_ + " is not an object");
    return;
  }
  next_ = object_.begin();
}

bool JsonFields::Next(std::string_view key, simdjson::dom::element* value) {
  if (!ok()) return false;
  if (next_ == object_.end()) {
    Fail(key, "is missing");
    return false;
  }
  if (next_.key() != key) {
    Fail(next_.key(), "is unknown or out of place; expected " + std::string(key));
    return false;
  }
  *value = next_.value();
  ++next_;
  return true;
}

void JsonFields::Fail(std::string_view key, std::string_view problem) {
  if (ok()) *status_ = DataLoss(path_ + "." + std::string(key) + " " + std::string(problem));
}

uint64_t JsonFields::Uint(std::string_view key, uint64_t max) {
  simdjson::dom::element value;
  uint64_t out = 0;
  if (!Next(key, &value)) return 0;
  if (value.get_uint64().get(out) != simdjson::SUCCESS) {
    Fail(key, "is not an unsigned integer");
    return 0;
  }
  if (out > max) {
    Fail(key, "is " + std::to_string(out) + ", the limit is " + std::to_string(max));
    return 0;
  }
  return out;
}

bool JsonFields::Bool(std::string_view key) {
  simdjson::dom::element value;
  bool out = false;
  if (Next(key, &value) && value.get_bool().get(out) != simdjson::SUCCESS) Fail(key, "is not true or false");
  return out;
}

std::string JsonFields::String(std::string_view key, size_t size_max) {
  simdjson::dom::element value;
  std::string_view out;
  if (!Next(key, &value)) return {};
  if (value.get_string().get(out) != simdjson::SUCCESS) {
    Fail(key, "is not a string");
    return {};
  }
  if (out.size() > size_max) {
    Fail(key, "has " + std::to_string(out.size()) + " bytes, the limit is " + std::to_string(size_max));
    return {};
  }
  return std::string(out);
}

simdjson::dom::element JsonFields::Element(std::string_view key) {
  simdjson::dom::element value;
  Next(key, &value);
  return value;
}

void JsonFields::End() {
  if (ok() && next_ != object_.end()) Fail(next_.key(), "is unknown");
}

Result<JsonDocument> JsonDocument::Parse(std::string_view what, std::string_view bytes) {
  JsonDocument document;
  const auto error = document.parser_->parse(bytes.data(), bytes.size()).get(document.root_);
  if (error != simdjson::SUCCESS) {
    return std::unexpected(DataLoss(std::string(what) + " is not JSON: " + simdjson::error_message(error)));
  }
  return document;
}

uint32_t ReadFormat(JsonFields& fields, std::string_view family, uint32_t newest, Status* status) {
  const std::string format = fields.String("format");
  if (!status->ok()) return newest;
  const std::string prefix = std::string(family) + "/";
  for (uint32_t version = 1; version <= newest; ++version) {
    if (format == prefix + std::to_string(version)) return version;
  }
  const std::string known = prefix + (newest == 1 ? "1" : "1 to " + std::to_string(newest));
  if (format.starts_with(prefix)) {
    *status = Unimplemented("format is " + format + ", this akidb reads " + known);
  } else {
    fields.Fail("format", "is " + format + ", expected " + known);
  }
  return newest;
}

}  // namespace akidb
