// What the database must hold: every collection row by row, which writes were acknowledged, and which outcomes are
// still open after a crash.
//
// The rule it checks by: the log is one sequence for all collections. A reader at LSN n sees exactly the writes up to
// n. After a crash a prefix of the writes survives that reaches at least to the last one that was acknowledged or read;
// once a recovered state was seen, it is the truth and nothing about it is open any more.
//
// Threads: a value; copies are independent (rows are immutable and shared).
// Errors:  Violation, thrown, says which promise was broken.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/collection.h"
#include "sim_world.h"

namespace akidb::sim {

// A broken promise. Not a std::exception, like SimCrash.
struct Violation {
  std::string what;
};

inline void Require(bool condition, const std::string& what) {
  if (!condition) throw Violation{what};
}

struct ModelRow {
  std::vector<float> vector;
  std::map<std::string, std::string> payload;  // top-level field -> compact JSON

  bool operator==(const ModelRow&) const = default;
  std::string PayloadJson() const;
};
using RowPtr = std::shared_ptr<const ModelRow>;
using Rows = std::map<std::string, RowPtr>;
bool SameRows(const Rows& a, const Rows& b);
// Up to three differences, for messages.
std::string DescribeDifference(const Rows& expected, const Rows& actual);

// The changes of one request: rows to set, null to delete.
using Changes = std::vector<std::pair<std::string, RowPtr>>;
void ApplyChanges(const Changes& changes, Rows* rows);

// One leaf, or two combined; small enough that its meaning is beyond doubt.
struct ModelFilter {
  enum class Kind : uint8_t { kNumberRange, kTag, kNotTag, kIds };
  Kind kind = Kind::kTag;
  int64_t low = 0;  // "n" in [low, high)
  int64_t high = 0;
  std::string tag;
  std::vector<std::string> ids;

  std::string Json() const;
  bool Matches(const std::string& id, const ModelRow& row) const;
};

inline constexpr uint64_t kLsnOpen = UINT64_MAX;  // of a request that has not returned

class Model {
 public:
  // Whether all collections share one log, and so one sequence of LSNs.
  void set_one_log(bool one_log) { one_log_ = one_log; }

  struct Write {
    uint64_t lsn = kLsnOpen;
    Changes changes;
  };
  struct Table {
    CollectionSpec spec;
    Rows base;                 // what is certain
    std::deque<Write> writes;  // on top of it, in order of LSN
    uint64_t seen_lsn = 0;     // greatest position that a reader had in this life
    uint64_t acked_lsn = 0;

    Rows Latest() const;
    Rows At(uint64_t lsn) const;
  };
  // A create or drop whose outcome is not known.
  struct OpenDdl {
    bool creates = false;
    CollectionSpec spec;
  };

  const std::map<std::string, Table>& tables() const { return tables_; }
  Table& table(const std::string& name) { return tables_.at(name); }
  bool has(const std::string& name) const { return tables_.contains(name); }
  const std::map<std::string, OpenDdl>& open_ddl() const { return open_ddl_; }

  // A data request: Begin before the call, then one of the two. A crash in between leaves it open.
  void BeginWrite(const std::string& name, Changes changes);
  void EndWrite(const std::string& name, uint64_t lsn);
  void FailWrite(const std::string& name);
  void Ack(const std::string& name, uint64_t lsn);
  // A reader of `name` stands at `lsn`: what it must see. Throws if the position went back or misses an acknowledged
  // write.
  Rows Expect(const std::string& name, uint64_t lsn);

  void BeginDdl(const std::string& name, bool creates, const CollectionSpec& spec);
  void EndDdl(const std::string& name);
  // Refused and certainly without effect.
  void FailDdl(const std::string& name);

  // The process ended, one way or another: what is not certain becomes open.
  void ProcessEnded();
  // What a recovered database holds; settles everything that was open. Throws if no outcome explains it.
  // With `late_requests` a create or drop of the dead process may still take effect.
  void Recovered(const std::map<std::string, Rows>& actual, bool late_requests, Coverage* coverage);

 private:
  void Settle(const std::vector<std::string>& names, const std::map<std::string, Rows>& actual,
              std::map<std::string, Rows>* settled, Coverage* coverage);

  bool one_log_ = true;
  uint64_t CertainLsn() const;

  std::map<std::string, Table> tables_;
  std::map<std::string, OpenDdl> open_ddl_;
};

}  // namespace akidb::sim
