// One function per operation of the API, grouped by file: collections, aliases, vectors_write, vectors_read, search,
// snapshots, maintenance, operations. A handler answers through its call, now or later; a Status it returns is the
// answer.
//
// Threads: run on an I/O thread or in the work queue (Service::RunHandler); what may take long moves to the work queue.
// Errors:  each becomes application/problem+json by the table in problem.cc.
#pragma once

#include "base/status.h"
#include "service/core/call.h"

namespace akidb {

class Service;
using Handler = Status (*)(Service&, const CallPtr&);

Status CreateCollection(Service& service, const CallPtr& call);
Status ListCollections(Service& service, const CallPtr& call);
Status DescribeCollection(Service& service, const CallPtr& call);
Status AlterCollection(Service& service, const CallPtr& call);
// Whether such a call may bind its collection to a node or release it. A call that is wrong does neither.
bool MovesHome(Service& service, Call& call);
Status DropCollection(Service& service, const CallPtr& call);
Status RebindCollection(Service& service, const CallPtr& call);

Status ListAliases(Service& service, const CallPtr& call);
Status SetAlias(Service& service, const CallPtr& call);
Status DropAlias(Service& service, const CallPtr& call);
Status SwitchAlias(Service& service, const CallPtr& call);

Status WriteVectors(Service& service, const CallPtr& call);
Status DeleteVector(Service& service, const CallPtr& call);
Status DeleteVectors(Service& service, const CallPtr& call);
Status MergePayload(Service& service, const CallPtr& call);

Status GetVector(Service& service, const CallPtr& call);
Status GetVectors(Service& service, const CallPtr& call);
Status ScrollVectors(Service& service, const CallPtr& call);
Status CountVectors(Service& service, const CallPtr& call);

Status SearchVectors(Service& service, const CallPtr& call);
Status BatchSearch(Service& service, const CallPtr& call);

Status CreateSnapshot(Service& service, const CallPtr& call);
Status ListSnapshots(Service& service, const CallPtr& call);
Status DescribeSnapshot(Service& service, const CallPtr& call);
Status DeleteSnapshot(Service& service, const CallPtr& call);
Status RevertToSnapshot(Service& service, const CallPtr& call);
Status CloneCollection(Service& service, const CallPtr& call);

Status FlushCollection(Service& service, const CallPtr& call);
Status MergeCollection(Service& service, const CallPtr& call);
Status ListJobs(Service& service, const CallPtr& call);
Status GetJob(Service& service, const CallPtr& call);
Status CancelJob(Service& service, const CallPtr& call);

Status HealthLive(Service& service, const CallPtr& call);
Status HealthReady(Service& service, const CallPtr& call);
Status ShowLimits(Service& service, const CallPtr& call);
Status ShowMetrics(Service& service, const CallPtr& call);
Status ShowVersion(Service& service, const CallPtr& call);
Status ShowOpenApi(Service& service, const CallPtr& call);

}  // namespace akidb
