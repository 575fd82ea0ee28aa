// The way of fetched bytes to the disk: in the background if there is an executor, within the limits, or not at all.
#include <algorithm>

#include "cache/block_cache.h"
#include "cache/block_flight.h"

namespace akidb {

void BlockCache::QueueFills(const FlightPtr& flight) {
  if (!fill_task_) {
    for (uint32_t number = flight->first(); number < flight->end(); ++number) Fill(flight, number);
    return;
  }
  {
    const MutexLock lock(mutex_);
    for (uint32_t number = flight->first(); number < flight->end(); ++number) {
      const uint64_t bytes = flight->Block(number).size();
      if (pending_bytes_ + bytes <= options_.pending_bytes_max) {
        pending_bytes_ += bytes;
        fills_.emplace_back(flight, number);
      } else {
        ++stats_.skipped;
        ForgetFlight(*flight, number);
      }
    }
  }
  env_.executor->Wake(*fill_task_);
}

bool BlockCache::FillStep() {
  std::pair<FlightPtr, uint32_t> next;
  {
    const MutexLock lock(mutex_);
    if (fills_.empty()) return false;
    next = std::move(fills_.front());
    fills_.pop_front();
  }
  Fill(next.first, next.second);
  const MutexLock lock(mutex_);
  pending_bytes_ -= next.first->Block(next.second).size();
  return true;
}

void BlockCache::Fill(const FlightPtr& flight, uint32_t number) {
  const std::string_view data = flight->Block(number);
  CacheBlockHeader header;
  header.key = flight->key;
  header.version_id = flight->version_id;
  header.number = number;
  header.data_bytes = static_cast<uint32_t>(data.size());
  WriteBlock(std::move(header), data, flight.get());
  const MutexLock lock(mutex_);
  ForgetFlight(*flight, number);
}

void BlockCache::AddWhole(const Object& object, const ObjectBody& body) {
  if (body.bytes.empty() || body.bytes.size() > kCacheBlockBytes) return;
  CacheBlockHeader header;
  header.key = object.key;
  header.version_id = object.version_id;
  header.data_bytes = static_cast<uint32_t>(body.bytes.size());
  header.whole =
      CachedWhole{.etag = body.meta.etag, .version_id = body.meta.version_id, .modified_at = body.meta.modified_at};
  WriteBlock(std::move(header), body.bytes, nullptr);
}

void BlockCache::WriteBlock(CacheBlockHeader header, std::string_view data, const Flight* flight) {
  const CacheBlockName name{header.id(), header.data_bytes, header.whole.has_value()};
  const uint64_t bytes = BlockIndex::DiskBytes(name);
  const auto dropped = [&] { return flight != nullptr && flight->dropped; };
  header.page_checksums = CachePageChecksums(name.id, data);
  {
    const MutexLock lock(mutex_);
    const auto there = index_.Find(name.id);
    if (there && there->data_bytes >= name.data_bytes && there->whole >= name.whole) return;
    if (!header.Validate().ok() || dropped() || env_.clock->Now() < paused_until_ || !MakeRoom(bytes)) {
      ++stats_.skipped;
      return;
    }
    busy_bytes_ += bytes;
  }
  const Status written = files_->Write(name, EncodeCacheBlockHeader(header), data);
  const MutexLock lock(mutex_);
  busy_bytes_ -= bytes;
  if (!written.ok()) {
    ++stats_.skipped;
    ++stats_.io_errors;
    paused_until_ = env_.clock->Now() + options_.pause_after_error;
    return;
  }
  stats_.written_bytes += bytes;
  const auto replaced = index_.Find(name.id);
  if (dropped()) {
    if (replaced != name) RemoveFile(name);
    return;
  }
  const uint64_t known_end = index_.KnownEnd(name.id.object);  // forgotten with an object's last block
  if (replaced) index_.Erase(name.id);
  index_.Insert(name, env_.clock->Now());
  index_.LearnEnd(name.id.object, known_end);
  if (replaced && *replaced != name) RemoveFile(*replaced);
}

bool BlockCache::MakeRoom(uint64_t bytes) {
  uint64_t limit = options_.size_max;
  if (const Result<uint64_t> free = files_->FreeBytes()) {
    // Once, not at each step: space of a removed file may show late, and nothing is gained by removing all others.
    const uint64_t above = *free + UsedBytes();
    limit = std::min(limit, above - std::min(above, options_.free_bytes_min));
  }
  while (UsedBytes() + bytes > limit) {
    const auto victim = index_.Evict();
    if (!victim) return false;
    ++stats_.evictions;
    RemoveFile(*victim);
  }
  return true;
}

}  // namespace akidb
