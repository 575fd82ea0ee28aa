#include "model.h"

#include <algorithm>

namespace akidb::sim {

std::string ModelRow::PayloadJson() const {
  std::string out = "{";
  for (const auto& [key, value] : payload) {
    if (out.size() > 1) out += ',';
    out += "\"" + key + "\":" + value;
  }
  return out + "}";
}

bool SameRows(const Rows& a, const Rows& b) {
  return std::ranges::equal(a, b,
                            [](const auto& x, const auto& y) { return x.first == y.first && *x.second == *y.second; });
}

namespace {

std::string Describe(const RowPtr& row) {
  if (row == nullptr) return "no row";
  std::string payload = row->PayloadJson();
  if (payload.size() > 80) payload = payload.substr(0, 80) + "...";
  std::string out = payload + " [";
  for (const float x : row->vector) out += std::to_string(x) + " ";
  return out + "]";
}

RowPtr Find(const Rows& rows, const std::string& id) {
  const auto it = rows.find(id);
  return it == rows.end() ? nullptr : it->second;
}

}  // namespace

std::string DescribeDifference(const Rows& expected, const Rows& actual) {
  std::set<std::string> ids;
  for (const auto& [id, row] : expected) ids.insert(id);
  for (const auto& [id, row] : actual) ids.insert(id);
  std::string out = std::to_string(expected.size()) + " rows expected, " + std::to_string(actual.size()) + " found";
  int shown = 0;
  for (const std::string& id : ids) {
    const RowPtr want = Find(expected, id);
    const RowPtr have = Find(actual, id);
    if (want != nullptr && have != nullptr && *want == *have) continue;
    if (++shown > 3) break;
    out += "; " + id + ": expected " + Describe(want) + ", found " + Describe(have);
  }
  return out;
}

void ApplyChanges(const Changes& changes, Rows* rows) {
  for (const auto& [id, row] : changes) {
    if (row == nullptr) {
      rows->erase(id);
    } else {
      (*rows)[id] = row;
    }
  }
}

std::string ModelFilter::Json() const {
  switch (kind) {
    case Kind::kNumberRange:
      return R"({"must":[{"key":"n","range":{"gte":)" + std::to_string(low) + R"(,"lt":)" + std::to_string(high) +
             "}}]}";
    case Kind::kTag: return R"({"must":[{"key":"tag","match":{"value":")" + tag + R"("}}]})";
    case Kind::kNotTag: return R"({"must_not":[{"key":"tag","match":{"value":")" + tag + R"("}}]})";
    case Kind::kIds: break;
  }
  std::string out = R"({"must":[{"has_id":[)";
  for (size_t i = 0; i < ids.size(); ++i) out += (i == 0 ? "\"" : ",\"") + ids[i] + "\"";
  return out + "]}]}";
}

bool ModelFilter::Matches(const std::string& id, const ModelRow& row) const {
  const auto field = [&](const char* key) {
    const auto it = row.payload.find(key);
    return it == row.payload.end() ? std::string() : it->second;
  };
  switch (kind) {
    case Kind::kNumberRange: {
      const std::string n = field("n");
      return !n.empty() && std::stoll(n) >= low && std::stoll(n) < high;
    }
    case Kind::kTag: return field("tag") == "\"" + tag + "\"";
    case Kind::kNotTag: return field("tag") != "\"" + tag + "\"";
    case Kind::kIds: break;
  }
  return std::ranges::find(ids, id) != ids.end();
}

Rows Model::Table::Latest() const { return At(kLsnOpen); }

Rows Model::Table::At(uint64_t lsn) const {
  Rows rows = base;
  for (const Write& write : writes) {
    if (write.lsn <= lsn) ApplyChanges(write.changes, &rows);
  }
  return rows;
}

void Model::BeginWrite(const std::string& name, Changes changes) {
  table(name).writes.push_back({kLsnOpen, std::move(changes)});
}

void Model::EndWrite(const std::string& name, uint64_t lsn) {
  Table& table = tables_.at(name);
  for (const auto& [other, t] : tables_) {
    if (!one_log_ && other != name) continue;
    for (const Write& write : t.writes) {
      if (write.lsn != kLsnOpen && write.lsn >= lsn && !table.writes.back().changes.empty()) {
        throw Violation{"I1: write of " + name + " got LSN " + std::to_string(lsn) + " after LSN " +
                        std::to_string(write.lsn) + " was handed out"};
      }
    }
  }
  table.writes.back().lsn = lsn;
  if (table.writes.back().changes.empty()) table.writes.pop_back();
}

void Model::FailWrite(const std::string& name) { table(name).writes.pop_back(); }

void Model::Ack(const std::string& name, uint64_t lsn) {
  const auto it = tables_.find(name);
  if (it != tables_.end()) it->second.acked_lsn = std::max(it->second.acked_lsn, lsn);
}

Rows Model::Expect(const std::string& name, uint64_t lsn) {
  Table& t = table(name);
  if (lsn < t.seen_lsn) {
    throw Violation{"I2: position of " + name + " went back from LSN " + std::to_string(t.seen_lsn) + " to " +
                    std::to_string(lsn)};
  }
  if (lsn < t.acked_lsn) {
    throw Violation{"I1: a reader of " + name + " stands at LSN " + std::to_string(lsn) + ", LSN " +
                    std::to_string(t.acked_lsn) + " was acknowledged"};
  }
  t.seen_lsn = lsn;
  while (!t.writes.empty() && t.writes.front().lsn <= lsn && t.writes.front().lsn != kLsnOpen) {
    ApplyChanges(t.writes.front().changes, &t.base);
    t.writes.pop_front();
  }
  return t.base;
}

void Model::BeginDdl(const std::string& name, bool creates, const CollectionSpec& spec) {
  open_ddl_[name] = {creates, spec};
}

void Model::EndDdl(const std::string& name) {
  const OpenDdl ddl = open_ddl_.at(name);
  open_ddl_.erase(name);
  if (ddl.creates) {
    tables_[name].spec = ddl.spec;
  } else {
    tables_.erase(name);
  }
}

void Model::FailDdl(const std::string& name) { open_ddl_.erase(name); }

uint64_t Model::CertainLsn() const {
  uint64_t certain = 0;
  for (const auto& [name, t] : tables_) certain = std::max({certain, t.seen_lsn, t.acked_lsn});
  return certain;
}

void Model::ProcessEnded() {
  const uint64_t certain_everywhere = CertainLsn();
  for (auto& [name, t] : tables_) {
    const uint64_t certain = one_log_ ? certain_everywhere : std::max(t.seen_lsn, t.acked_lsn);
    while (!t.writes.empty() && t.writes.front().lsn <= certain && t.writes.front().lsn != kLsnOpen) {
      ApplyChanges(t.writes.front().changes, &t.base);
      t.writes.pop_front();
    }
    // LSNs of the next life are greater, but those of writes that did not survive are forgotten.
    t.seen_lsn = 0;
    t.acked_lsn = 0;
  }
}

// Tables that share a log: a prefix of what it held survived.
void Model::Settle(const std::vector<std::string>& names, const std::map<std::string, Rows>& actual,
                   std::map<std::string, Rows>* settled, Coverage* coverage) {
  struct Open {
    uint64_t lsn;
    Table* table;
    const std::string* name;
    const Changes* changes;
  };
  std::vector<Open> open;
  std::map<std::string, Rows> state;
  for (const std::string& name : names) {
    Table& t = tables_.at(name);
    state[name] = t.base;
    if (!actual.contains(name)) continue;
    for (const Write& write : t.writes) open.push_back({write.lsn, &t, &name, &write.changes});
  }
  std::ranges::sort(open, {}, &Open::lsn);
  const auto explains = [&] {
    return std::ranges::all_of(state, [&](const auto& entry) {
      const auto it = actual.find(entry.first);
      return it == actual.end() || SameRows(entry.second, it->second);
    });
  };
  const std::map<std::string, Rows> certain = state;
  for (size_t survived = 0;; ++survived) {
    if (explains()) {
      if (!open.empty()) {
        coverage->Count(survived == 0             ? "open.none_survived"
                        : survived == open.size() ? "open.all_survived"
                                                  : "open.some_survived");
      }
      break;
    }
    if (survived == open.size()) {
      std::string message =
          "I1-I3: no prefix of the " + std::to_string(open.size()) + " open writes explains what was recovered;";
      for (const auto& [name, rows] : actual) {
        const auto want = certain.find(name);
        if (want == certain.end() || SameRows(want->second, rows)) continue;
        message += " " + name + " against what is certain: " + DescribeDifference(want->second, rows) + ";";
        if (!SameRows(state[name], rows))
          message += " against everything: " + DescribeDifference(state[name], rows) + ";";
      }
      throw Violation{message};
    }
    ApplyChanges(*open[survived].changes, &state[*open[survived].name]);
  }
  settled->merge(state);
}

void Model::Recovered(const std::map<std::string, Rows>& actual, bool late_requests, Coverage* coverage) {
  for (auto it = open_ddl_.begin(); it != open_ddl_.end();) {
    const bool present = actual.contains(it->first);
    if (late_requests && present != it->second.creates) {
      ++it;
      continue;
    }
    coverage->Count(present == it->second.creates ? "open.ddl_survived" : "open.ddl_lost");
    if (it->second.creates && present) tables_[it->first].spec = it->second.spec;
    if (!it->second.creates && !present) tables_.erase(it->first);
    it = open_ddl_.erase(it);
  }
  for (const auto& [name, t] : tables_) {
    if (!actual.contains(name) && !open_ddl_.contains(name))
      throw Violation{"I1: collection " + name + " is gone after recovery"};
  }
  for (const auto& [name, rows] : actual) {
    if (!tables_.contains(name) && !open_ddl_.contains(name))
      throw Violation{"I2: collection " + name + " came back after recovery"};
  }

  std::map<std::string, Rows> state;
  if (one_log_) {
    std::vector<std::string> all;
    for (const auto& [name, t] : tables_) all.push_back(name);
    Settle(all, actual, &state, coverage);
  } else {
    for (const auto& [name, t] : tables_) Settle({name}, actual, &state, coverage);
  }
  for (auto& [name, t] : tables_) {
    if (!actual.contains(name)) continue;
    t.base = state[name];
    t.writes.clear();
    t.seen_lsn = t.acked_lsn = 0;
  }
}

}  // namespace akidb::sim
