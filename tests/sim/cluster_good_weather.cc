// What must hold once nothing is broken any more: everybody shows everything, and everything can be written to.
#include <algorithm>

#include "cluster_workload.h"

namespace akidb::sim {

void ClusterWorkload::Insist(Node& node, const std::string& what, const std::function<Status()>& attempt) {
  Status status;
  for (int i = 0; i < 20; ++i) {
    status = attempt();
    if (status.ok()) return;
    world_->trace().Line(what + ": " + status.ToString());
    for (int steps = 0; steps < 100 && node.executor().StepOne(dice_); ++steps) {
    }
    sleep_(node, std::chrono::seconds(1));
  }
  throw Violation{"I5: " + what + " fails although nothing is broken: " + status.ToString()};
}

void ClusterWorkload::MustShowAll(Node& node) {
  const auto entries = truth_->catalog().entries;
  for (const auto& [id, entry] : entries) {
    const std::string name = entry.spec.name;
    if (truth_->HeadOf(id)->dropped) {
      // Its drop did not come to the name; whoever asks for it finishes that.
      Insist(node, node.name() + " finishes the drop of " + name, [&]() -> Status {
        NodeContext ctx = node.Context();
        const auto found = node.db().Get(ctx, name);
        if (!found && found.error().code() == StatusCode::kNotFound) return OkStatus();
        if (!found) return found.error();
        const auto read = (*found)->Read(ctx);
        return read ? Unavailable("it is still there") : read.error();
      });
      continue;
    }
    Insist(node, node.name() + " reads all of " + name, [&]() -> Status {
      NodeContext ctx = node.Context();
      AKI_ASSIGN_OR_RETURN(const Handle collection, node.db().Get(ctx, name));
      const auto acked = last_acked_.find(id);
      if (acked != last_acked_.end() && !truth_->IsLost(id, acked->second)) {
        AKI_RETURN_IF_ERROR(WaitVisible(node, *collection, acked->second, std::chrono::seconds(30)));
      }
      AKI_RETURN_IF_ERROR(CheckRead(node, *collection));
      const Lsn certain = truth_->CertainLsn(id);
      if (seen_[&node][id].lsn >= certain) return OkStatus();
      return Unavailable("LSN " + std::to_string(seen_[&node][id].lsn.value()) + " is shown, LSN " +
                         std::to_string(certain.value()) + " was acknowledged or read");
    });
  }
}

void ClusterWorkload::MustTakeOver(Node& node) {
  const auto entries = truth_->catalog().entries;
  for (const auto& [id, entry] : entries) {
    if (truth_->HeadOf(id)->dropped || truth_->IsBound(id)) continue;
    Insist(node, node.name() + " takes over " + entry.spec.name, [&] { return PublishAll(node, entry.spec.name); });
  }
}

Status ClusterWorkload::PublishAll(Node& node, const std::string& name) {
  NodeContext ctx = node.Context();
  AKI_ASSIGN_OR_RETURN(const Handle collection, node.db().Get(ctx, name));
  AKI_ASSIGN_OR_RETURN(const WriteReceipt nothing, collection->DeleteIds(ctx, {}));
  truth_->Appended(collection->id(), nothing.position, {});
  // Something to publish and something to collect, which is when older leftovers go too.
  for (int i = 0; i < 3; ++i) {
    // An insert or update may be refused for all of its rows.
    for (int tries = 0; tries < 20 && collection->stats().unflushed_bytes == 0; ++tries) {
      WriteRows(node, *collection);
    }
    if (collection->stats().unflushed_bytes == 0) return Unavailable("no write was taken");
    AKI_RETURN_IF_ERROR(collection->Flush(ctx));
  }
  return collection->Merge(ctx, Collection::MergeScope::kFull);
}

int ClusterWorkload::BoundCount() const {
  return static_cast<int>(std::ranges::count_if(truth_->catalog().entries, [&](const auto& each) {
    return !truth_->HeadOf(each.first)->dropped && truth_->IsBound(each.first);
  }));
}

int ClusterWorkload::MustWriteBound(Node& node) {
  int bound = 0;
  const auto entries = truth_->catalog().entries;
  for (const auto& [id, entry] : entries) {
    const auto head = truth_->HeadOf(id);
    if (head->dropped || !head->home) continue;
    const std::string what = node.name() + " publishes " + entry.spec.name;
    if (node.IsAt(*head->home)) {
      ++bound;
      Insist(node, what + ", which is bound to it", [&] { return PublishAll(node, entry.spec.name); });
    } else {
      // A home that was may not have heard of it yet.
      Insist(node, what + ", which is bound to another", [&]() -> Status {
        const Status status = PublishAll(node, entry.spec.name);
        if (status.reason() == "home_unreachable") return OkStatus();
        return Unavailable("it does not say that it cannot: " + status.ToString());
      });
    }
  }
  return bound;
}

}  // namespace akidb::sim
