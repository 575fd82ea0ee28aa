// Draws requests, predicts what they must do to the model's rows, sends them, and compares.
//
// Threads: one.
// Errors:  Violation for a wrong answer. Errors of the environment (full disk, store away) are fine as long as faults
// are
//          switched on, and must then have changed nothing (I3).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "machine.h"

namespace akidb::sim {

// A row that each element type represents exactly, so that what comes back can be compared bit by bit; its payload
// names `version`.
RowPtr RandomRow(Dice& dice, const CollectionSpec& spec, uint64_t version);
CollectionSpec RandomSpec(Dice& dice, const std::string& name);

class Workload {
 public:
  Workload(Machine* machine, uint64_t seed) : machine_(machine), dice_(seed, 31) {}

  // Each sends one request of its kind, or none if there is no collection to send it to.
  void Write(Process& process);
  void DeleteIds(Process& process);
  void DeleteMatching(Process& process);
  void MergePayload(Process& process);
  void Create(Process& process);
  void Drop(Process& process);
  void Flush(Process& process);
  void Merge(Process& process);

  // Asks for the acknowledgement of what was written, not always of all of it.
  void Commit(Process& process);
  // Looks at every collection through every door.
  void Check(Process& process);
  void ProcessEnded() { unacked_.clear(); }

  // While set, errors that the environment explains are accepted.
  void set_faults_on(bool on) { faults_on_ = on; }

 private:
  struct Unacked {
    std::string name;
    uint64_t lsn;
  };
  struct Request;

  std::optional<std::string> PickTable();
  std::shared_ptr<Collection> Get(Process& process, const std::string& name);
  Request RandomRequest(const CollectionSpec& spec, const Rows& latest);
  void Finish(const std::string& name, const Result<WriteReceipt>& receipt, uint64_t affected,
              const std::string& refusal, const std::string& what);
  // Throws unless the environment may explain `status`.
  void Excuse(const Status& status, const std::string& what);

  Machine* machine_;
  Dice dice_;
  bool faults_on_ = false;
  uint64_t next_version_ = 1;
  std::vector<Unacked> unacked_;
};

}  // namespace akidb::sim
