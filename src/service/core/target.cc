#include "service/core/target.h"

#include <algorithm>

namespace akidb {
namespace {

constexpr size_t kSegmentsMax = 16;
constexpr size_t kQueryParametersMax = 32;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Status BadTarget(std::string message) { return InvalidArgument(std::move(message)).WithReason("invalid_target"); }

Status ParseQuery(std::string_view text, Target* out) {
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    if (pair.empty()) continue;
    if (out->query.size() == kQueryParametersMax) return BadTarget("the query has more than 32 parameters");
    const size_t equals = pair.find('=');
    AKI_ASSIGN_OR_RETURN(std::string name, PercentDecode(pair.substr(0, equals), PlusMeans::kSpace));
    std::string value;
    if (equals != std::string_view::npos) {
      AKI_ASSIGN_OR_RETURN(value, PercentDecode(pair.substr(equals + 1), PlusMeans::kSpace));
    }
    for (const auto& [other, unused] : out->query) {
      if (other == name) return BadTarget("query parameter \"" + name + "\" is given twice");
    }
    out->query.emplace_back(std::move(name), std::move(value));
  }
  return OkStatus();
}

}  // namespace

Result<std::string> PercentDecode(std::string_view text, PlusMeans plus) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == PlusMeans::kSpace) {
      out.push_back(' ');
    } else if (text[i] != '%') {
      out.push_back(text[i]);
    } else {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return std::unexpected(BadTarget("the request target has a '%' that two hexadecimal digits do not follow"));
      }
      out.push_back(static_cast<char>(high << 4 | low));
      i += 2;
    }
  }
  return out;
}

Result<Target> ParseTarget(std::string_view target) {
  if (target.empty() || target[0] != '/')
    return std::unexpected(BadTarget("the request target must be a path that starts with '/'"));
  Target out;
  const size_t mark = target.find('?');
  std::string_view path = target.substr(1, mark == std::string_view::npos ? mark : mark - 1);
  if (path.ends_with('/')) path.remove_suffix(1);
  for (bool more = !path.empty(); more;) {
    if (out.segments.size() == kSegmentsMax) return std::unexpected(BadTarget("the path has more than 16 segments"));
    const size_t slash = path.find('/');
    AKI_ASSIGN_OR_RETURN(std::string segment, PercentDecode(path.substr(0, slash), PlusMeans::kPlus));
    out.segments.push_back(std::move(segment));
    more = slash != std::string_view::npos;
    if (more) path.remove_prefix(slash + 1);
  }
  if (mark != std::string_view::npos) AKI_RETURN_IF_ERROR(ParseQuery(target.substr(mark + 1), &out));
  return out;
}

}  // namespace akidb
