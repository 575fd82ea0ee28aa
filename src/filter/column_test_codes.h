// Which codes of a column pass a test of one value: the dictionary is asked once instead of each row.
//
// Threads: pure functions.
// Errors:  none.
#pragma once

#include <cstdint>
#include <vector>

#include "filter/column.h"
#include "filter/expr.h"

namespace akidb::filter {

// First and last code of each run, ascending, with a gap between runs.
struct CodeRuns {
  struct Run {
    uint32_t low;
    uint32_t high;
  };
  std::vector<Run> runs;

  // Requires that runs are added in ascending order.
  void Add(uint32_t low, uint32_t high);
  void Add(uint32_t code) { Add(code, code); }
};

struct TestCodes {
  CodeRuns pass;
  CodeRuns undecided;  // of one value; kUndecidedCode is always among them
};

TestCodes CodesOf(const ValueTest& test, const Column& column);

}  // namespace akidb::filter
