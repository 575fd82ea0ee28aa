#include "filter/parser.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <tuple>
#include <utility>

#include "filter/normalize.h"
#include "filter/test_parser.h"

namespace akidb::filter {
namespace {

using PathStep = Pointer::Step;

Result<Path> ParsePath(const Field& key, ParseState& state) {
  AKI_ASSIGN_OR_RETURN(const JsonElement json, Required(key, state.at));
  const PathStep step(state.at, key.name);
  std::string_view text;
  if (json.get(text)) return std::unexpected(state.at.Expected("a dotted path", json));
  Path path(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.') {
      if (path.back().empty()) break;
      path.emplace_back();
    } else if (text[i] != '\\') {
      path.back().push_back(text[i]);
    } else if (++i < text.size() && (text[i] == '.' || text[i] == '\\')) {
      path.back().push_back(text[i]);
    } else {
      return std::unexpected(state.at.Expected("a dot or a backslash after each backslash", json));
    }
    if (path.size() > state.limits.payload_depth_max) {
      return std::unexpected(
          state.LimitError("path depth", path.size(), "payload_depth_max", state.limits.payload_depth_max));
    }
  }
  if (path.back().empty()) return std::unexpected(state.at.Expected("a path without empty parts", json));
  return path;
}

// Reads one condition after another, depth first.
class TreeParser {
 public:
  explicit TreeParser(const Limits& limits) : state_(limits) {}

  Result<Expr> Condition(const JsonElement& json, uint32_t depth);

 private:
  Result<Expr> Tree(std::span<const Field, 4> fields, uint32_t depth);
  Result<Group> List(const Field& field, uint32_t depth);
  Status AddShould(const Field& should, const Field& min_should, uint32_t depth, Group* all);
  Status AddMinShould(const JsonElement& json, uint32_t depth, Group* all);
  Status ReadMinCount(const JsonElement& json, Group* group);

  Result<Expr> Leaf(const Field& key, const Field& test, uint32_t depth);
  Result<Expr> EmptyOrNull(const Field& key, const Field& test);
  Result<Expr> NestedLeaf(const JsonElement& json, uint32_t depth);

