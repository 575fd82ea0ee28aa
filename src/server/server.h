// The whole server in one object: the one place that picks concrete classes and puts them together.
//
// Threads: Start and Stop from one thread.
// Errors:  Start: kInvalidArgument (configuration), kUnavailable (data directory or port in use; reason "locked" names
//          the other process), kDataLoss (stored bytes). Stop: the first thing that did not end cleanly.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "server/config.h"

namespace akidb {

class Server {
 public:
  static Result<std::unique_ptr<Server>> Start(const ServerConfig& config);
  virtual ~Server() = default;  // does not flush; Stop does
  // "http://127.0.0.1:8080".
  virtual std::string url() const = 0;
  // Refuses new requests, lets those in flight end, publishes every unflushed row, releases the data directory.
  virtual Status Stop() = 0;
};

// Runs a server until SIGTERM or SIGINT; a second signal ends the process at once. Says on stdout when it is ready.
Status RunServer(const ServerConfig& config);

}  // namespace akidb
