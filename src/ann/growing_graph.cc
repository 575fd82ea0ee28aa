#include "ann/growing_graph.h"

#include <algorithm>

#include "ann/growing_walk.h"
#include "base/check.h"

namespace akidb {
namespace {

constexpr size_t kCandidatesMax = 160;  // nearest candidates among which neighbours are chosen
// A list that orphans fill would be chosen anew with every row that comes.
constexpr size_t kFreeAfterChoice = 4;
constexpr uint16_t kChosenByMax = UINT16_MAX;

uint32_t Load(uint32_t* slot) { return std::atomic_ref<uint32_t>(*slot).load(std::memory_order_acquire); }
// Whatever was written before, the row's code among it, is seen by who reads the number.
void Store(uint32_t* slot, uint32_t row) { std::atomic_ref<uint32_t>(*slot).store(row, std::memory_order_release); }

size_t Aligned(size_t bytes) { return (bytes + kGraphAlign - 1) / kGraphAlign * kGraphAlign; }

// Where the parts lie in the arena.
struct Parts {
  Parts(uint32_t capacity, uint32_t dim)
      : lists(Aligned(size_t{capacity} * dim)),
        scales(lists + Aligned(size_t{capacity} * GrowingGraph::kSlots * sizeof(uint32_t))),
        norms(scales + Aligned(size_t{capacity} * sizeof(float))),
        linked(norms + Aligned(size_t{capacity} * sizeof(float))),
        chosen_by(linked + Aligned((size_t{capacity} / 64 + 1) * sizeof(uint64_t))),
        states(chosen_by + Aligned(size_t{capacity} * sizeof(uint16_t))),
        end(states + capacity) {}
  const size_t lists, scales, norms, linked, chosen_by, states, end;
};

}  // namespace

Result<std::unique_ptr<GrowingGraph>> GrowingGraph::Create(uint32_t capacity, uint32_t dim,
                                                           const GraphKernels& kernels) {
  AKI_CHECK(capacity > 0 && dim > 0 && dim % kGraphAlign == 0);
  AKI_ASSIGN_OR_RETURN(HugeArena arena, HugeArena::Create(Parts(capacity, dim).end));
  return std::unique_ptr<GrowingGraph>(new GrowingGraph(capacity, dim, kernels, std::move(arena)));
}

GrowingGraph::GrowingGraph(uint32_t capacity, uint32_t dim, const GraphKernels& kernels, HugeArena arena)
    : capacity_(capacity),
      kernels_(kernels),
      arena_(std::move(arena)),
      codes_(reinterpret_cast<int8_t*>(arena_.data())),
      lists_(reinterpret_cast<uint32_t*>(arena_.data() + Parts(capacity, dim).lists)),
      scales_(reinterpret_cast<float*>(arena_.data() + Parts(capacity, dim).scales)),
      norms_squared_(reinterpret_cast<float*>(arena_.data() + Parts(capacity, dim).norms)),
      linked_(reinterpret_cast<uint64_t*>(arena_.data() + Parts(capacity, dim).linked)),
      chosen_by_(reinterpret_cast<uint16_t*>(arena_.data() + Parts(capacity, dim).chosen_by)),
      states_(reinterpret_cast<State*>(arena_.data() + Parts(capacity, dim).states)),
      slab_{codes_, scales_, norms_squared_, dim},
      pruner_(slab_, GraphBuildKernelsFor(kernels.name)),
      scratch_(std::make_unique<GrowingScratch>(capacity, dim)) {}

GrowingGraph::~GrowingGraph() = default;

uint64_t GrowingGraph::memory_bytes() const {
  const uint64_t a_row = slab_.dim + kSlots * sizeof(uint32_t) + 2 * sizeof(float) + sizeof(uint16_t) + sizeof(State);
  return rows_end_.load(std::memory_order_relaxed) * a_row + size_t{capacity_} / 8 + sizeof(*this);
}

uint32_t GrowingGraph::Neighbours(uint32_t row, uint32_t* out) const {
  uint32_t* const list = lists_ + size_t{row} * kSlots;
  uint32_t n = 0;
  for (uint32_t i = 0; i < kSlots; ++i) {
    out[n] = Load(list + i);
    n += out[n] != row ? 1 : 0;
  }
  return n;
}

void GrowingGraph::Encode(uint32_t row, const float* place) {
  AKI_CHECK(row < capacity_ && states_[row] == State::kNew);
  kernels_.encode(place, slab_.dim, codes_ + size_t{row} * slab_.dim, &scales_[row], &norms_squared_[row]);
  steps_ += scales_[row];
  code_step_.store(static_cast<float>(steps_ / ++encoded_), std::memory_order_relaxed);
  states_[row] = State::kAbsent;
  if (row >= rows_end_.load(std::memory_order_relaxed)) rows_end_.store(row + 1, std::memory_order_relaxed);
}

void GrowingGraph::Link(uint32_t row, uint32_t ef) {
  AKI_CHECK(row < capacity_ && states_[row] == State::kAbsent);
  ids_.clear();
  FindNear(row, ef);
  MakeKeys(row);
  uint32_t chosen[kGraphDegree];
  pruner_.Choose(row, keys_, chosen);
  Fill(row, chosen);
  for (const uint32_t near : chosen) {
    if (near != row) Offer(near, row);
  }
  states_[row] = State::kLinked;
  const uint32_t linked = linked_count_.load(std::memory_order_relaxed) + 1;
  const uint32_t entries = entry_count_.load(std::memory_order_relaxed);
  // About the square root of the rows: enough to begin near every query, few enough to cost little.
  if (chosen_by_[row] == 0 || (entries < kEntriesMax && entries * entries < linked)) MakeEntry(row);
  std::atomic_ref<uint64_t>(linked_[row / 64]).fetch_or(uint64_t{1} << (row % 64), std::memory_order_release);
  linked_count_.store(linked, std::memory_order_release);
}

void GrowingGraph::Unlink(uint32_t row) {
  AKI_CHECK(row < capacity_ && IsLinked(row));
  states_[row] = State::kUnlinked;
  std::atomic_ref<uint64_t>(linked_[row / 64]).fetch_and(~(uint64_t{1} << (row % 64)), std::memory_order_release);
  linked_count_.store(linked_count_.load(std::memory_order_relaxed) - 1, std::memory_order_release);
  unlinked_.push_back(row);
}

// Appends to ids_ the linked rows that a walk for `row` ends with.
void GrowingGraph::FindNear(uint32_t row, uint32_t ef) {
  scratch_->Walk(*this, ef, 0, [&](const uint32_t* ids, uint32_t count, float* out) {
    kernels_.distances(slab_, row, ids, count, out);
  });
  for (const int64_t key : scratch_->pool().keys()) {
    if (const uint32_t near = RowOfKey(key); IsLinked(near)) ids_.push_back(near);
  }
}

void GrowingGraph::MakeKeys(uint32_t row) {
  std::ranges::sort(ids_);
  const auto repeated = std::ranges::unique(ids_);
  ids_.erase(repeated.begin(), repeated.end());
  std::erase(ids_, row);
  distances_.resize(ids_.size());
  kernels_.distances(slab_, row, ids_.data(), ids_.size(), distances_.data());
  keys_.clear();
  for (size_t i = 0; i < ids_.size(); ++i) keys_.push_back(KeyOfPair(distances_[i], ids_[i]));
  std::ranges::sort(keys_);
  if (keys_.size() > kCandidatesMax) keys_.resize(kCandidatesMax);
}

void GrowingGraph::MakeEntry(uint32_t row) {
  const uint32_t entries = entry_count_.load(std::memory_order_relaxed);
  uint32_t at = entries;
  if (entries == kEntriesMax) {
    // It takes the place of one that is found by way of others, too.
    at = 0;
    while (at < kEntriesMax && chosen_by_[entries_[at].load(std::memory_order_relaxed)] == 0) ++at;
    if (at == kEntriesMax) return;
  }
  entries_[at].store(row, std::memory_order_release);
  if (at == entries) entry_count_.store(entries + 1, std::memory_order_release);
}

void GrowingGraph::Fill(uint32_t row, std::span<const uint32_t> neighbours) {
  uint32_t* const list = List(row);
  for (uint32_t i = 0; i < kSlots; ++i) {
    const uint32_t near = i < neighbours.size() ? neighbours[i] : row;
    if (near != row && chosen_by_[near] < kChosenByMax) ++chosen_by_[near];
    Store(list + i, near);
  }
}

void GrowingGraph::Offer(uint32_t of, uint32_t row) {
  uint32_t* const list = List(of);
  for (uint32_t i = 0; i < kSlots; ++i) {
    if (list[i] == row) return;
    if (list[i] != of) continue;
    if (chosen_by_[row] < kChosenByMax) ++chosen_by_[row];
    Store(list + i, row);
    return;
  }
  ids_.clear();
  for (uint32_t i = 0; i < kSlots; ++i) {
    if (IsLinked(list[i])) ids_.push_back(list[i]);
  }
  ids_.push_back(row);
  MakeKeys(of);
  uint32_t chosen[kGraphDegree];
  pruner_.Choose(of, keys_, chosen);
  Replace(of, chosen, ids_);
}

void GrowingGraph::Replace(uint32_t row, std::span<const uint32_t> chosen, std::span<const uint32_t> considered) {
  uint32_t* const list = List(row);
  const std::span<const uint32_t> old(list, kSlots);
  const auto contains = [](std::span<const uint32_t> all, uint32_t id) {
    return std::find(all.begin(), all.end(), id) != all.end();
  };
  next_.clear();
  for (const uint32_t id : chosen) {
    if (id != row) next_.push_back(id);
  }
  for (const uint32_t id : considered) {
    if (next_.size() == kSlots - kFreeAfterChoice) break;
    if (contains(next_, id) || chosen_by_[id] > (contains(old, id) ? 1 : 0)) continue;
    next_.push_back(id);
  }
  for (const uint32_t id : old) {
    if (id != row && !contains(next_, id) && chosen_by_[id] < kChosenByMax) --chosen_by_[id];
  }
  for (const uint32_t id : next_) {
    if (!contains(old, id) && chosen_by_[id] < kChosenByMax) ++chosen_by_[id];
  }
  for (uint32_t i = 0; i < kSlots; ++i) Store(list + i, i < next_.size() ? next_[i] : row);
}

bool GrowingGraph::Mend(uint32_t rows_max, uint32_t ef) {
  if (mend_next_ == 0) {
    if (unlinked_.empty()) return false;
    leaving_.swap(unlinked_);
  }
  const uint32_t rows_end = rows_end_.load(std::memory_order_relaxed);
  const uint32_t end = rows_max < rows_end - mend_next_ ? mend_next_ + rows_max : rows_end;
  for (; mend_next_ < end; ++mend_next_) {
    if (IsLinked(mend_next_)) MendList(mend_next_, ef);
  }
  if (end < rows_end) return true;
  ForgetUnlinked();
  mend_next_ = 0;
  return !unlinked_.empty();
}

// What FreshDiskANN does (arXiv 2105.09613): the neighbours of a row that leaves are candidates in its place.
void GrowingGraph::MendList(uint32_t row, uint32_t ef) {
  const uint32_t* const list = List(row);
  ids_.clear();
  bool any_leaves = false;
  for (uint32_t i = 0; i < kSlots; ++i) {
    const uint32_t near = list[i];
    if (near == row) continue;
    if (IsLinked(near)) {
      ids_.push_back(near);
      continue;
    }
    any_leaves = true;
    const uint32_t* const beyond = List(near);
    for (uint32_t j = 0; j < kSlots; ++j) {
      if (IsLinked(beyond[j])) ids_.push_back(beyond[j]);
    }
  }
  if (!any_leaves) return;
  if (ids_.size() < kGraphDegree) FindNear(row, ef);
  MakeKeys(row);
  uint32_t chosen[kGraphDegree];
  pruner_.Choose(row, keys_, chosen);
  std::vector<uint32_t> kept;
  for (uint32_t i = 0; i < kSlots; ++i) {
    if (list[i] != row && IsLinked(list[i])) kept.push_back(list[i]);
  }
  Replace(row, chosen, kept);
}

void GrowingGraph::ForgetUnlinked() {
  const auto any_linked_of = [&](uint32_t row) {
    const uint32_t* const list = List(row);
    const uint32_t* const found = std::find_if(list, list + kSlots, [&](uint32_t id) { return IsLinked(id); });
    if (found != list + kSlots) return *found;
    const State* const first = std::find(states_, states_ + rows_end_.load(std::memory_order_relaxed), State::kLinked);
    return static_cast<uint32_t>(first - states_);
  };
  if (linked_count_.load(std::memory_order_relaxed) > 0) {
    for (uint32_t i = 0; i < entry_count_.load(std::memory_order_relaxed); ++i) {
      const uint32_t row = entries_[i].load(std::memory_order_relaxed);
      if (!IsLinked(row)) entries_[i].store(any_linked_of(row), std::memory_order_release);
    }
  }
  std::vector<uint32_t> orphans;
  for (const uint32_t row : leaving_) {
    uint32_t* const list = List(row);
    for (uint32_t i = 0; i < kSlots; ++i) {
      const uint32_t near = list[i];
      Store(list + i, row);
      if (near == row || chosen_by_[near] == kChosenByMax) continue;
      if (--chosen_by_[near] == 0 && IsLinked(near)) orphans.push_back(near);
    }
    states_[row] = State::kAbsent;
  }
  leaving_.clear();
  for (const uint32_t row : orphans) {
    const std::vector<uint32_t> own(List(row), List(row) + kSlots);
    for (const uint32_t near : own) {
      if (chosen_by_[row] == 0 && near != row && IsLinked(near)) Offer(near, row);
    }
    if (chosen_by_[row] == 0) MakeEntry(row);
  }
}

}  // namespace akidb
