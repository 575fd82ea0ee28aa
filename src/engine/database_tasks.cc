// The background tasks of a database, each a Step that does one bounded piece of work.
#include <algorithm>

#include "base/log.h"
#include "engine/database_impl.h"

namespace akidb {
namespace {

constexpr Duration kErrorPause = std::chrono::seconds(1);
constexpr Duration kIdlePause = std::chrono::seconds(1);
constexpr Duration kCatalogPause = std::chrono::seconds(2);
constexpr Duration kPreparePause = std::chrono::milliseconds(50);
// A commit that gathers rows is due in a few of them.
constexpr Duration kFlushPauseMin = std::chrono::milliseconds(1);
// What is due waits for what is under way.
constexpr Duration kFlushBusyPause = std::chrono::milliseconds(10);
constexpr Duration kGrowPause = std::chrono::milliseconds(200);
// A writer that nobody used for so long sends fewer heartbeats.
constexpr Duration kIdleAfter = std::chrono::seconds(30);

class StepTask final : public Task {
 public:
  StepTask(std::string_view name, DatabaseImpl& database, Priority priority, NextStep (DatabaseImpl::*step)(OpContext&))
      : name_(name), database_(database), priority_(priority), step_(step) {}
  std::string_view name() const override { return name_; }
  NextStep Step(OpContext& ctx) override {
    ctx.set_priority(priority_);
    return (database_.*step_)(ctx);
  }

