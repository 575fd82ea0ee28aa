#include "engine/growing.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "ann/exact_score.h"
#include "base/check.h"
#include "base/hash.h"

namespace akidb {
namespace {

constexpr size_t kChunkVectorBytes = 4u << 20;
constexpr uint32_t kChunkRowsMin = 64;
constexpr uint32_t kChunkRowsMax = 4096;
constexpr size_t kArenaBlockBytes = 256u << 10;
constexpr size_t kReadablePadding = 64;
constexpr size_t kVectorAlignment = 64;
constexpr uint32_t kNoRow = UINT32_MAX;

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

}  // namespace

class GrowingChunk {
 public:
  GrowingChunk(uint32_t first_row, uint32_t capacity, VectorType type, uint32_t dim, Distance distance)
      : first_row(first_row),
        capacity(capacity),
        stride(dim * ElementBytes(type)),
        type(type),
        dim(dim),
        distance(distance),
        vectors(static_cast<std::byte*>(::operator new[](capacity * stride, std::align_val_t(kVectorAlignment)))),
        rows(std::make_unique<Row[]>(capacity)) {
    if (type == VectorType::kInt8) scales = std::make_unique<float[]>(capacity);
    if (distance == Distance::kCosine) inv_norms = std::make_unique<float[]>(capacity);
  }

  struct Row {
    std::string_view id;
    std::string_view payload;
    Lsn inserted_at;
    uint32_t previous = kNoRow;  // older row of the same id in this GrowingRows
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
  std::unique_ptr<Row[]> rows;
  std::unique_ptr<float[]> scales;
  std::unique_ptr<float[]> inv_norms;
  Arena arena;  // writer only
};

namespace {

class GrowingUnit final : public SearchUnit {
 public:
  explicit GrowingUnit(std::shared_ptr<const GrowingChunk> chunk)
      : chunk_(std::move(chunk)),
        rows_{.type = chunk_->type,
              .dim = chunk_->dim,
              .row_count = chunk_->count.load(std::memory_order_acquire),
              .stride_bytes = chunk_->stride,
              .data = chunk_->vectors.get(),
              .scales = chunk_->scales.get(),
              .inv_norms = chunk_->inv_norms.get()},
        index_(NewFlatIndex(rows_, chunk_->distance)) {}

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

GrowingRows::GrowingRows(const CollectionSpec& spec)
    : dim_(spec.dim),
      type_(spec.vector_type),
      distance_(spec.distance),
      chunk_rows_max_(ChunkRowsMax(spec.dim * ElementBytes(spec.vector_type))) {}

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
  MutexLock lock(mutex_);
  const uint32_t row = published_.load(std::memory_order_relaxed);
  if (chunks_.empty() || row == chunks_.back()->first_row + chunks_.back()->capacity) {
    const uint32_t capacity = chunks_.empty() ? kChunkRowsMin : std::min(chunks_.back()->capacity * 4, chunk_rows_max_);
    chunks_.push_back(std::make_shared<GrowingChunk>(row, std::max(capacity, kChunkRowsMin), type_, dim_, distance_));
  }
  return {chunks_.back(), row - chunks_.back()->first_row};
}

void GrowingRows::Append(const NewRow& row, Lsn lsn) {
  const Place place = PlaceForAppend();
  GrowingChunk& chunk = *place.chunk;
  GrowingChunk::Row& slot = chunk.rows[place.offset];
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
  {
    MutexLock lock(mutex_);
    chunk.count.store(place.offset + 1, std::memory_order_release);
    published_.store(number + 1, std::memory_order_release);
    IndexRow(number);
  }
  memory_bytes_.fetch_add(chunk.stride + row.id.size() + row.payload.size() + sizeof(GrowingChunk::Row) + 16,
                          std::memory_order_relaxed);
}

size_t GrowingRows::SlotOf(std::string_view id) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = Xxh3(id) & mask;
  while (slots_[slot] != 0) {
    const Place place = LocateLocked(slots_[slot] - 1);
    if (place.chunk->rows[place.offset].id == id) return slot;
    slot = (slot + 1) & mask;
  }
  return slot;
}

void GrowingRows::IndexRow(RowIndex row) {
  if ((used_slots_ + 1) * 2 > slots_.size()) {
    std::vector<uint32_t> old = std::move(slots_);
    slots_.assign(std::max<size_t>(64, old.size() * 2), 0);
    for (const uint32_t entry : old) {
      if (entry == 0) continue;
      const Place place = LocateLocked(entry - 1);
      slots_[SlotOf(place.chunk->rows[place.offset].id)] = entry;
    }
  }
  const Place place = LocateLocked(row);
  GrowingChunk::Row& slot_row = place.chunk->rows[place.offset];
  uint32_t& slot = slots_[SlotOf(slot_row.id)];
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
  const uint32_t entry = slots_[SlotOf(id)];
  if (entry == 0) return std::nullopt;
  const Place place = LocateLocked(entry - 1);
  if (Lsn(place.chunk->rows[place.offset].deleted_at.load(std::memory_order_acquire)) != Lsn::Max())
    return std::nullopt;
  return entry - 1;
}

std::optional<RowIndex> GrowingRows::FindAt(std::string_view id, Lsn lsn) const {
  MutexLock lock(mutex_);
  if (slots_.empty()) return std::nullopt;
  const uint32_t entry = slots_[SlotOf(id)];
  for (uint32_t row = entry == 0 ? kNoRow : entry - 1; row != kNoRow;) {
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

std::string_view GrowingRows::Payload(RowIndex row) const {
  const Place place = Locate(row);
  return place.chunk->rows[place.offset].payload;
}

const std::byte* GrowingRows::Vector(RowIndex row) const {
  const Place place = Locate(row);
  return place.chunk->vectors.get() + place.offset * place.chunk->stride;
}

float GrowingRows::Scale(RowIndex row) const {
  const Place place = Locate(row);
  return place.chunk->scales ? place.chunk->scales[place.offset] : 0;
}

Lsn GrowingRows::InsertedAt(RowIndex row) const {
  const Place place = Locate(row);
  return place.chunk->rows[place.offset].inserted_at;
}

Lsn GrowingRows::DeletedAt(RowIndex row) const {
  const Place place = Locate(row);
  return Lsn(place.chunk->rows[place.offset].deleted_at.load(std::memory_order_acquire));
}

void GrowingRows::AddUnits(std::vector<std::shared_ptr<const SearchUnit>>* out) const {
  std::vector<std::shared_ptr<GrowingChunk>> chunks;
  {
    MutexLock lock(mutex_);
    chunks = chunks_;
  }
  for (auto& chunk : chunks) {
    auto unit = std::make_shared<GrowingUnit>(std::move(chunk));
    if (unit->row_count() > 0) out->push_back(std::move(unit));
  }
}

RowLocation GrowingRows::UnitOf(RowIndex row) const {
  Place place = Locate(row);
  return {std::make_shared<GrowingUnit>(std::move(place.chunk)), place.offset};
}

}  // namespace akidb
