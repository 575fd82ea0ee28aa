#include "filter/expr_evaluator.h"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <span>

#include "filter/json_fields.h"
#include "filter/words.h"

namespace akidb::filter {
namespace {

using Object = simdjson::dom::object;

// Walking a payload: recursion goes no deeper than the payload, whose depth the parser bounds.

// True if `test` is true of some object in `value`; arrays are looked through.
template <class Test>
bool AnyObject(const JsonElement& value, Test&& test) {
  Object object;
  if (!value.get(object)) return test(object);
  simdjson::dom::array array;
  if (value.get(array)) return false;
  return std::ranges::any_of(array.begin(), array.end(),
                             [&test](const JsonElement& item) { return AnyObject(item, test); });
}

// True if `test` is true of some value in `value`; arrays are looked through.
template <class Test>
bool AnyElement(const JsonElement& value, Test&& test) {
  simdjson::dom::array array;
  if (value.get(array)) return test(value);
  for (const JsonElement item : array) {
    if (AnyElement(item, test)) return true;
  }
  return false;
}

// True if `test` is true of some value at `path`, an array at its end being one value.
template <class Test>
bool AnyAt(std::span<const std::string> path, const Object& object, Test&& test) {
  JsonElement value;
  if (object.at_key(path.front()).get(value)) return false;
  if (path.size() == 1) return test(value);
  return AnyObject(value, [&](const Object& inner) { return AnyAt(path.subspan(1), inner, test); });
}

// Tests of one value that is no array.

bool Passes(const IsNull&, const JsonElement& value) { return value.is_null(); }

bool Passes(const OneOf& set, const JsonElement& value) {
  std::string_view string;
  bool boolean = false;
  if (!value.get(string)) return std::ranges::binary_search(set.strings, string, std::less<>()) != set.except;
  if (!value.get(boolean)) return (boolean ? set.has_true : set.has_false) != set.except;
  const std::optional<Number> number = AsNumber(value);
  return number && std::ranges::binary_search(set.numbers, *number) != set.except;
}

bool Passes(const Range<Number>& range, const JsonElement& value) {
  const std::optional<Number> number = AsNumber(value);
  return number && range.Contains(*number);
}

bool Passes(const Range<Instant>& range, const JsonElement& value) {
  std::string_view text;
  if (value.get(text)) return false;
  const std::optional<Instant> instant = ParseInstant(text);
  return instant && range.Contains(*instant);
}

bool Passes(const HasWords& test, const JsonElement& value) {
  std::string_view text;
  return !value.get(text) && HasAllWords(text, test.words);
}

bool Passes(const HasPrefix& test, const JsonElement& value) {
  std::string_view text;
  return !value.get(text) && text.starts_with(test.prefix);
}

template <class Area>
bool Passes(const Area& area, const JsonElement& value) {
  const std::optional<GeoPoint> point = AsGeoPoint(value);
  return point && area.Contains(*point);
}

uint64_t Count(const JsonElement& value) {
  simdjson::dom::array array;
  if (!value.get(array)) return static_cast<uint64_t>(std::distance(array.begin(), array.end()));
  return value.is_null() ? 0 : 1;
}

class ExprEvaluator final : public FilterEvaluator {
 public:
  explicit ExprEvaluator(const Expr& expr) : expr_(expr) {}

  bool Matches(std::string_view id, std::string_view payload) override {
    id_ = id;
    payload_ = payload;
    parsed_ = false;
    broken_ = false;
    return Eval(expr_, nullptr) && !broken_;
  }

 private:
  // `scope` is the object in which paths start; null means the payload, not parsed before a leaf asks for it.
  bool Eval(const Expr& expr, const Object* scope) {
    return std::visit([&](const auto& node) { return EvalNode(node, scope); }, expr.node) != expr.negated;
  }

  bool EvalNode(const Group& group, const Object* scope) {
    size_t passed = 0;
    size_t left = group.children.size();
    for (const Expr& child : group.children) {
      if (passed == group.required || passed + left < group.required) break;
      passed += Eval(child, scope) ? 1 : 0;
      --left;
    }
    return passed >= group.required;
  }

  bool EvalNode(const HasId& leaf, const Object*) { return std::ranges::binary_search(leaf.ids, id_, std::less<>()); }

  bool EvalNode(const AnyValue& leaf, const Object* scope) {
    return std::visit(
        [&](const auto& test) {
          const auto passes = [&test](const JsonElement& value) { return Passes(test, value); };
          return AnyIn(scope, leaf.path, [&](const JsonElement& value) { return AnyElement(value, passes); });
        },
        leaf.test);
  }

  bool EvalNode(const ValuesCount& leaf, const Object* scope) {
    uint64_t count = 0;
    AnyIn(scope, leaf.path, [&count](const JsonElement& value) {
      count += Count(value);
      return false;
    });
    return count >= leaf.min && count <= leaf.max;
  }

  bool EvalNode(const Nested& leaf, const Object* scope) {
    const auto matches = [&](const Object& object) { return Eval(*leaf.filter, &object); };
    return AnyIn(scope, leaf.path, [&](const JsonElement& value) { return AnyObject(value, matches); });
  }

  template <class Test>
  bool AnyIn(const Object* scope, const Path& path, Test&& test) {
    if (scope == nullptr) scope = Payload();
    return scope != nullptr && AnyAt(path, *scope, test);
  }

  // The parsed payload; null if it is empty or broken.
  const Object* Payload() {
    if (!parsed_) {
      parsed_ = true;
      root_ = payload_.empty() ? std::nullopt : Parse(payload_);
      broken_ = !payload_.empty() && !root_;
    }
    return root_ ? &*root_ : nullptr;
  }

  std::optional<Object> Parse(std::string_view text) {
    // Grown by doubling: left to itself the parser grows to each new longest payload.
    if (text.size() > document_.capacity()) {
      const size_t capacity = std::bit_ceil(text.size());
      if (document_.allocate(capacity) || parser_.allocate(capacity)) return std::nullopt;
    }
    Object object;
    if (parser_.parse_into_document(document_, text.data(), text.size(), false).get(object)) return std::nullopt;
    return object;
  }

  const Expr& expr_;
  simdjson::dom::parser parser_;
  simdjson::dom::document document_;
  std::string_view id_;
  std::string_view payload_;
  std::optional<Object> root_;
  bool parsed_ = false;
  bool broken_ = false;
};

}  // namespace

std::unique_ptr<FilterEvaluator> NewExprEvaluator(const Expr& expr) { return std::make_unique<ExprEvaluator>(expr); }

}  // namespace akidb::filter