 private:
  std::string_view name_;
  DatabaseImpl& database_;
  const Priority priority_;
  NextStep (DatabaseImpl::*step_)(OpContext&);
};

void LogFailure(std::string_view task, CollectionId collection, const Status& status) {
  const LogLevel level = status.code() == StatusCode::kAborted ? LogLevel::kInfo : LogLevel::kWarn;
  Log(level, "background step failed",
      {{"task", task}, {"collection", collection.value()}, {"error", status.ToString()}});
}

}  // namespace

void DatabaseImpl::StartTasks() {
  Executor& executor = *deps_.env.executor;
  const auto add = [&](std::string_view name, NextStep (DatabaseImpl::*step)(OpContext&),
                       Priority priority = Priority::kBackground) {
    tasks_.emplace_back(&executor, executor.Add(std::make_shared<StepTask>(name, *this, priority, step)));
    return tasks_.back().second;
  };
  Executor& computing = deps_.options.computing ? *deps_.options.computing : executor;
  const auto add_computing = [&](std::string_view name, NextStep (DatabaseImpl::*step)(OpContext&),
                                 Priority priority = Priority::kBackground) {
    tasks_.emplace_back(&computing, computing.Add(std::make_shared<StepTask>(name, *this, priority, step)));
    return tasks_.back().second;
  };
  if (deps_.options.shared_store) follow_task_ = add("follow", &DatabaseImpl::FollowTaskStep, Priority::kQuery);
  if (deps_.nodes) add("lease", &DatabaseImpl::LeaseTaskStep, Priority::kQuery);
  flush_task_ = add("flush", &DatabaseImpl::FlushTaskStep, Priority::kWrite);
  // Where a commit takes long, the next upload does not wait for it.
  if (deps_.options.shared_store) upload_task_ = add("upload", &DatabaseImpl::UploadTaskStep, Priority::kWrite);
  if (deps_.options.computing) {
    unhurried_flush_task_ = add_computing("unhurried flush", &DatabaseImpl::UnhurriedFlushTaskStep, Priority::kWrite);
    if (deps_.options.shared_store) {
      unhurried_upload_task_ =
          add_computing("unhurried upload", &DatabaseImpl::UnhurriedUploadTaskStep, Priority::kWrite);
    }
  }
  add_computing("prepare", &DatabaseImpl::PrepareTaskStep);
  add_computing("merge", &DatabaseImpl::MergeTaskStep);
  add_computing("index", &DatabaseImpl::IndexTaskStep);
  add_computing("grow", &DatabaseImpl::GrowTaskStep);
  add_computing("trim", &DatabaseImpl::TrimTaskStep);
  add_computing("collect", &DatabaseImpl::CollectTaskStep);
  const auto wake = [](Executor& executor, const std::atomic<TaskId>& task) {
    if (const TaskId id = task.load(std::memory_order_relaxed)) executor.Wake(id);
  };
  deps_.wake_hurried_flush = [this, wake] {
    wake(*deps_.env.executor, flush_task_);
    wake(*deps_.env.executor, upload_task_);
  };
  deps_.wake_flush = [this, wake] {
    deps_.wake_hurried_flush();
    if (!deps_.options.computing) return;
    wake(*deps_.options.computing, unhurried_flush_task_);
    wake(*deps_.options.computing, unhurried_upload_task_);
  };
  deps_.wake_follow = [this] { deps_.env.executor->Wake(follow_task_.load(std::memory_order_relaxed)); };
}

void DatabaseImpl::StopTasks() {
  {
    // A build may take minutes, and nothing is lost with it.
    MutexLock lock(index_mutex_);
    stopping_ = true;
    if (index_ctx_ != nullptr) index_ctx_->Cancel();
  }
  for (const auto& [executor, task] : tasks_) executor->Remove(task);
  tasks_.clear();
}

NextStep DatabaseImpl::PrepareTaskStep(OpContext& ctx) {
  Wal* const wal = deps_.wal.load(std::memory_order_acquire);
  if (wal == nullptr) return NextStep::After(kIdlePause);
  const auto did_something = wal->PrepareStep(ctx);
  if (!did_something) {
    LogFailure("prepare", CollectionId(0), did_something.error());
    return NextStep::After(kErrorPause);
  }
  return *did_something ? NextStep::Now() : NextStep::After(kPreparePause);
}

NextStep DatabaseImpl::FlushTaskStep(OpContext& ctx) {
  return FlushAny(ctx, CollectionImpl::FlushOrder::kCommitFirst,
                  deps_.options.computing ? FlushShare::kHurried : FlushShare::kAll);
}

NextStep DatabaseImpl::UploadTaskStep(OpContext& ctx) {
  return FlushAny(ctx, CollectionImpl::FlushOrder::kUploadFirst,
                  deps_.options.computing ? FlushShare::kHurried : FlushShare::kAll);
}

NextStep DatabaseImpl::UnhurriedFlushTaskStep(OpContext& ctx) {
  return FlushAny(ctx, CollectionImpl::FlushOrder::kCommitFirst, FlushShare::kUnhurried);
}

NextStep DatabaseImpl::UnhurriedUploadTaskStep(OpContext& ctx) {
  return FlushAny(ctx, CollectionImpl::FlushOrder::kUploadFirst, FlushShare::kUnhurried);
}

NextStep DatabaseImpl::FlushAny(OpContext& ctx, CollectionImpl::FlushOrder order, FlushShare share) {
  auto collections = LoadedImpls();
  // Start after the collection served last, so that one busy collection does not starve the others.
  const CollectionId cursor = flush_cursor_.load(std::memory_order_relaxed);
  std::ranges::rotate(collections,
                      std::ranges::upper_bound(collections, cursor, {}, [](const auto& c) { return c->id(); }));
  const MonotonicTime now = ctx.clock().Now();
  MonotonicTime next_due = now + kIdlePause;
  // Where memory or what only this disk holds nears its limit, writes will soon be refused.
  const bool behind = deps_.growing_bytes() > deps_.options.limits.unflushed_bytes_max / 2 ||
                      deps_.at_risk_bytes.load(std::memory_order_relaxed) > deps_.options.limits.at_risk_bytes_max / 2;
  for (const auto& collection : collections) {
    const bool waited_for = collection->AnswerLateCommits();
    if (share != FlushShare::kAll && (waited_for || behind) != (share == FlushShare::kHurried)) {
      // Who begins to wait wakes the hurried ones; who ceases to, nobody.
      const auto due = collection->FlushDueAt();
      if (share == FlushShare::kUnhurried && due) next_due = std::min(next_due, *due);
      continue;
    }
    const auto stepped = collection->FlushStep(ctx, CollectionImpl::FlushTrigger::kIfDue, order);
    if (!ctx.Check().ok()) return NextStep::Now();  // dropped meanwhile: the others are for the next step
    if (!stepped) {
      LogFailure("flush", collection->id(), stepped.error());
      continue;
    }
    if (*stepped) {
      flush_cursor_.store(collection->id(), std::memory_order_relaxed);
      return NextStep::Now();
    }
    if (const auto due = collection->FlushDueAt()) next_due = std::min(next_due, *due);
  }
  return NextStep::After(next_due > now ? std::max(next_due - now, kFlushPauseMin) : kFlushBusyPause);
}

NextStep DatabaseImpl::MergeTaskStep(OpContext& ctx) {
  for (const auto& collection : LoadedImpls()) {
    const auto merged = collection->MergeStep(ctx, Collection::MergeScope::kPolicy);
    if (!ctx.Check().ok()) return NextStep::Now();
    if (!merged) LogFailure("merge", collection->id(), merged.error());
  }
  return NextStep::After(kIdlePause);
}

NextStep DatabaseImpl::IndexTaskStep(OpContext& ctx) {
  {
    MutexLock lock(index_mutex_);
    if (stopping_) return NextStep::After(kIdlePause);
    index_ctx_ = &ctx;
  }
  bool more = false;
  for (const auto& collection : LoadedImpls()) {
    const auto indexed = collection->IndexStep(ctx);
    if (!ctx.Check().ok()) {  // the database stops, or the collection was dropped: the others are for the next step
      more = true;
      break;
    }
    if (!indexed) LogFailure("index", collection->id(), indexed.error());
    more = more || (indexed && *indexed);
  }
  MutexLock lock(index_mutex_);
  index_ctx_ = nullptr;
  return more ? NextStep::Now() : NextStep::After(kIdlePause);
}

NextStep DatabaseImpl::GrowTaskStep(OpContext& ctx) {
  bool more = false;
  for (const auto& collection : LoadedImpls()) {
    const auto grown = collection->GrowStep(ctx);
    if (!grown) LogFailure("grow", collection->id(), grown.error());
    more = more || (grown && *grown);
  }
  return more ? NextStep::Now() : NextStep::After(kGrowPause);
}

NextStep DatabaseImpl::TrimTaskStep(OpContext& ctx) {
  // Read before the collections are: whatever is logged from now on has a greater LSN.
  Lsn bound = std::min(wal_stats().durable, deps_.node_log.TrimBound());
  for (const auto& collection : LoadedImpls()) {
    if (Status status = collection->ConfirmStep(ctx); !status.ok()) LogFailure("trim", collection->id(), status);
    if (collection->on_node_log()) bound = std::min(bound, collection->TrimBound());
  }
  Wal* const wal = deps_.wal.load(std::memory_order_acquire);
  if (wal == nullptr) return NextStep::After(kIdlePause);
  if (Status status = DiscardLost(ctx); !status.ok()) LogFailure("discard", CollectionId(0), status);
  // Asked before, because what is replayed now is a collection's; and after, because what a collection gave up is lost.
  bound = std::min(bound, deps_.node_log.TrimBound());
  if (Status status = wal->TrimTo(ctx, bound); !status.ok()) LogFailure("trim", CollectionId(0), status);
  return NextStep::After(kIdlePause);
}

NextStep DatabaseImpl::FollowTaskStep(OpContext& ctx) {
  const MonotonicTime now = ctx.clock().Now();
  MonotonicTime next = now + kIdlePause;
  if (now >= catalog_due_) {
    // An unknown name is asked for when it is used; that a known alias has moved, nobody would ask.
    const auto news = catalog_->Refresh(ctx);
    if (!news) LogFailure("follow", CollectionId(0), news.error());
    // News also come to whoever asks for an unknown name, so what is open is compared every time.
    SettleLoaded();
    TakeUpHomes(ctx);
    catalog_due_ = now + kCatalogPause;
  }
  MeasureRisk();
  for (const auto& collection : LoadedImpls()) {
    collection->AnswerLateCommits();
    next = std::min(next, collection->HomeStep(ctx));
    if (collection->superseded() && collection->ack() == AckLevel::kLocal) {
      FindLoaded(collection->id());  // forgets it, and its log with it
      continue;
    }
    const auto due = collection->FollowStep(ctx);
    if (!due) {
      LogFailure("follow", collection->id(), due.error());
      continue;
    }
    next = std::min(next, *due);
  }
  return NextStep::After(std::max(next - ctx.clock().Now(), Duration(std::chrono::milliseconds(1))));
}

NextStep DatabaseImpl::LeaseTaskStep(OpContext& ctx) {
  auto activity = NodeLeases::Activity::kNone;
  for (const auto& collection : LoadedImpls()) {
    if (collection->writer_epoch().value() == 0) continue;
    activity = std::max(activity, NodeLeases::Activity::kIdleWriter);
    if (ctx.clock().Now() - collection->last_used() < kIdleAfter) activity = NodeLeases::Activity::kWriter;
  }
  deps_.nodes->SetAtRisk({at_risk_bytes(), at_risk_age()});
  ctx.set_timeout(kErrorPause * 2);  // what comes later would not be a sign of life
  const auto next = deps_.nodes->Step(ctx, activity);
  if (next) return NextStep::After(*next);
  LogFailure("lease", CollectionId(0), next.error());
  return NextStep::After(kErrorPause);
}

NextStep DatabaseImpl::CollectTaskStep(OpContext& ctx) {
  for (const auto& collection : LoadedImpls()) {
    if (Status status = collection->CollectStep(ctx); !status.ok()) LogFailure("collect", collection->id(), status);
    if (Status status = SettleClones(ctx, *collection); !status.ok()) LogFailure("clones", collection->id(), status);
  }
  if (Status status = PurgeDropped(ctx); !status.ok()) LogFailure("purge", CollectionId(0), status);
  return NextStep::After(deps_.options.gc_interval);
}

}  // namespace akidb
