#include "engine/growing.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <utility>

#include "ann/exact_score.h"
#include "ann/growing_index.h"
#include "base/check.h"
#include "base/hash.h"

namespace akidb {
namespace {

// A chunk has eight times the room of the one before, so that few of them, each with a graph of its own, hold any
// number of rows. Memory that no row has come to yet is only reserved.
constexpr size_t kChunkVectorBytes = 256u << 20;
constexpr uint32_t kChunkRowsMin = 64;
constexpr uint32_t kChunkRowsMax = 1u << 18;
constexpr uint32_t kChunkGrowth = 8;
// A graph is mended when this share of its rows was deleted.
constexpr uint32_t kMendOneIn = 5;
constexpr size_t kArenaBlockBytes = 256u << 10;
constexpr size_t kReadablePadding = 64;
constexpr size_t kVectorAlignment = 64;
constexpr uint32_t kNoOlderRow = UINT32_MAX;

// Bytes that stay where they are put; each piece is followed by kReadablePadding readable bytes.
class Arena {
 public:
  std::string_view Add(std::string_view bytes) {
    if (bytes.empty()) return {};
    if (blocks_.empty() || left_ < bytes.size() + kReadablePadding) {
      left_ = std::max(block_bytes_, bytes.size() + kReadablePadding);
      block_bytes_ = std::min(block_bytes_ * 2, kArenaBlockBytes);
      blocks_.push_back(std::make_unique<char[]>(left_));
      next_ = blocks_.back().get();
    }
    char* place = next_;
    std::memcpy(place, bytes.data(), bytes.size());
    next_ += bytes.size();
    left_ -= bytes.size();
    return {place, bytes.size()};
  }

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;
  size_t left_ = 0;
  size_t block_bytes_ = 4096;
};

struct AlignedDelete {
  void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t(kVectorAlignment)); }
};

// Room that nobody has written to. What is put there needs no destructor.
std::byte* Reserve(size_t bytes) {
  return static_cast<std::byte*>(::operator new[](bytes, std::align_val_t(kVectorAlignment)));
}

}  // namespace

class GrowingChunk {
 public:
  GrowingChunk(uint32_t first_row, uint32_t capacity, VectorType type, uint32_t dim, Distance distance,
               const GrowingIndexing& indexing)
      : first_row(first_row),
        capacity(capacity),
        stride(dim * ElementBytes(type)),
        type(type),
        dim(dim),
        distance(distance),
        vectors(Reserve(capacity * stride)),
        row_bytes(Reserve(capacity * sizeof(Row))),
        rows(reinterpret_cast<Row*>(row_bytes.get())),
        index_bytes_of_all(indexing.bytes) {
    if (type == VectorType::kInt8) scales = std::make_unique_for_overwrite<float[]>(capacity);
    if (distance == Distance::kCosine) inv_norms = std::make_unique_for_overwrite<float[]>(capacity);
    if (capacity < indexing.rows_min) return;
    GrowingOptions options;
    options.rows_min = indexing.rows_min;
    options.scans_per_row = indexing.scans_per_row;
    index = std::make_unique<GrowingIndex>(View(capacity), distance, options);
  }
  ~GrowingChunk() { CountIndexBytes(0); }
  GrowingChunk(const GrowingChunk&) = delete;
  GrowingChunk& operator=(const GrowingChunk&) = delete;

  VectorRows View(uint32_t row_count) const {
    return {.type = type,
            .dim = dim,
            .row_count = row_count,
            .stride_bytes = stride,
            .data = vectors.get(),
            .scales = scales.get(),
            .inv_norms = inv_norms.get()};
  }
  // For the one who indexes, and at the end.
  void CountIndexBytes(uint64_t bytes) {
    const uint64_t before = index_bytes.exchange(bytes, std::memory_order_relaxed);
    if (index_bytes_of_all) index_bytes_of_all->fetch_add(bytes - before, std::memory_order_relaxed);
  }
  Result<uint32_t> IndexSome(OpContext& ctx, uint32_t rows_max);

  struct Row {
    std::string_view id;
    std::string_view payload;
    Lsn inserted_at;
    uint32_t previous = kNoOlderRow;  // older row of the same id in this GrowingRows
    std::atomic<uint64_t> deleted_at{Lsn::Max().value()};
  };