  ParseState state_;
  uint32_t nodes_ = 0;
};

Result<Expr> TreeParser::Condition(const JsonElement& json, uint32_t depth) {
  const Limits& limits = state_.limits;
  if (depth > limits.filter_depth_max) {
    return std::unexpected(state_.LimitError("depth", depth, "filter_depth_max", limits.filter_depth_max));
  }
  if (++nodes_ > limits.filter_nodes_max) {
    return std::unexpected(state_.LimitError("condition number", nodes_, "filter_nodes_max", limits.filter_nodes_max));
  }
  std::array<Field, 17> fields = {{{"must"},
                                   {"should"},
                                   {"must_not"},
                                   {"min_should"},
                                   {"key"},
                                   {"match"},
                                   {"range"},
                                   {"value"},
                                   {"in"},
                                   {"contains"},
                                   {"geo_radius"},
                                   {"geo_bounding_box"},
                                   {"values_count"},
                                   {"is_empty"},
                                   {"is_null"},
                                   {"has_id"},
                                   {"nested"}}};
  constexpr size_t kKey = 4;
  AKI_RETURN_IF_ERROR(ReadFields(json, fields, state_.at));
  const auto given = [](const Field& field) { return field.value.has_value(); };
  const auto tree = std::ranges::find_if(fields.begin(), fields.begin() + kKey, given);
  const auto leaf = std::ranges::find_if(fields.begin() + kKey, fields.end(), given);
  const bool has_tree = tree != fields.begin() + kKey;
  if (has_tree && leaf != fields.end()) {
    return std::unexpected(state_.at.Error("\"" + std::string(leaf->name) + "\" cannot stand beside \"" +
                                           std::string(tree->name) + "\"; put the leaf into a list"));
  }
  if (has_tree || leaf == fields.end()) return Tree(std::span(fields).first<kKey>(), depth);
  AKI_ASSIGN_OR_RETURN(const Field test, ExactlyOne(std::span(fields).subspan(kKey + 1), state_.at));
  return Leaf(fields[kKey], test, depth);
}

Result<Expr> TreeParser::Tree(std::span<const Field, 4> fields, uint32_t depth) {
  const auto& [must, should, must_not, min_should] = std::tie(fields[0], fields[1], fields[2], fields[3]);
  AKI_ASSIGN_OR_RETURN(Group all, List(must, depth));
  AKI_RETURN_IF_ERROR(AddShould(should, min_should, depth, &all));
  AKI_ASSIGN_OR_RETURN(Group none, List(must_not, depth));
  std::ranges::transform(std::make_move_iterator(none.children.begin()), std::make_move_iterator(none.children.end()),
                         std::back_inserter(all.children), Negate);
  all.required = all.children.size();
  return Normalize(std::move(all));
}

// A condition alone stands for a list of one; an absent field for an empty list.
Result<Group> TreeParser::List(const Field& field, uint32_t depth) {
  Group group;
  if (!field.value) return group;
  const PathStep step(state_.at, field.name);
  simdjson::dom::array array;
  if (field.value->get(array)) {
    if (!field.value->is_object()) {
      return std::unexpected(state_.at.Expected("a condition or an array of conditions", *field.value));
    }
    AKI_ASSIGN_OR_RETURN(Expr only, Condition(*field.value, depth + 1));
    group.children.push_back(std::move(only));
    return group;
  }
  size_t index = 0;
  for (const JsonElement item : array) {
    const PathStep item_step(state_.at, index++);
    AKI_ASSIGN_OR_RETURN(Expr child, Condition(item, depth + 1));
    group.children.push_back(std::move(child));
  }
  return group;
}

Status TreeParser::AddShould(const Field& should, const Field& min_should, uint32_t depth, Group* all) {
  AKI_ASSIGN_OR_RETURN(Group any, List(should, depth));
  const bool counts_should = min_should.value && !min_should.value->is_object();
  if (min_should.value) {
    const PathStep step(state_.at, min_should.name);
    AKI_RETURN_IF_ERROR(counts_should ? ReadMinCount(*min_should.value, &any)
                                      : AddMinShould(*min_should.value, depth, all));
  }
  if (any.children.empty()) return OkStatus();
  if (!counts_should) any.required = 1;
  all->children.push_back(Normalize(std::move(any)));
  return OkStatus();
}

Status TreeParser::AddMinShould(const JsonElement& json, uint32_t depth, Group* all) {
  std::array<Field, 2> fields = {{{"conditions"}, {"min_count"}}};
  AKI_RETURN_IF_ERROR(ReadFields(json, fields, state_.at));
  AKI_RETURN_IF_ERROR(Required(fields[0], state_.at));
  AKI_ASSIGN_OR_RETURN(const JsonElement min_count, Required(fields[1], state_.at));
  AKI_ASSIGN_OR_RETURN(Group group, List(fields[0], depth));
  const PathStep step(state_.at, fields[1].name);
  AKI_RETURN_IF_ERROR(ReadMinCount(min_count, &group));
  all->children.push_back(Normalize(std::move(group)));
  return OkStatus();
}

Status TreeParser::ReadMinCount(const JsonElement& json, Group* group) {
  uint64_t count = 0;
  const size_t conditions = group->children.size();
  if (json.get(count) || count == 0 || count > conditions) {
    return state_.at.Expected("a whole number from 1 to the number of conditions, " + std::to_string(conditions), json);
  }
  group->required = count;
  return OkStatus();
}

Result<Expr> TreeParser::Leaf(const Field& key, const Field& test, uint32_t depth) {
  if (test.name == "is_empty" || test.name == "is_null") return EmptyOrNull(key, test);
  if (test.name == "has_id" || test.name == "nested") {
    if (key.value) {
      return std::unexpected(state_.at.Error("\"key\" cannot stand beside \"" + std::string(test.name) + "\""));
    }
    if (test.name == "nested") return NestedLeaf(*test.value, depth);
    AKI_ASSIGN_OR_RETURN(HasId leaf, ParseHasId(*test.value, state_));
    return Normalize(std::move(leaf));
  }
  AKI_ASSIGN_OR_RETURN(Path path, ParsePath(key, state_));
  if (test.name == "values_count") {
    AKI_ASSIGN_OR_RETURN(ValuesCount leaf, ParseValuesCount(*test.value, state_));
    leaf.path = std::move(path);
    return Normalize(std::move(leaf));
  }
  AKI_ASSIGN_OR_RETURN(ValueTest value_test, ParseTest(test, state_));
  return Normalize(AnyValue{.path = std::move(path), .test = std::move(value_test)});
}

// {"is_null": {"key": k}}, or {"key": k, "is_null": true}.
Result<Expr> TreeParser::EmptyOrNull(const Field& key, const Field& test) {
  bool wanted = true;
  std::array<Field, 1> inner = {key};
  std::optional<PathStep> step;
  if (!key.value) {
    step.emplace(state_.at, test.name);
    inner = {{{"key"}}};
    AKI_RETURN_IF_ERROR(ReadFields(*test.value, inner, state_.at));
  } else if (test.value->get(wanted)) {
    const PathStep test_step(state_.at, test.name);
    return std::unexpected(state_.at.Expected("true or false beside \"key\"", *test.value));
  }
  AKI_ASSIGN_OR_RETURN(Path path, ParsePath(inner[0], state_));
  Expr leaf = test.name == "is_null" ? Normalize(AnyValue{.path = std::move(path), .test = IsNull{}})
                                     : Normalize(ValuesCount{.path = std::move(path), .min = 0, .max = 0});
  return wanted ? std::move(leaf) : Negate(std::move(leaf));
}

Result<Expr> TreeParser::NestedLeaf(const JsonElement& json, uint32_t depth) {
  const PathStep step(state_.at, "nested");
  std::array<Field, 2> fields = {{{"key"}, {"filter"}}};
  AKI_RETURN_IF_ERROR(ReadFields(json, fields, state_.at));
  AKI_ASSIGN_OR_RETURN(Path path, ParsePath(fields[0], state_));
  AKI_ASSIGN_OR_RETURN(const JsonElement inner, Required(fields[1], state_.at));
  const PathStep inner_step(state_.at, fields[1].name);
  AKI_ASSIGN_OR_RETURN(Expr filter, Condition(inner, depth + 1));
  return Normalize(Nested{.path = std::move(path), .filter = std::make_unique<Expr>(std::move(filter))});
}

}  // namespace

Result<Expr> ParseExpr(const JsonElement& json, const Limits& limits) { return TreeParser(limits).Condition(json, 1); }

}  // namespace akidb::filter
