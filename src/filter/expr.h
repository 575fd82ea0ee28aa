// The filter as a tree in normal form: groups "at least n of these" over leaves, negation only at leaves.
// Evaluator, canonical text and parser share it; the parser builds it through normalize.h.
//
// Threads: immutable once parsed.
// Errors:  none.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "filter/filter.h"
#include "filter/geo.h"
#include "filter/instant.h"
#include "filter/number.h"

namespace akidb::filter {

// "a.b\.c" as {"a", "b.c"}; never empty.
using Path = std::vector<std::string>;

template <class T>
struct Bound {
  T value;
  bool inclusive;
};

// At least one bound is given.
template <class T>
struct Range {
  std::optional<Bound<T>> low;
  std::optional<Bound<T>> high;

  bool Contains(const T& value) const {
    return (!low || (low->inclusive ? value >= low->value : value > low->value)) &&
           (!high || (high->inclusive ? value <= high->value : value < high->value));
  }
};

// Tests of one value, never an array: arrays are looked through before.

struct IsNull {};
// The value is one of these; with `except` it is a string, number or boolean and none of these.
struct OneOf {
  std::vector<std::string> strings;  // sorted, unique, like numbers
  std::vector<Number> numbers;
  bool has_true = false;
  bool has_false = false;
  bool except = false;
};
struct HasWords {
  std::vector<std::string> words;  // from FoldedWords
};
struct HasPrefix {
  std::string prefix;
};
using ValueTest = std::variant<IsNull, OneOf, Range<Number>, Range<Instant>, HasWords, HasPrefix, GeoCircle, GeoBox>;

// Nodes.

struct Expr;

// True if at least `required` children are; no children and 0 is "always", no children and 1 "never".
struct Group {
  size_t required = 0;
  std::vector<Expr> children;

  bool all() const;  // every child is required
};
struct HasId {
  std::vector<std::string> ids;  // sorted, unique
};
// Some value at `path` passes `test`.
struct AnyValue {
  Path path;
  ValueTest test;
};
// The number of values at `path` is in [min, max]; "is empty" is [0, 0].
struct ValuesCount {
  Path path;
  uint64_t min = 0;
  uint64_t max = std::numeric_limits<uint64_t>::max();
};
// Some object at `path` matches `filter`, whose paths start in it.
struct Nested {
  Path path;
  std::unique_ptr<Expr> filter;
};

struct Expr {
  std::variant<Group, HasId, AnyValue, ValuesCount, Nested> node;
  bool negated = false;  // never set on a Group
  bool reads_payload = false;
  std::string leaf_text;  // canonical JSON of a leaf without its negation; only while the tree is built
};

// The tree of a parsed filter.
const Expr& ExprOf(const Filter& filter);

inline bool Group::all() const { return required == children.size(); }

}  // namespace akidb::filter