  bool LiveAt(uint32_t offset, Lsn lsn) const {
    const Row& row = rows[offset];
    return row.inserted_at <= lsn && Lsn(row.deleted_at.load(std::memory_order_acquire)) > lsn;
  }

  const uint32_t first_row;
  const uint32_t capacity;
  const size_t stride;
  const VectorType type;
  const uint32_t dim;
  const Distance distance;
  std::atomic<uint32_t> count{0};
  std::atomic<uint32_t> deleted{0};
  std::unique_ptr<std::byte[], AlignedDelete> vectors;
  std::unique_ptr<std::byte[], AlignedDelete> row_bytes;
  Row* const rows;
  std::unique_ptr<float[]> scales;
  std::unique_ptr<float[]> inv_norms;
  Arena arena;                          // writer only
  std::unique_ptr<GrowingIndex> index;  // null in small chunks
  const std::shared_ptr<std::atomic<uint64_t>> index_bytes_of_all;
  std::atomic<uint64_t> index_bytes{0};
  // Of the one who indexes.
  uint32_t removals_seen = 0;
  bool mending = false;
};

// Rows that are dead already are not worth a place in the graph: whoever still sees them scans them.
Result<uint32_t> GrowingChunk::IndexSome(OpContext& ctx, uint32_t rows_max) {
  if (!index) return 0u;
  const auto dead = [&](RowIndex row) {
    return Lsn(rows[row].deleted_at.load(std::memory_order_acquire)) != Lsn::Max();
  };
  const uint32_t removed = deleted.load(std::memory_order_acquire);
  if (!mending && (removed - removals_seen) > index->linked_count() / kMendOneIn) {
    removals_seen = removed;
    for (RowIndex row = 0; row < index->next_row(); ++row) {
      if (!dead(row) || !index->IsLinked(row)) continue;
      index->Remove(row);
      mending = true;
    }
  }
  if (mending) {
    AKI_ASSIGN_OR_RETURN(mending, index->Mend(ctx, rows_max));
    return rows_max;
  }
  AKI_ASSIGN_OR_RETURN(const uint32_t looked_at,
                       index->Advance(ctx, count.load(std::memory_order_acquire), rows_max, dead));
  if (looked_at > 0) CountIndexBytes(index->memory_bytes());
  return looked_at;
}

namespace {

class GrowingUnit final : public SearchUnit {
 public:
  explicit GrowingUnit(std::shared_ptr<const GrowingChunk> chunk)
      : chunk_(std::move(chunk)),
        rows_(chunk_->View(chunk_->count.load(std::memory_order_acquire))),
        index_(chunk_->index ? chunk_->index->View(rows_.row_count) : NewFlatIndex(rows_, chunk_->distance)) {}

  uint32_t row_count() const override { return rows_.row_count; }
  const VectorIndex& index() const override { return *index_; }
  const VectorRows& vectors() const override { return rows_; }
  std::string_view Id(RowIndex row) const override { return chunk_->rows[row].id; }
  Result<PayloadView> Payload(OpContext& /*ctx*/, RowIndex row) const override {
    return PayloadView{chunk_->rows[row].payload, chunk_};
  }
  Status ScanPayloads(OpContext& ctx, const std::function<Status(RowIndex, std::string_view)>& visit) const override {
    AKI_RETURN_IF_ERROR(ctx.Check());
    for (RowIndex row = 0; row < rows_.row_count; ++row) AKI_RETURN_IF_ERROR(visit(row, chunk_->rows[row].payload));
    return OkStatus();
  }
  bool LiveAt(RowIndex row, Lsn lsn) const override { return chunk_->LiveAt(row, lsn); }
  bool AllLiveAt(Lsn lsn) const override {
    return chunk_->deleted.load(std::memory_order_acquire) == 0 &&
           (rows_.row_count == 0 || chunk_->rows[rows_.row_count - 1].inserted_at <= lsn);
  }
  bool SortedById() const override { return false; }
  Lsn newest_lsn() const override {
    return rows_.row_count == 0 ? Lsn() : chunk_->rows[rows_.row_count - 1].inserted_at;
  }

 private:
  std::shared_ptr<const GrowingChunk> chunk_;
  VectorRows rows_;
  std::unique_ptr<VectorIndex> index_;
};

uint32_t ChunkRowsMax(size_t stride) {
  const auto fitting = static_cast<uint32_t>(std::max<size_t>(1, kChunkVectorBytes / stride));
  return std::clamp(std::bit_floor(fitting), kChunkRowsMin, kChunkRowsMax);
}

}  // namespace

