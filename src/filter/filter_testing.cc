#include "filter/filter_testing.h"

#include <simdjson.h>

namespace akidb {

Result<std::shared_ptr<const Filter>> ParseFilterText(std::string_view json, const Limits& limits) {
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  if (const auto error = parser.parse(simdjson::padded_string(json)).get(element)) {
    return std::unexpected(InvalidArgument(simdjson::error_message(error)));
  }
  return Filter::Parse(element, limits);
}

bool PaddedEvaluator::Matches(std::string_view id, std::string_view payload) {
  constexpr size_t kPaddingBytes = 64;
  padded_.assign(payload);
  padded_.append(kPaddingBytes, '\0');
  return evaluator_->Matches(id, std::string_view(padded_).substr(0, payload.size()));
}

}  // namespace akidb
