#include "engine/merge_patch.h"

#include <simdjson.h>

#include "base/json_writer.h"

namespace akidb {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

Status Invalid(std::string message) { return InvalidArgument(std::move(message)).WithReason("invalid_payload"); }

bool Has(const object& members, std::string_view key) { return members.at_key(key).error() == simdjson::SUCCESS; }

// Recursion is bounded by the parser's depth limit.
void WriteMerged(const object* target, const object& patch, std::string* out) {
  out->push_back('{');
  bool first = true;
  const auto key = [&](std::string_view name) {
    if (!first) out->push_back(',');
    first = false;
    AppendJsonString(name, out);
    out->push_back(':');
  };
  const auto patched = [&](const object* old, element value) {
    if (value.type() == element_type::OBJECT) {
      WriteMerged(old, value.get_object().value_unsafe(), out);
    } else {
      *out += simdjson::minify(value);
    }
  };
  if (target) {
    for (const auto member : *target) {
      element change;
      if (patch.at_key(member.key).get(change) != simdjson::SUCCESS) {
        key(member.key);
        *out += simdjson::minify(member.value);
        continue;
      }
      if (change.is_null()) continue;
      key(member.key);
      object old;
      const bool nested = member.value.get_object().get(old) == simdjson::SUCCESS;
      patched(nested ? &old : nullptr, change);
    }
  }
  for (const auto member : patch) {
    if (member.value.is_null() || (target && Has(*target, member.key))) continue;
    key(member.key);
    patched(nullptr, member.value);
  }
  out->push_back('}');
}

}  // namespace

Result<std::string> ApplyMergePatch(std::string_view target, std::string_view patch, const Limits& limits) {
  simdjson::dom::parser patch_parser;
  simdjson::dom::parser target_parser;
  if (patch_parser.allocate(patch.size() + 1, limits.payload_depth_max) != simdjson::SUCCESS ||
      target_parser.allocate(target.size() + 2, limits.payload_depth_max) != simdjson::SUCCESS) {
    return std::unexpected(ResourceExhausted("no memory to merge a payload"));
  }
  object patch_object;
  const simdjson::padded_string padded_patch(patch);
  if (const auto error = patch_parser.parse(padded_patch).get_object().get(patch_object); error != simdjson::SUCCESS) {
    return std::unexpected(Invalid("payload patch is not a JSON object of at most " +
                                   std::to_string(limits.payload_depth_max) +
                                   " levels: " + simdjson::error_message(error)));
  }
  object target_object;
  const simdjson::padded_string padded_target(target.empty() ? std::string_view("{}") : target);
  if (target_parser.parse(padded_target).get_object().get(target_object) != simdjson::SUCCESS) {
    return std::unexpected(DataLoss("the stored payload is not a JSON object"));
  }
  std::string out;
  WriteMerged(&target_object, patch_object, &out);
  if (out.size() > limits.payload_bytes_max) {
    return std::unexpected(InvalidArgument("payload would have " + std::to_string(out.size()) +
                                           " bytes, the limit is " + std::to_string(limits.payload_bytes_max))
                               .WithReason("payload_too_large"));
  }
  return out;
}

}  // namespace akidb
