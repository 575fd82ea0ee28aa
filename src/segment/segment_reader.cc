#include "segment/segment_reader.h"

#include <algorithm>
#include <array>

#include "ann/exact_score.h"
#include "segment/id_table.h"
#include "segment/kept_segment.h"
#include "segment/payload_cache.h"
#include "segment/segment_columns.h"
#include "segment/segment_object.h"

namespace akidb {
namespace {

// MinIO reads whole 1-MiB erasure blocks anyway, so a scan asks for about that much at a time.
constexpr uint64_t kScanReadBytes = 1u << 20;
// Of the vectors, which go straight to their place: the cache asks for the parts of a large range at once.
constexpr uint64_t kVectorsReadBytesMax = 128ull << 20;
constexpr uint32_t kGroupRows = 32;
constexpr size_t kLineBytes = 64;
// Small segments are merged soon, many at once, and each would be asked for its payload in a request of its own.
constexpr uint64_t kKeptPayloadBytesMax = 256u << 10;
// Of one payload; the processor sees by itself that a long one is read on.
constexpr size_t kPayloadAheadBytes = 2048;

class OpenSegment final : public SegmentReader {
 public:
  OpenSegment(SegmentObject object, const SegmentEntry& entry, std::shared_ptr<PayloadBlockCache> cache,
              std::shared_ptr<const HugeArena> kept, std::vector<float> inverse_norms)
      : object_(std::move(object)),
        entry_(entry),
        cache_(std::move(cache)),
        cache_owner_(cache_->NewOwner()),
        arena_(std::move(kept)),
        inverse_norms_(std::move(inverse_norms)) {}
  ~OpenSegment() override { cache_->Drop(cache_owner_, static_cast<uint32_t>(payloads_.size())); }

  Status Load(OpContext& ctx);
  // Brings the payload into the cache, if it is small.
  Status KeepPayload(OpContext& ctx) const;

  const SegmentEntry& entry() const override { return entry_; }
  uint32_t row_count() const override { return vectors_.row_count; }
  Distance distance() const override { return distance_; }
  const VectorRows& vectors() const override { return vectors_; }
  std::string_view Id(RowIndex row) const override { return ids_->Id(row); }
  std::optional<RowIndex> Find(std::string_view id) const override { return ids_->Find(id); }
  Result<PayloadView> Payload(OpContext& ctx, RowIndex row) const override;
  void PrefetchIds(std::span<const RowIndex> rows) const override { ids_->Prefetch(rows); }
  Status Payloads(OpContext& ctx, std::span<const RowIndex> rows, std::span<PayloadView> out) const override;
  Status ScanPayloads(OpContext& ctx, RowIndex begin, RowIndex end,
                      const std::function<Status(RowIndex, std::string_view)>& visit) const override;
  Result<std::shared_ptr<const RowSet>> Matching(OpContext& ctx, const Filter& filter) const override;
  Result<ColumnMatch> MatchColumns(OpContext& ctx, const Filter& filter) const override {
    return columns_->Match(ctx, filter);
  }
  uint64_t memory_bytes() const override;

 private:
  struct PayloadPlace {
    uint64_t offset;
    SegmentBlock block;
  };
  using Visit = std::function<Status(RowIndex, std::string_view)>;

  Status LoadVectors(OpContext& ctx, const SectionEntry& section);
  Status LoadScales(OpContext& ctx, const SectionEntry& section, ObjectStream& stream);
  Status LoadIds(OpContext& ctx, const SectionEntry& section, ObjectStream& stream);
  Status CheckStatistics(OpContext& ctx, const SectionEntry& section, ObjectStream& stream) const;
  void PlacePayloads(const SectionEntry& section);
  uint32_t BlockOfRow(RowIndex row) const;
  // A block that the cache may have.
  Result<PayloadBlockCache::BlockPtr> Block(OpContext& ctx, uint32_t number) const;
  // Blocks [begin, end) of the payload lie side by side: one request.
  Result<std::vector<PayloadBlockCache::BlockPtr>> FetchBlocks(OpContext& ctx, uint32_t begin, uint32_t end) const;
  // Visits rows [begin, end); of the blocks it reads only those with a row in `rows`, unless that is null.
  Status Scan(OpContext& ctx, RowIndex begin, RowIndex end, const RowBits* rows, const Visit& visit) const;
  bool HasRowOf(uint32_t block_number, const RowBits* rows) const;
  // How many blocks from `begin` on (below `end`) one request of a scan fetches.
  uint32_t ScanRunEnd(uint32_t begin, uint32_t end, const RowBits* rows) const;