GrowingRows::GrowingRows(const CollectionSpec& spec, GrowingIndexing indexing)
    : dim_(spec.dim),
      type_(spec.vector_type),
      distance_(spec.distance),
      chunk_rows_max_(ChunkRowsMax(spec.dim * ElementBytes(spec.vector_type))),
      indexing_(std::move(indexing)) {}

GrowingRows::~GrowingRows() = default;

GrowingRows::Place GrowingRows::LocateLocked(RowIndex row) const {
  const auto it = std::upper_bound(chunks_.begin(), chunks_.end(), row,
                                   [](RowIndex r, const auto& chunk) { return r < chunk->first_row; });
  AKI_DCHECK(it != chunks_.begin());
  return {*(it - 1), row - (*(it - 1))->first_row};
}

GrowingRows::Place GrowingRows::Locate(RowIndex row) const {
  MutexLock lock(mutex_);
  return LocateLocked(row);
}

GrowingRows::Place GrowingRows::PlaceForAppend() {
  const uint32_t row = published_.load(std::memory_order_relaxed);
  if (chunks_.empty() || row == chunks_.back()->first_row + chunks_.back()->capacity) {
    const uint32_t capacity =
        chunks_.empty() ? kChunkRowsMin : std::min(chunks_.back()->capacity * kChunkGrowth, chunk_rows_max_);
    auto chunk = std::make_shared<GrowingChunk>(row, capacity, type_, dim_, distance_, indexing_);
    MutexLock lock(mutex_);
    chunks_.push_back(std::move(chunk));
  }
  return {chunks_.back(), row - chunks_.back()->first_row};
}

void GrowingRows::Append(const NewRow& row, Lsn lsn) {
  const Place place = PlaceForAppend();
  GrowingChunk& chunk = *place.chunk;
  GrowingChunk::Row& slot = *new (chunk.rows + place.offset) GrowingChunk::Row;
  slot.id = chunk.arena.Add(row.id);
  slot.payload = chunk.arena.Add(row.payload);
  slot.inserted_at = lsn;
  std::memcpy(chunk.vectors.get() + place.offset * chunk.stride, row.vector, chunk.stride);
  if (chunk.scales) chunk.scales[place.offset] = row.scale;
  if (chunk.inv_norms) {
    chunk.inv_norms[place.offset] = InverseNorm(type_, row.vector, dim_, row.scale);
  }
  const uint32_t number = chunk.first_row + place.offset;
  if (number == 0) first_lsn_ = lsn;
  GrowSlots();
  {
    MutexLock lock(mutex_);
    chunk.count.store(place.offset + 1, std::memory_order_release);
    published_.store(number + 1, std::memory_order_release);
    IndexRow(number);
  }
  memory_bytes_.fetch_add(chunk.stride + row.id.size() + row.payload.size() + sizeof(GrowingChunk::Row) + 16,
                          std::memory_order_relaxed);
}

size_t GrowingRows::SlotIn(std::span<const uint32_t> slots, std::string_view id) const {
  const size_t mask = slots.size() - 1;
  size_t slot = Xxh3(id) & mask;
  while (slots[slot] != 0) {
    const Place place = LocateLocked(slots[slot] - 1);
    if (place.chunk->rows[place.offset].id == id) return slot;
    slot = (slot + 1) & mask;
  }
  return slot;
}

void GrowingRows::GrowSlots() {
  if ((used_slots_ + 1) * 2 <= slots_.size()) return;
  std::vector<uint32_t> larger(std::max<size_t>(64, slots_.size() * 2));
  for (const uint32_t entry : slots_) {
    if (entry == 0) continue;
    const Place place = LocateLocked(entry - 1);
    larger[SlotIn(larger, place.chunk->rows[place.offset].id)] = entry;
  }
  MutexLock lock(mutex_);
  slots_.swap(larger);
}

void GrowingRows::IndexRow(RowIndex row) {
  const Place place = LocateLocked(row);
  GrowingChunk::Row& slot_row = place.chunk->rows[place.offset];
  uint32_t& slot = slots_[SlotIn(slots_, slot_row.id)];
  if (slot == 0) {
    ++used_slots_;
  } else {
    slot_row.previous = slot - 1;
  }
  slot = row + 1;
}

