#include "sim_disk.h"

#include <algorithm>

#include "base/check.h"

namespace akidb::sim {

namespace {

std::string SectorOf(const std::string& bytes, uint64_t sector) {
  const uint64_t begin = sector * kSectorBytes;
  return begin >= bytes.size() ? std::string() : bytes.substr(begin, kSectorBytes);
}

// Puts `content` at `sector`, as far as the file reaches.
void PutSector(std::string* bytes, uint64_t sector, const std::string& content) {
  const uint64_t begin = sector * kSectorBytes;
  if (begin >= bytes->size()) return;
  const uint64_t size = std::min<uint64_t>({content.size(), kSectorBytes, bytes->size() - begin});
  bytes->replace(begin, size, content, 0, size);
}

}  // namespace

void Lying(DiskFaults* faults, Lie lie) {
  if (lie == Lie::kDropSyncs) faults->drop_sync_ppm = 300'000;
  if (lie == Lie::kForgetNames) faults->forget_names_ppm = 300'000;
  if (lie == Lie::kStaleBlocks) faults->stale_read_ppm = 100'000;
}

void SimInode::Resize(uint64_t size) {
  if (size == current.size()) return;
  const uint64_t smallest = resizes.empty() ? durable.size() : resizes.back().smallest_since_sync;
  resizes.push_back({size, std::min(smallest, size)});
  current.resize(size, '\0');
  for (auto it = dirty.lower_bound((size + kSectorBytes - 1) / kSectorBytes); it != dirty.end();) it = dirty.erase(it);
}

void SimInode::Write(uint64_t offset, std::string_view data) {
  if (data.empty()) return;
  if (offset + data.size() > current.size()) Resize(offset + data.size());
  current.replace(offset, data.size(), data);
  for (uint64_t s = offset / kSectorBytes; s <= (offset + data.size() - 1) / kSectorBytes; ++s) {
    dirty[s].push_back(SectorOf(current, s));
    lost.erase(s);
  }
}

void SimInode::MakeDurable(bool remember_stale) {
  if (remember_stale) {
    for (const auto& [sector, versions] : dirty) stale[sector] = SectorOf(durable, sector);
  }
  if (lost.empty()) {
    if (!dirty.empty() || !resizes.empty()) durable = current;
  } else {
    durable.resize(current.size(), '\0');
    for (const auto& [sector, versions] : dirty) PutSector(&durable, sector, SectorOf(current, sector));
  }
  dirty.clear();
  resizes.clear();
}

SimDisk::SimDisk(World& world, uint64_t stream) : world_(&world), dice_(world.seed(), stream) {
  for (const char* root : {"/", "."}) {
    auto inode = std::make_shared<SimInode>();
    inode->is_dir = true;
    names_[root] = durable_names_[root] = std::move(inode);
  }
}

SimDisk::SimDisk(World& world, const SimDisk& other, uint64_t stream)
    : world_(&world), dice_(world.seed(), stream), faults_(other.faults_) {
  std::map<const SimInode*, std::shared_ptr<SimInode>> copies;
  const auto copy = [&](const std::shared_ptr<SimInode>& inode) -> std::shared_ptr<SimInode> {
    if (inode == nullptr) return nullptr;
    auto& twin = copies[inode.get()];
    if (twin == nullptr) twin = std::make_shared<SimInode>(*inode);
    return twin;
  };
  for (const auto& [path, inode] : other.names_) names_[path] = copy(inode);
  for (const auto& [path, inode] : other.durable_names_) durable_names_[path] = copy(inode);
  for (const NameChange& change : other.pending_) {
    NameChange twin;
    for (const auto& [path, inode] : change.sets) twin.sets.emplace_back(path, copy(inode));
    pending_.push_back(std::move(twin));
  }
}

void SimDisk::Apply(const std::pair<std::string, std::shared_ptr<SimInode>>& set, Names* names) {
  if (set.second == nullptr) {
    names->erase(set.first);
  } else {
    (*names)[set.first] = set.second;
  }
}

void SimDisk::Change(NameChange change) {
  for (const auto& set : change.sets) Apply(set, &names_);
  pending_.push_back(std::move(change));
}

void SimDisk::SyncNames(const std::string& dir) {
  std::vector<NameChange> rest;
  for (NameChange& change : pending_) {
    // The source of a rename comes first: no file system makes only the removal durable, but one that syncs just the
    // destination may bring the old name back.
    const bool whole = ParentDir(change.sets.front().first) == dir;
    NameChange left;
    for (auto& set : change.sets) {
      if (whole || ParentDir(set.first) == dir) {
        Apply(set, &durable_names_);
      } else {
        left.sets.push_back(std::move(set));
      }
    }
    if (!left.sets.empty()) rest.push_back(std::move(left));
  }
  pending_ = std::move(rest);
}

void SimDisk::DropOrphans(Names* names) {
  for (auto it = names->begin(); it != names->end();) {
    const std::string parent = ParentDir(it->first);
    // Parents sort before their children, so that one pass drops whole subtrees.
    if (it->first != "/" && it->first != "." && !names->contains(parent)) {
      it = names->erase(it);
    } else {
      ++it;
    }
  }
}

void SimDisk::LosePowerOfFile(SimInode* inode) {
  if (inode->dirty.empty() && inode->resizes.empty()) {
    inode->current = inode->durable;
    inode->lost.clear();
    return;
  }
  // Whole policies are drawn, not only independent coins: all, none and half survive each often enough to be seen.
  const uint64_t policy = dice_.Below(4);
  std::string bytes = inode->durable;
  const uint64_t kept = policy == 0 ? 0 : policy == 1 ? inode->resizes.size() : dice_.Below(inode->resizes.size() + 1);
  if (kept > 0) {
    const SimInode::Length& resize = inode->resizes[kept - 1];
    bytes.resize(std::min<uint64_t>(bytes.size(), resize.smallest_since_sync));
    bytes.resize(resize.size, '\0');
  }
  uint64_t survived = 0;
  for (const auto& [sector, versions] : inode->dirty) {
    const uint64_t pick = policy == 0   ? 0
                          : policy == 1 ? versions.size()
                          : policy == 2 ? (dice_.Coin() ? versions.size() : 0)
                                        : dice_.Below(versions.size() + 1);
    if (pick == 0) continue;
    ++survived;
    PutSector(&bytes, sector, versions[pick - 1]);
  }
  if (survived != 0 && survived != inode->dirty.size()) world_->coverage().Count("disk.torn_file");
  inode->current = bytes;
  inode->durable = std::move(bytes);
  inode->dirty.clear();
  inode->resizes.clear();
  inode->lost.clear();
}

void SimDisk::LosePower() {
  const uint64_t policy = dice_.Below(4);
  const uint64_t prefix = dice_.Below(pending_.size() + 1);
  uint64_t lost = 0;
  for (uint64_t i = 0; i < pending_.size(); ++i) {
    const bool keep = policy == 0 ? false : policy == 1 ? true : policy == 2 ? i < prefix : dice_.Coin();
    if (!keep) {
      ++lost;
      continue;
    }
    for (const auto& set : pending_[i].sets) Apply(set, &durable_names_);
  }
  if (lost != 0) world_->coverage().Count("disk.lost_names", lost);
  pending_.clear();
  DropOrphans(&durable_names_);
  std::set<SimInode*> done;
  for (const auto& [path, inode] : durable_names_) {
    if (done.insert(inode.get()).second) LosePowerOfFile(inode.get());
  }
  names_ = durable_names_;
  locks_.clear();
}

void SimDisk::EndProcess() {
  for (const auto& [path, inode] : names_) {
    for (auto it = inode->lost.begin(); it != inode->lost.end();) {
      if (dice_.Coin()) {
        ++it;
        continue;
      }
      std::string old = SectorOf(inode->durable, *it);
      old.resize(kSectorBytes, '\0');
      PutSector(&inode->current, *it, old);
      it = inode->lost.erase(it);
    }
  }
  locks_.clear();
}

void SimDisk::FailSync(SimInode* inode) {
  if (dice_.Coin() && !inode->resizes.empty()) {
    inode->durable.resize(std::min<uint64_t>(inode->durable.size(), inode->resizes.back().smallest_since_sync));
    inode->durable.resize(inode->current.size(), '\0');
    inode->resizes.clear();
  }
  for (const auto& [sector, versions] : inode->dirty) {
    if (dice_.Coin()) {
      PutSector(&inode->durable, sector, versions.back());
    } else {
      inode->lost.insert(sector);
    }
  }
  inode->dirty.clear();
}

uint64_t SimDisk::UsedBytes() const {
  uint64_t used = 0;
  std::set<const SimInode*> seen;
  for (const auto& [path, inode] : names_) {
    if (seen.insert(inode.get()).second) used += inode->current.size();
  }
  return used;
}

bool SimDisk::Fault(uint32_t ppm, std::string_view what) {
  if (!dice_.Chance(ppm)) return false;
  ++faults_injected_;
  world_->coverage().Count(what);
  world_->trace().Line(what);
  return true;
}

void SimDisk::FlipBit(const std::string& path, uint64_t bit) {
  const auto it = names_.find(path);
  AKI_CHECK(it != names_.end() && bit / 8 < it->second->current.size());
  for (std::string* bytes : {&it->second->current, &it->second->durable}) {
    if (bit / 8 < bytes->size()) (*bytes)[bit / 8] = static_cast<char>((*bytes)[bit / 8] ^ (1 << (bit % 8)));
  }
}

std::vector<std::string> SimDisk::Files() const {
  std::vector<std::string> out;
  for (const auto& [path, inode] : names_) {
    if (!inode->is_dir) out.push_back(path);
  }
  return out;
}

}  // namespace akidb::sim