  SegmentObject object_;
  SegmentEntry entry_;
  std::shared_ptr<PayloadBlockCache> cache_;
  uint64_t cache_owner_;
  Distance distance_ = Distance::kCosine;
  std::shared_ptr<const HugeArena> arena_;  // header page, then the vectors
  std::vector<float> scales_;
  std::vector<float> inverse_norms_;
  std::optional<IdTable> ids_;
  VectorRows vectors_;
  std::vector<PayloadPlace> payloads_;
  std::vector<RowIndex> first_rows_;        // of each payload block
  std::vector<uint32_t> blocks_of_groups_;  // the payload block of every kGroupRows-th row
  std::optional<SegmentColumns> columns_;
};

Status OpenSegment::Load(OpContext& ctx) {
  const ByteRange hint = {entry_.footer_offset, entry_.footer_offset + entry_.footer_bytes};
  AKI_ASSIGN_OR_RETURN(const SegmentObject::Footer footer, object_.ReadFooter(ctx, hint));
  const SegmentFooter& directory = footer.directory;
  if (directory.row_count != entry_.row_count ||
      (entry_.object.size_bytes != 0 && entry_.object.size_bytes != footer.range.end)) {
    return object_.Broken("has " + std::to_string(directory.row_count) + " rows and " +
                          std::to_string(footer.range.end) + " bytes, the manifest says " +
                          std::to_string(entry_.row_count) + " and " + std::to_string(entry_.object.size_bytes));
  }
  distance_ = directory.distance;
  vectors_.type = directory.type;
  vectors_.dim = directory.dim;
  vectors_.row_count = directory.row_count;
  vectors_.stride_bytes = directory.dim * ElementBytes(directory.type);
  const SectionEntry& vectors = *directory.Find(SegmentSection::kVectors);
  const SectionEntry& payload = *directory.Find(SegmentSection::kPayload);
  if (!arena_) AKI_RETURN_IF_ERROR(LoadVectors(ctx, vectors));
  if (arena_->size_bytes() < vectors.offset + directory.VectorBytes()) {
    return object_.Broken("has more vectors than were written");
  }
  vectors_.data = reinterpret_cast<const std::byte*>(arena_->data() + vectors.offset);

  ObjectStream stream(object_, {vectors.offset + directory.VectorBytes(), payload.offset});
  if (const SectionEntry* scales = directory.Find(SegmentSection::kScales)) {
    AKI_RETURN_IF_ERROR(LoadScales(ctx, *scales, stream));
  }
  AKI_RETURN_IF_ERROR(LoadIds(ctx, *directory.Find(SegmentSection::kIds), stream));
  AKI_RETURN_IF_ERROR(CheckStatistics(ctx, *directory.Find(SegmentSection::kStatistics), stream));
  PlacePayloads(payload);
  columns_.emplace(object_, directory.Find(SegmentSection::kColumns), vectors_.row_count, cache_->columns(),
                   [this](std::string_view id) { return ids_->Find(id); });
  if (distance_ == Distance::kCosine) {
    const bool known = inverse_norms_.size() == vectors_.row_count;
    inverse_norms_.resize(vectors_.row_count);
    for (RowIndex row = 0; row < vectors_.row_count && !known; ++row) {
      inverse_norms_[row] =
          InverseNorm(vectors_.type, vectors_.Row(row), vectors_.dim, scales_.empty() ? 0 : scales_[row]);
    }
    vectors_.inv_norms = inverse_norms_.data();
  }
  return OkStatus();
}

Status OpenSegment::LoadVectors(OpContext& ctx, const SectionEntry& section) {
  const uint64_t end = section.offset + section.RawBytes();
  AKI_ASSIGN_OR_RETURN(HugeArena arena, HugeArena::Create(end));
  size_t checked = 0;
  for (uint64_t begin = 0; begin < end; begin += kVectorsReadBytesMax) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    const ByteRange range = {begin, std::min(end, begin + kVectorsReadBytesMax)};
    AKI_RETURN_IF_ERROR(object_.Read(ctx, range, arena.data() + begin));
    for (; checked < section.blocks.size(); ++checked) {
      const uint64_t offset = section.offset + checked * uint64_t{kSegmentRawBlockBytes};
      const SegmentBlock& block = section.blocks[checked];
      if (offset + block.raw_bytes > range.end) break;
      const std::string_view stored(arena.data() + offset, block.raw_bytes);
      if (BlockChecksum(section.kind, static_cast<uint32_t>(checked), stored) != block.checksum) {
        return object_.Broken("section vectors block " + std::to_string(checked) + ": checksum mismatch");
      }
    }
  }
  AKI_RETURN_IF_ERROR(object_.Named(CheckSegmentHeader(std::string_view(arena.data(), kSegmentHeaderBytes))));
  arena_ = std::make_shared<const HugeArena>(std::move(arena));
  return OkStatus();
}

Status OpenSegment::LoadScales(OpContext& ctx, const SectionEntry& section, ObjectStream& stream) {
  AKI_RETURN_IF_ERROR(stream.SkipZeros(ctx, section.offset));
  scales_.resize(vectors_.row_count);
  char* out = reinterpret_cast<char*>(scales_.data());
  for (uint32_t i = 0; i < section.blocks.size(); ++i) {
    const SegmentBlock& block = section.blocks[i];
    AKI_ASSIGN_OR_RETURN(const std::string_view stored, stream.Next(ctx, block.stored_bytes));
    AKI_RETURN_IF_ERROR(object_.Unpack(section.kind, i, block, stored, out));
    out += block.raw_bytes;
  }
  vectors_.scales = scales_.data();
  return OkStatus();
}

Status OpenSegment::LoadIds(OpContext& ctx, const SectionEntry& section, ObjectStream& stream) {
  AKI_RETURN_IF_ERROR(stream.SkipZeros(ctx, section.offset));
  const uint64_t lengths_bytes = uint64_t{vectors_.row_count} * sizeof(uint16_t);
  if (section.RawBytes() < lengths_bytes) return object_.Broken("section ids is shorter than the lengths of its rows");
  ids_.emplace(vectors_.row_count, section.RawBytes() - lengths_bytes);
  std::string raw;
  for (uint32_t i = 0; i < section.blocks.size(); ++i) {
    const SegmentBlock& block = section.blocks[i];
    AKI_ASSIGN_OR_RETURN(const std::string_view stored, stream.Next(ctx, block.stored_bytes));
    raw.resize(block.raw_bytes);
    AKI_RETURN_IF_ERROR(object_.Unpack(section.kind, i, block, stored, raw.data()));
    const auto rows = DecodeSegmentRows<uint16_t>(raw, block.row_count);
    if (!rows) return object_.Named(rows.error());
    for (const std::string_view id : *rows) {
      if (!ids_->Append(id)) return object_.Broken("section ids block " + std::to_string(i) + ": ids do not ascend");
    }
  }
  return ids_->Finish() ? OkStatus() : object_.Broken("section ids does not hold one id a row");
}

Status OpenSegment::CheckStatistics(OpContext& ctx, const SectionEntry& section, ObjectStream& stream) const {
  const SegmentBlock& block = section.blocks.front();
  AKI_ASSIGN_OR_RETURN(const std::string_view stored, stream.Next(ctx, block.stored_bytes));
  std::string raw(block.raw_bytes, '\0');
  AKI_RETURN_IF_ERROR(object_.Unpack(section.kind, 0, block, stored, raw.data()));
  const auto statistics = DecodeSegmentStatistics(raw);
  if (!statistics) return object_.Named(statistics.error());
  const bool agree = statistics->id_min == ids_->Id(0) && statistics->id_max == ids_->Id(vectors_.row_count - 1);
  return agree ? OkStatus() : object_.Broken("statistics and ids disagree on the smallest or greatest id");
}

void OpenSegment::PlacePayloads(const SectionEntry& section) {
  payloads_.reserve(section.blocks.size());
  uint64_t offset = section.offset;
  RowIndex first_row = 0;
  for (const SegmentBlock& block : section.blocks) {
    payloads_.push_back({offset, block});
    offset += block.stored_bytes;
    first_rows_.push_back(first_row);
    first_row += block.row_count;
    for (; uint64_t{blocks_of_groups_.size()} * kGroupRows < first_row;) {
      blocks_of_groups_.push_back(static_cast<uint32_t>(payloads_.size() - 1));
    }
  }
}

uint32_t OpenSegment::BlockOfRow(RowIndex row) const {
  uint32_t number = blocks_of_groups_[row / kGroupRows];
  while (number + 1 < first_rows_.size() && first_rows_[number + 1] <= row) ++number;
  return number;
}

Result<std::vector<PayloadBlockCache::BlockPtr>> OpenSegment::FetchBlocks(OpContext& ctx, uint32_t begin,
                                                                          uint32_t end) const {
  const uint64_t offset = payloads_[begin].offset;
  std::string stored(payloads_[end - 1].offset + payloads_[end - 1].block.stored_bytes - offset, '\0');
  AKI_RETURN_IF_ERROR(object_.Read(ctx, {offset, offset + stored.size()}, stored.data()));
  std::vector<PayloadBlockCache::BlockPtr> blocks;
  for (uint32_t i = begin; i < end; ++i) {
    const PayloadPlace& place = payloads_[i];
    auto block = std::make_shared<PayloadBlock>(place.block.raw_bytes, place.block.row_count);
    const std::string_view bytes = std::string_view(stored).substr(place.offset - offset, place.block.stored_bytes);
    AKI_RETURN_IF_ERROR(object_.Unpack(SegmentSection::kPayload, i, place.block, bytes, block->raw()));
    if (!block->CutRows()) {
      return std::unexpected(object_.Broken("section payload block " + std::to_string(i) + ": lengths do not add up"));
    }
    blocks.push_back(std::move(block));
  }
  return blocks;
}

Result<PayloadView> OpenSegment::Payload(OpContext& ctx, RowIndex row) const {
  PayloadView view;
  AKI_RETURN_IF_ERROR(Payloads(ctx, {&row, 1}, {&view, 1}));
  return view;
}

Result<PayloadBlockCache::BlockPtr> OpenSegment::Block(OpContext& ctx, uint32_t number) const {
  PayloadBlockCache::BlockPtr block = cache_->Get(cache_owner_, number);
  if (block != nullptr) return block;
  AKI_ASSIGN_OR_RETURN(const auto fetched, ReadAgainIfBad(ctx, [&] { return FetchBlocks(ctx, number, number + 1); }));
  cache_->Insert(cache_owner_, number, fetched.front());
  return fetched.front();
}

Status OpenSegment::KeepPayload(OpContext& ctx) const {
  uint64_t bytes = 0;
  for (const PayloadPlace& place : payloads_) bytes += place.block.raw_bytes;
  if (bytes > kKeptPayloadBytesMax) return OkStatus();
  for (uint32_t number = 0; number < payloads_.size(); ++number) {
    AKI_RETURN_IF_ERROR(internal::ToStatus(Block(ctx, number)));
  }
  return OkStatus();
}

Status OpenSegment::Payloads(OpContext& ctx, std::span<const RowIndex> rows, std::span<PayloadView> out) const {
  std::array<uint32_t, PayloadBlockCache::kBlocksAtOnce> numbers;
  std::array<PayloadBlockCache::BlockPtr, PayloadBlockCache::kBlocksAtOnce> blocks;
  while (!rows.empty()) {
    const size_t count = std::min(rows.size(), numbers.size());
    for (size_t i = 0; i < count; ++i) numbers[i] = BlockOfRow(rows[i]);
    cache_->GetMany(cache_owner_, std::span(numbers).first(count), std::span(blocks).first(count));
    for (size_t i = 0; i < count; ++i) {
      if (blocks[i] == nullptr) {
        AKI_ASSIGN_OR_RETURN(blocks[i], Block(ctx, numbers[i]));
      }
      blocks[i]->PrefetchRow(rows[i] - first_rows_[numbers[i]]);
    }
    for (size_t i = 0; i < count; ++i) {
      out[i].json = blocks[i]->Row(rows[i] - first_rows_[numbers[i]]);
      out[i].owner = std::move(blocks[i]);
      const size_t ahead = std::min(out[i].json.size(), kPayloadAheadBytes);
      for (size_t at = 0; at < ahead; at += kLineBytes) __builtin_prefetch(out[i].json.data() + at);
    }
    rows = rows.subspan(count);
    out = out.subspan(count);
  }
  return OkStatus();
}

bool OpenSegment::HasRowOf(uint32_t block_number, const RowBits* rows) const {
  if (rows == nullptr) return true;
  const RowIndex first = first_rows_[block_number];
  for (RowIndex row = first; row < first + payloads_[block_number].block.row_count; ++row) {
    if (((*rows)[row / 64] >> row % 64 & 1) != 0) return true;
  }
  return false;
}

uint32_t OpenSegment::ScanRunEnd(uint32_t begin, uint32_t end, const RowBits* rows) const {
  uint32_t run_end = begin + 1;
  uint64_t bytes = payloads_[begin].block.stored_bytes;
  while (run_end < end && bytes + payloads_[run_end].block.stored_bytes <= kScanReadBytes && HasRowOf(run_end, rows)) {
    bytes += payloads_[run_end++].block.stored_bytes;
  }
  return run_end;
}

Status OpenSegment::ScanPayloads(OpContext& ctx, RowIndex begin, RowIndex end, const Visit& visit) const {
  return Scan(ctx, begin, end, nullptr, visit);
}

Status OpenSegment::Scan(OpContext& ctx, RowIndex begin, RowIndex end, const RowBits* rows, const Visit& visit) const {
  if (begin >= end) return OkStatus();
  const uint32_t block_end = BlockOfRow(end - 1) + 1;
  // A scan uses what the cache has and leaves it as it was: one pass over everything would push out what is hot.
  for (uint32_t number = BlockOfRow(begin); number < block_end;) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    if (!HasRowOf(number, rows)) {
      ++number;
      continue;
    }
    std::vector<PayloadBlockCache::BlockPtr> blocks;
    if (auto cached = cache_->Get(cache_owner_, number)) {
      blocks.push_back(std::move(cached));
    } else {
      const uint32_t run_end = ScanRunEnd(number, block_end, rows);
      AKI_ASSIGN_OR_RETURN(blocks, ReadAgainIfBad(ctx, [&] { return FetchBlocks(ctx, number, run_end); }));
    }
    for (const auto& block : blocks) {
      const RowIndex first = first_rows_[number++];
      for (RowIndex row = std::max(begin, first); row < std::min(end, first + block->row_count()); ++row) {
        AKI_RETURN_IF_ERROR(visit(row, block->Row(row - first)));
      }
    }
  }
  return OkStatus();
}

