// Sends encoded batches over several connections at once and keeps account of what was acknowledged.
//
// Threads: Submit, Finish and the getters from one thread; it has one thread of its own a connection.
// Errors:  the first error that concerns more than single rows stops everything and is what Submit and Finish return.
// Cost:    at most two batches a connection are in memory.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/status.h"
#include "cli/api_client.h"
#include "cli/ingest_state.h"
#include "ingest/row_batch.h"

namespace akidb {

struct IngestJob {
  uint64_t rows_begin = 0;  // rows (begin, end] of the file
  uint64_t rows_end = 0;
  std::vector<uint64_t> rows;  // of the file, of each row in `body`
  std::string body;            // application/vnd.akidb.columns; empty if no row was good
};

class IngestSender {
 public:
  struct Options {
    ServerUrl url;
    HttpOptions http;
    std::string target;  // of POST .../vectors, with its query
    uint32_t connections = 4;
    uint64_t rows_acknowledged = 0;  // where a resumed run starts
  };
  IngestSender(Options options, Clock& clock);
  ~IngestSender();
  IngestSender(const IngestSender&) = delete;
  IngestSender& operator=(const IngestSender&) = delete;

  // Waits while all connections are busy.
  Status Submit(IngestJob job) AKI_EXCLUDES(mutex_);
  // Waits until everything is acknowledged or something failed.
  Status Finish() AKI_EXCLUDES(mutex_);

  uint64_t rows_acknowledged() AKI_EXCLUDES(mutex_);  // without a gap
  uint64_t rows_upserted() AKI_EXCLUDES(mutex_);
  // Rows the server refused since the last call.
  std::vector<RowProblem> TakeProblems() AKI_EXCLUDES(mutex_);

 private:
  void Work() AKI_EXCLUDES(mutex_);
  Status Send(ApiClient& client, const IngestJob& job);

  const Options options_;
  Clock& clock_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<IngestJob> queue_ AKI_GUARDED_BY(mutex_);
  uint32_t sending_ AKI_GUARDED_BY(mutex_) = 0;
  bool closed_ AKI_GUARDED_BY(mutex_) = false;
  Status failure_ AKI_GUARDED_BY(mutex_);
  AckTracker acknowledged_ AKI_GUARDED_BY(mutex_);
  uint64_t upserted_ AKI_GUARDED_BY(mutex_) = 0;
  std::vector<RowProblem> problems_ AKI_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace akidb
