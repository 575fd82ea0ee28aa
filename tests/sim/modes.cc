#include "run.h"
#include "wal_sim.h"

namespace akidb::sim {

const std::vector<Mode>& Modes() {
  static const std::vector<Mode> modes = {
      {"wal", "the write-ahead log alone", &RunWal, false, {"recovery"}},
  };
  return modes;
}

}  // namespace akidb::sim