Result<std::shared_ptr<const RowSet>> OpenSegment::Matching(OpContext& ctx, const Filter& filter) const {
  if (auto kept = columns_->FindRows(filter)) return kept;
  AKI_ASSIGN_OR_RETURN(ColumnMatch match, columns_->Match(ctx, filter));
  auto rows = std::make_shared<RowSet>(row_count(), std::move(match.matching));
  if (!match.undecided.empty()) {
    const RowSet undecided(row_count(), match.undecided);
    const auto evaluator = FilterEvaluator::New(filter);
    AKI_RETURN_IF_ERROR(Scan(ctx, 0, row_count(), &undecided.words(), [&](RowIndex row, std::string_view json) {
      if (undecided.Contains(row) && evaluator->Matches(Id(row), json)) rows->Add(row);
      return row % 4096 == 0 ? ctx.Check() : OkStatus();
    }));
  }
  columns_->KeepRows(filter, rows);
  return rows;
}

uint64_t OpenSegment::memory_bytes() const {
  return sizeof(*this) + arena_->size_bytes() + (scales_.size() + inverse_norms_.size()) * sizeof(float) +
         ids_->memory_bytes() + payloads_.size() * (sizeof(PayloadPlace) + sizeof(RowIndex)) +
         blocks_of_groups_.size() * sizeof(uint32_t) + columns_->memory_bytes();
}

}  // namespace

Result<std::shared_ptr<const SegmentReader>> OpenKeptSegment(OpContext& ctx, std::shared_ptr<ObjectStore> store,
                                                             const std::string& key, const SegmentEntry& entry,
                                                             std::shared_ptr<PayloadBlockCache> cache,
                                                             std::shared_ptr<const HugeArena> kept,
                                                             std::vector<float> inverse_norms) {
  return ReadAgainIfBad(ctx, [&]() -> Result<std::shared_ptr<const SegmentReader>> {
    auto segment = std::make_shared<OpenSegment>(SegmentObject(store, key, entry.object.version_id), entry, cache, kept,
                                                 inverse_norms);
    AKI_RETURN_IF_ERROR(segment->Load(ctx));
    if (kept) AKI_RETURN_IF_ERROR(segment->KeepPayload(ctx));
    return segment;
  });
}

Result<std::shared_ptr<const SegmentReader>> SegmentReader::Open(OpContext& ctx, std::shared_ptr<ObjectStore> store,
                                                                 const std::string& key, const SegmentEntry& entry,
                                                                 std::shared_ptr<PayloadBlockCache> cache) {
  return OpenKeptSegment(ctx, std::move(store), key, entry, std::move(cache), nullptr);
}

}  // namespace akidb
