#include "filter/filter.h"

#include "filter/expr_evaluator.h"
#include "filter/normalize.h"
#include "filter/parser.h"

namespace akidb {
namespace {

class ParsedFilter final : public Filter {
 public:
  explicit ParsedFilter(filter::Expr expr) : expr_(std::move(expr)), canonical_(filter::TakeText(expr_)) {}

  std::string Canonical() const override { return canonical_; }
  bool NeedsPayload() const override { return expr_.reads_payload; }
  const filter::Expr& expr() const { return expr_; }

 private:
  filter::Expr expr_;
  std::string canonical_;
};

}  // namespace

Result<std::shared_ptr<const Filter>> Filter::Parse(const simdjson::dom::element& json, const Limits& limits) {
  AKI_ASSIGN_OR_RETURN(filter::Expr expr, filter::ParseExpr(json, limits));
  return std::make_shared<const ParsedFilter>(std::move(expr));
}

const filter::Expr& filter::ExprOf(const Filter& filter) {
  // Parse is the only place where filters are made.
  return static_cast<const ParsedFilter&>(filter).expr();
}

std::unique_ptr<FilterEvaluator> FilterEvaluator::New(const Filter& filter) {
  return filter::NewExprEvaluator(filter::ExprOf(filter));
}

}  // namespace akidb