void GrowingRows::MarkDeleted(RowIndex row, Lsn lsn) {
  const Place place = Locate(row);
  place.chunk->rows[place.offset].deleted_at.store(lsn.value(), std::memory_order_release);
  place.chunk->deleted.fetch_add(1, std::memory_order_release);
}

std::optional<RowIndex> GrowingRows::FindLatest(std::string_view id) const {
  MutexLock lock(mutex_);
  if (slots_.empty()) return std::nullopt;
  const uint32_t entry = slots_[SlotIn(slots_, id)];
  if (entry == 0) return std::nullopt;
  const Place place = LocateLocked(entry - 1);
  if (Lsn(place.chunk->rows[place.offset].deleted_at.load(std::memory_order_acquire)) != Lsn::Max())
    return std::nullopt;
  return entry - 1;
}

std::optional<RowIndex> GrowingRows::FindAt(std::string_view id, Lsn lsn) const {
  MutexLock lock(mutex_);
  if (slots_.empty()) return std::nullopt;
  const uint32_t entry = slots_[SlotIn(slots_, id)];
  for (uint32_t row = entry == 0 ? kNoOlderRow : entry - 1; row != kNoOlderRow;) {
    const Place place = LocateLocked(row);
    if (place.chunk->LiveAt(place.offset, lsn)) return row;
    row = place.chunk->rows[place.offset].previous;
  }
  return std::nullopt;
}

std::string_view GrowingRows::Id(RowIndex row) const {
  const Place place = Locate(row);
  return place.chunk->rows[place.offset].id;
}

Lsn GrowingRows::InsertedAt(RowIndex row) const {
  const Place place = Locate(row);
  return place.chunk->rows[place.offset].inserted_at;
}

Lsn GrowingRows::DeletedAt(RowIndex row) const {
  const Place place = Locate(row);
  return Lsn(place.chunk->rows[place.offset].deleted_at.load(std::memory_order_acquire));
}

std::vector<std::shared_ptr<GrowingChunk>> GrowingRows::Chunks() const {
  MutexLock lock(mutex_);
  return chunks_;
}

Result<uint32_t> GrowingRows::IndexSome(OpContext& ctx, uint32_t rows_max) {
  MutexLock lock(indexing_mutex_);
  uint32_t done = 0;
  for (const auto& chunk : Chunks()) {
    if (done >= rows_max) break;
    AKI_ASSIGN_OR_RETURN(const uint32_t rows, chunk->IndexSome(ctx, rows_max - done));
    done += rows;
  }
  return done;
}

uint64_t GrowingRows::index_bytes() const {
  uint64_t out = 0;
  for (const auto& chunk : Chunks()) out += chunk->index_bytes.load(std::memory_order_relaxed);
  return out;
}

uint32_t GrowingRows::indexed_rows() const {
  uint32_t out = 0;
  for (const auto& chunk : Chunks()) out += chunk->index ? chunk->index->linked_count() : 0;
  return out;
}

void GrowingRows::AddUnits(std::vector<std::shared_ptr<const SearchUnit>>* out) const {
  for (auto& chunk : Chunks()) {
    auto unit = std::make_shared<GrowingUnit>(std::move(chunk));
    if (unit->row_count() > 0) out->push_back(std::move(unit));
  }
}

GrowingReader::GrowingReader(const GrowingRows& rows) : row_count_(rows.row_count()), chunks_(rows.Chunks()) {}

GrowingReader::Row GrowingReader::At(RowIndex row) const {
  AKI_DCHECK(row < row_count_);
  // From the back, where most rows are.
  const GrowingChunk& chunk = **std::ranges::find_if(chunks_.rbegin(), chunks_.rend(),
                                                     [&](const auto& each) { return each->first_row <= row; });
  const uint32_t offset = row - chunk.first_row;
  const GrowingChunk::Row& place = chunk.rows[offset];
  return {.id = place.id,
          .payload = place.payload,
          .vector = chunk.vectors.get() + offset * chunk.stride,
          .scale = chunk.scales ? chunk.scales[offset] : 0,
          .inv_norm = chunk.inv_norms ? chunk.inv_norms[offset] : 0,
          .inserted_at = place.inserted_at,
          .deleted_at = Lsn(place.deleted_at.load(std::memory_order_acquire))};
}

RowLocation GrowingRows::UnitOf(RowIndex row) const {
  Place place = Locate(row);
  return {std::make_shared<GrowingUnit>(std::move(place.chunk)), place.offset};
}

}  // namespace akidb
