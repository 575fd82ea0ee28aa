#include "filter/normalize.h"

#include <algorithm>
#include <compare>
#include <iterator>
#include <tuple>

#include "base/json_writer.h"

namespace akidb::filter {
namespace {

void Write(const Expr& expr, JsonWriter& w);

template <class T>
void SortUnique(std::vector<T>& values) {
  std::ranges::sort(values);
  values.erase(std::ranges::unique(values).begin(), values.end());
}

std::string PathText(const Path& path) {
  std::string text;
  for (const std::string& segment : path) {
    if (&segment != &path.front()) text.push_back('.');
    for (const char c : segment) {
      if (c == '.' || c == '\\') text.push_back('\\');
      text.push_back(c);
    }
  }
  return text;
}

void AppendBound(const Number& number, std::string* out) { number.AppendTo(out); }
void AppendBound(const Instant& instant, std::string* out) {
  out->push_back('"');
  AppendInstant(instant, out);
  out->push_back('"');
}

template <class T>
void WriteBound(const std::optional<Bound<T>>& bound, const char* inclusive, const char* exclusive, JsonWriter& w) {
  if (!bound) return;
  std::string text;
  AppendBound(bound->value, &text);
  w.Key(bound->inclusive ? inclusive : exclusive).Raw(text);
}

template <class T>
void WriteTest(const Range<T>& range, JsonWriter& w) {
  w.Key("range").BeginObject();
  WriteBound(range.low, "gte", "gt", w);
  WriteBound(range.high, "lte", "lt", w);
  w.EndObject();
}

void WriteTest(const IsNull&, JsonWriter& w) { w.Key("is_null").Value(true); }

void WriteTest(const OneOf& set, JsonWriter& w) {
  w.Key("match").BeginObject().Key(set.except ? "except" : "any").BeginArray();
  if (set.has_false) w.Value(false);
  if (set.has_true) w.Value(true);
  for (const Number& number : set.numbers) {
    std::string text;
    number.AppendTo(&text);
    w.Raw(text);
  }
  for (const std::string& string : set.strings) w.Value(string);
  w.EndArray().EndObject();
}

void WriteTest(const HasWords& text, JsonWriter& w) {
  std::string joined;
  for (const std::string& word : text.words) joined += (joined.empty() ? "" : " ") + word;
  w.Key("match").BeginObject().Key("text").Value(joined).EndObject();
}

void WriteTest(const HasPrefix& test, JsonWriter& w) {
  w.Key("match").BeginObject().Key("prefix").Value(test.prefix).EndObject();
}

void WritePoint(const char* key, GeoPoint point, JsonWriter& w) {
  w.Key(key).BeginObject().Key("lat").Value(point.lat).Key("lon").Value(point.lon).EndObject();
}

void WriteTest(const GeoCircle& circle, JsonWriter& w) {
  w.Key("geo_radius").BeginObject();
  WritePoint("center", circle.center, w);
  w.Key("radius_m").Value(circle.radius_m).EndObject();
}

void WriteTest(const GeoBox& box, JsonWriter& w) {
  w.Key("geo_bounding_box").BeginObject();
  WritePoint("top_left", box.top_left, w);
  WritePoint("bottom_right", box.bottom_right, w);
  w.EndObject();
}

void WriteLeaf(const HasId& leaf, JsonWriter& w) {
  w.BeginObject().Key("has_id").BeginArray();
  for (const std::string& id : leaf.ids) w.Value(id);
  w.EndArray().EndObject();
}

void WriteLeaf(const AnyValue& leaf, JsonWriter& w) {
  w.BeginObject().Key("key").Value(PathText(leaf.path));
  std::visit([&w](const auto& test) { WriteTest(test, w); }, leaf.test);
  w.EndObject();
}

void WriteLeaf(const ValuesCount& leaf, JsonWriter& w) {
  w.BeginObject().Key("key").Value(PathText(leaf.path)).Key("values_count").BeginObject();
  w.Key("gte").Value(leaf.min);
  if (leaf.max != std::numeric_limits<uint64_t>::max()) w.Key("lte").Value(leaf.max);
  w.EndObject().EndObject();
}

void WriteLeaf(const Nested& leaf, JsonWriter& w) {
  w.BeginObject().Key("nested").BeginObject().Key("key").Value(PathText(leaf.path));
  w.Key("filter");
  Write(*leaf.filter, w);
  w.EndObject().EndObject();
}

template <class Leaf>
Expr MakeLeaf(Leaf leaf, bool reads_payload) {
  Expr expr;
  expr.reads_payload = reads_payload;
  JsonWriter writer(&expr.leaf_text);
  WriteLeaf(leaf, writer);
  expr.node = std::move(leaf);
  return expr;
}

const Group* AsGroup(const Expr& expr) { return std::get_if<Group>(&expr.node); }

// What needs no payload comes first: it may decide before the payload is parsed.
std::strong_ordering Compare(const Expr& a, const Expr& b) {
  const Group* group_a = AsGroup(a);
  const Group* group_b = AsGroup(b);
  const auto key = [](const Expr& e, const Group* group) {
    return std::tuple(e.reads_payload, group != nullptr, group ? group->required : 0, std::string_view(e.leaf_text),
                      e.negated);
  };
  const std::strong_ordering order = key(a, group_a) <=> key(b, group_b);
  if (order != 0 || group_a == nullptr) return order;
  return std::lexicographical_compare_three_way(group_a->children.begin(), group_a->children.end(),
                                                group_b->children.begin(), group_b->children.end(), Compare);
}

void WriteGroup(const Group& group, JsonWriter& w) {
  // A negated leaf stands as itself under must_not.
  const auto list = [&](const char* key, bool negated) {
    const auto wanted = [negated](const Expr& child) { return child.negated == negated; };
    if (std::ranges::none_of(group.children, wanted)) return;
    w.Key(key).BeginArray();
    for (const Expr& child : group.children) {
      if (wanted(child)) negated ? void(w.Raw(child.leaf_text)) : Write(child, w);
    }
    w.EndArray();
  };
  w.BeginObject();
  if (group.children.empty()) {
    if (group.required > 0) w.Key("must_not").BeginArray().BeginObject().EndObject().EndArray();
  } else if (group.all()) {
    list("must", false);
    list("must_not", true);
  } else {
    if (group.required > 1) w.Key("min_should").Value(group.required);
    w.Key("should").BeginArray();
    for (const Expr& child : group.children) Write(child, w);
    w.EndArray();
  }
  w.EndObject();
}

void Write(const Expr& expr, JsonWriter& w) {
  if (const Group* group = AsGroup(expr)) {
    WriteGroup(*group, w);
  } else if (expr.negated) {
    w.BeginObject().Key("must_not").BeginArray().Raw(expr.leaf_text).EndArray().EndObject();
  } else {
    w.Raw(expr.leaf_text);
  }
}

void DropTexts(Expr& expr) {
  expr.leaf_text = {};
  if (Group* group = std::get_if<Group>(&expr.node)) std::ranges::for_each(group->children, DropTexts);
}

// Takes out the children that are always or never true.
void DropConstants(Group& group) {
  std::erase_if(group.children, [&group](const Expr& child) {
    const Group* inner = AsGroup(child);
    if (inner == nullptr || !inner->children.empty()) return false;
    if (inner->required == 0 && group.required > 0) --group.required;
    return true;
  });
}

// Puts the children of an "all" in an "all", or of an "any" in an "any", in its place.
void Splice(Group& group) {
  const bool all = group.all();
  std::vector<Expr> flat;
  for (Expr& child : group.children) {
    Group* inner = std::get_if<Group>(&child.node);
    if (inner != nullptr && (all ? inner->all() : group.required == 1 && inner->required == 1)) {
      std::ranges::move(inner->children, std::back_inserter(flat));
    } else {
      flat.push_back(std::move(child));
    }
  }
  group.children = std::move(flat);
  if (all) group.required = group.children.size();
}

Expr Constant(bool value) {
  Expr expr;
  expr.node = Group{.required = value ? 0u : 1u, .children = {}};
  return expr;
}

}  // namespace

Expr Normalize(HasId leaf) {
  SortUnique(leaf.ids);
  return MakeLeaf(std::move(leaf), false);
}

Expr Normalize(AnyValue leaf) {
  if (OneOf* set = std::get_if<OneOf>(&leaf.test)) {
    SortUnique(set->strings);
    SortUnique(set->numbers);
  }
  return MakeLeaf(std::move(leaf), true);
}

Expr Normalize(ValuesCount leaf) { return MakeLeaf(std::move(leaf), true); }

Expr Normalize(Nested leaf) {
  Expr expr = MakeLeaf(std::move(leaf), true);
  DropTexts(*std::get<Nested>(expr.node).filter);
  return expr;
}

Expr Normalize(Group group) {
  DropConstants(group);
  if (group.required == 0) return Constant(true);
  if (group.required > group.children.size()) return Constant(false);
  if (group.children.size() == 1) return std::move(group.children.front());
  Splice(group);
  std::ranges::sort(group.children, [](const Expr& a, const Expr& b) { return Compare(a, b) < 0; });
  const bool all = group.all();
  if (all || group.required == 1) {
    const auto same = [](const Expr& a, const Expr& b) { return Compare(a, b) == 0; };
    group.children.erase(std::ranges::unique(group.children, same).begin(), group.children.end());
    if (all) group.required = group.children.size();
    if (group.children.size() == 1) return std::move(group.children.front());
  }
  Expr expr;
  expr.reads_payload = std::ranges::any_of(group.children, &Expr::reads_payload);
  expr.node = std::move(group);
  return expr;
}

Expr Negate(Expr expr) {
  Group* group = std::get_if<Group>(&expr.node);
  if (group == nullptr) {
    expr.negated = !expr.negated;
    return expr;
  }
  // "Not at least k of n" is "at least n - k + 1 of the n negations".
  Group negation{.required = group->children.size() + 1 - group->required, .children = {}};
  for (Expr& child : group->children) negation.children.push_back(Negate(std::move(child)));
  return Normalize(std::move(negation));
}

std::string TakeText(Expr& expr) {
  std::string text;
  JsonWriter writer(&text);
  Write(expr, writer);
  DropTexts(expr);
  return text;
}

}  // namespace akidb::filter
