// Brings a write to the node that is the collection's writer, and takes in what other nodes bring.
//
// A request is repeated only if it certainly had no effect: no connection was made, or the answer says that its node is
// not the writer. After a time-out or a reset the client is told that the outcome is unknown. The receiver refuses what
// was meant for another process or epoch, and what came too late, and never passes it on.
//
// Threads: thread-safe. Send runs on a queue of its own, because it waits for another node.
// Errors:  kUnavailable (reason "not_the_writer", "writer_unreachable", "forward_unanswered"; the last with effect
//          unknown), kDeadlineExceeded (reason "forward_expired"), kPermissionDenied (reason "wrong_secret").
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "engine/database.h"
#include "service/core/call.h"
#include "service/core/handlers.h"
#include "service/core/metrics.h"
#include "service/core/router.h"
#include "service/core/work_queue.h"
#include "service/core/write_forwarder.h"

namespace akidb {

// Of a forwarded request.
inline constexpr std::string_view kForwardedToHeader = "x-akidb-forwarded-to";  // the process that is meant
inline constexpr std::string_view kForwardedEpochHeader = "x-akidb-forwarded-epoch";
inline constexpr std::string_view kForwardedBudgetHeader = "x-akidb-forwarded-budget-ms";  // from its arrival on
inline constexpr std::string_view kForwardedSecretHeader = "x-akidb-forwarded-secret";
// The collection's ack as its sender knows it: the receiver may not have heard of a change yet.
inline constexpr std::string_view kForwardedAckHeader = "x-akidb-forwarded-ack";
// Of the answer to one: the process that answered.
inline constexpr std::string_view kAnsweredByHeader = "x-akidb-answered-by";

struct ForwardingOptions {
  std::shared_ptr<WriteForwarder> forwarder;  // null: requests are never forwarded
  WorkQueue* queue = nullptr;                 // for requests that wait for another node
  std::string secret;                         // shared by all nodes; empty: none is asked for
};

class Forwarding {
 public:
  Forwarding(Service& service, ForwardingOptions options);

  // Whether the call goes through Run: it came from another node, or belongs to the writer.
  bool Concerns(Call& call, const Route& route) const;
  // Runs the route's handler here or sends the call to where it belongs.
  Status Run(const CallPtr& call, const Route& route);
  // Whether a read that asks for `commit` goes to another node, because only the disk of the collection's home has it.
  bool ConcernsRead(const Call& call, const Collection& collection, const Position& commit) const;
  // Sends the read there.
  Status RunRead(const CallPtr& call, const std::shared_ptr<Collection>& collection);

 private:
  // A job that a request started on another node.
  struct RemoteJob {
    std::string process;
    std::string address;
  };

  Status Receive(const CallPtr& call, const Route& route);
  Status CheckReceived(Call& call, const Route& route);
  Status Send(const CallPtr& call, const Route& route);
  Status SendRead(const CallPtr& call, Collection& collection);
  // `ack`: of the collection, if the request is about one.
  Result<HttpResponse> SendTo(Call& call, const WriterPlace& place, std::optional<AckLevel> ack);
  Status SendToJob(const CallPtr& call, const RemoteJob& job);
  void NoteAnswered(Call& call, Collection& collection, const WriterPlace& place, const HttpResponse& response);
  std::optional<RemoteJob> FindJob(std::string_view id) const;

  Service& service_;
  Database& database_;
  const ForwardingOptions options_;
  Counter& answered_;
  Counter& moved_;
  Counter& unreachable_;
  Counter& unanswered_;
  Counter& accepted_;
  Counter& refused_;
  mutable Mutex mutex_;
  std::map<std::string, RemoteJob, std::less<>> jobs_ AKI_GUARDED_BY(mutex_);
  std::deque<std::string> job_order_ AKI_GUARDED_BY(mutex_);  // oldest first
};

}  // namespace akidb
