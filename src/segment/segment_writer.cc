#include "segment/segment_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"
#include "filter/column_format.h"
#include "format/segment_format.h"
#include "objstore/kept_bytes.h"
#include "segment/block_codec.h"

namespace akidb {
namespace {

constexpr size_t kAppendBytes = 1u << 20;
constexpr size_t kJoinedBytes = 16u << 10;  // more are sent from where they are kept
constexpr uint32_t kIdBlockBytes = 64u << 10;
constexpr size_t kColumnBlockBytes = 1u << 20;
constexpr uint32_t kBlockBytesMin = 1u << 10;
constexpr uint32_t kBlockBytesMax = 16u << 20;
constexpr size_t kPayloadBytesMax = 32u << 20;

// The object so far: offset and hash, and few large appends instead of many small ones.
class Output {
 public:
  explicit Output(std::unique_ptr<ObjectWriter> writer) : writer_(std::move(writer)) {}

  uint64_t offset() const { return offset_; }
  Status Append(OpContext& ctx, std::string_view bytes) {
    offset_ += bytes.size();
    if (bytes.size() >= kAppendBytes) {
      AKI_RETURN_IF_ERROR(Flush(ctx));
      return Send(ctx, bytes);
    }
    if (kept_.size() > kJoinedBytes) AKI_RETURN_IF_ERROR(Flush(ctx));
    pending_ += std::exchange(kept_, {});
    pending_ += bytes;
    return pending_.size() < kAppendBytes ? OkStatus() : Flush(ctx);
  }
  // The next bytes of `arena`, which is the object from its beginning.
  Status AppendKept(OpContext& ctx, std::string_view bytes, const std::shared_ptr<const HugeArena>& arena) {
    arena_ = arena;
    kept_ = std::string_view(bytes.data() - kept_.size(), kept_.size() + bytes.size());
    offset_ += bytes.size();
    return kept_.size() < kAppendBytes ? OkStatus() : Flush(ctx);
  }
  Status PadTo(OpContext& ctx, uint64_t alignment) {
    const uint64_t over = offset_ % alignment;
    return over == 0 ? OkStatus() : Append(ctx, std::string(alignment - over, '\0'));
  }
  Status Flush(OpContext& ctx) {
    if (!kept_.empty()) {
      AKI_RETURN_IF_ERROR(Send(ctx, std::exchange(kept_, {}), arena_));
    }
    if (pending_.empty()) return OkStatus();
    AKI_RETURN_IF_ERROR(Send(ctx, pending_));
    pending_.clear();
    return OkStatus();
  }
  // Of everything that was flushed; nothing may follow.
  std::string Sha256() { return hash_.HexDigest(); }
  Result<ObjectMeta> Commit(OpContext& ctx) { return writer_->Commit(ctx, PutCondition::IfAbsent()); }

 private:
  Status Send(OpContext& ctx, std::string_view bytes, std::shared_ptr<const void> owner = nullptr) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    return akidb::AppendKept(ctx, *writer_, {bytes, std::move(owner), &hash_});
  }

  std::unique_ptr<ObjectWriter> writer_;
  class Sha256 hash_{akidb::Sha256::Code::kPaired};
  // Not sent yet; not both of them.
  std::string pending_;
  std::string_view kept_;
  std::shared_ptr<const HugeArena> arena_;  // of kept_
  uint64_t offset_ = 0;
};

// One section after the other, block by block.
class SectionWriter {
 public:
  SectionWriter(Output& output, int zstd_level) : output_(output), packer_(zstd_level) {}

  Status Begin(OpContext& ctx, SegmentSection kind, uint64_t alignment) {
    AKI_RETURN_IF_ERROR(output_.PadTo(ctx, alignment));
    sections_.push_back({.kind = kind, .offset = output_.offset(), .blocks = {}});
    return OkStatus();
  }
  // `label` is the number of rows, and in columns the number of the column.
  Status AddPacked(OpContext& ctx, std::string_view raw, uint32_t label) {
    SegmentBlock block{.row_count = label};
    const std::string_view stored = packer_.Pack(raw, &block);
    Note(stored, block);
    return output_.Append(ctx, stored);
  }
  // With an arena, `raw` is the next part of it.
  Status AddRaw(OpContext& ctx, std::string_view raw, const std::shared_ptr<const HugeArena>& arena) {
    const auto size = static_cast<uint32_t>(raw.size());
    Note(raw, {.stored_bytes = size, .raw_bytes = size});
    return arena ? output_.AppendKept(ctx, raw, arena) : output_.Append(ctx, raw);
  }
  std::vector<SectionEntry> TakeSections() { return std::move(sections_); }

 private:
  void Note(std::string_view stored, SegmentBlock block) {
    SectionEntry& section = sections_.back();
    block.checksum = BlockChecksum(section.kind, static_cast<uint32_t>(section.blocks.size()), stored);
    section.blocks.push_back(block);
  }

  Output& output_;
  BlockPacker packer_;
  std::vector<SectionEntry> sections_;
};

// Cuts a run of bytes into the fixed blocks of a raw section, which are put together where they stay if there is an
// arena.
class RawBlocks {
 public:
  explicit RawBlocks(SectionWriter& writer, std::shared_ptr<const HugeArena> arena = nullptr, uint64_t at = 0)
      : writer_(writer), arena_(std::move(arena)), place_(arena_ ? arena_->data() + at : nullptr) {}
  Status Append(OpContext& ctx, std::string_view bytes) {
    while (!bytes.empty()) {
      const size_t part = std::min(bytes.size(), kSegmentRawBlockBytes - size_);
      if (arena_) {
        std::memcpy(place_ + size_, bytes.data(), part);
      } else {
        block_ += bytes.substr(0, part);
      }
      size_ += part;
      bytes.remove_prefix(part);
      if (size_ == kSegmentRawBlockBytes) AKI_RETURN_IF_ERROR(Flush(ctx));
    }
    return OkStatus();
  }
  Status Flush(OpContext& ctx) {
    if (size_ == 0) return OkStatus();
    AKI_RETURN_IF_ERROR(writer_.AddRaw(ctx, arena_ ? std::string_view(place_, size_) : block_, arena_));
    if (arena_) place_ += size_;
    block_.clear();
    size_ = 0;
    return OkStatus();
  }

 private:
  SectionWriter& writer_;
  const std::shared_ptr<const HugeArena> arena_;
  char* place_;        // of the block in the arena
  std::string block_;  // if there is none
  size_t size_ = 0;
};

// Collects rows into packed blocks of about `target_bytes`: lengths, then bytes.
template <class Length>
class RowBlocks {
 public:
  RowBlocks(SectionWriter& writer, uint32_t target_bytes) : writer_(writer), target_bytes_(target_bytes) {}
  Status Append(OpContext& ctx, std::string_view row) {
    PutLe<Length>(&lengths_, static_cast<Length>(row.size()));
    bytes_ += row;
    ++row_count_;
    return lengths_.size() + bytes_.size() < target_bytes_ ? OkStatus() : Flush(ctx);
  }
  Status Flush(OpContext& ctx) {
    if (row_count_ == 0) return OkStatus();
    lengths_ += bytes_;
    AKI_RETURN_IF_ERROR(writer_.AddPacked(ctx, lengths_, row_count_));
    lengths_.clear();
    bytes_.clear();
    row_count_ = 0;
    return OkStatus();
  }

 private:
  SectionWriter& writer_;
  uint32_t target_bytes_;
  std::string lengths_;
  std::string bytes_;
  uint32_t row_count_ = 0;
};

size_t RowBytes(const SegmentOptions& options) { return options.dim * ElementBytes(options.type); }

// Room for header and vectors; null if they are not kept.
Result<std::shared_ptr<const HugeArena>> MakeArena(const SegmentOptions& options, const SegmentSource& source) {
  const uint64_t bytes = kSegmentHeaderBytes + uint64_t{source.row_count()} * RowBytes(options);
  if (bytes > options.kept_bytes_max) return nullptr;
  AKI_ASSIGN_OR_RETURN(HugeArena arena, HugeArena::Create(bytes));
  return std::make_shared<const HugeArena>(std::move(arena));
}

Status WriteHeader(OpContext& ctx, const std::shared_ptr<const HugeArena>& arena, Output& output) {
  const std::string header = EncodeSegmentHeader();
  if (!arena) return output.Append(ctx, header);
  std::memcpy(arena->data(), header.data(), header.size());
  return output.AppendKept(ctx, std::string_view(arena->data(), header.size()), arena);
}

Status WriteVectors(OpContext& ctx, const SegmentOptions& options, SegmentSource& source,
                    const std::shared_ptr<const HugeArena>& arena, SectionWriter& writer) {
  AKI_RETURN_IF_ERROR(writer.Begin(ctx, SegmentSection::kVectors, kSegmentHeaderBytes));
  const size_t row_bytes = RowBytes(options);
  RawBlocks blocks(writer, arena, kSegmentHeaderBytes);
  for (RowIndex row = 0; row < source.row_count(); ++row) {
    AKI_ASSIGN_OR_RETURN(const std::string_view vector, source.Vector(ctx, row));
    if (vector.size() != row_bytes) {
      return InvalidArgument("vector of row " + std::to_string(row) + " has " + std::to_string(vector.size()) +
                             " bytes, must have " + std::to_string(row_bytes));
    }
    AKI_RETURN_IF_ERROR(blocks.Append(ctx, vector));
  }
  return blocks.Flush(ctx);
}

Status WriteScales(OpContext& ctx, SegmentSource& source, SectionWriter& writer) {
  AKI_RETURN_IF_ERROR(writer.Begin(ctx, SegmentSection::kScales, kSegmentHeaderBytes));
  RawBlocks blocks(writer);
  std::string scale;
  for (RowIndex row = 0; row < source.row_count(); ++row) {
    scale.clear();
    PutLe<float>(&scale, source.Scale(row));
    AKI_RETURN_IF_ERROR(blocks.Append(ctx, scale));
  }
  return blocks.Flush(ctx);
}

Status WriteIds(OpContext& ctx, SegmentSource& source, SectionWriter& writer, SegmentStatistics* statistics) {
  AKI_RETURN_IF_ERROR(writer.Begin(ctx, SegmentSection::kIds, 1));
  RowBlocks<uint16_t> blocks(writer, kIdBlockBytes);
  std::string& previous = statistics->id_max;
  for (RowIndex row = 0; row < source.row_count(); ++row) {
    AKI_ASSIGN_OR_RETURN(const std::string_view id, source.Id(ctx, row));
    if (id.empty() || id.size() > UINT16_MAX) {
      return InvalidArgument("id of row " + std::to_string(row) + " has " + std::to_string(id.size()) +
                             " bytes, must have 1 to 65535");
    }
    if (row == 0) {
      statistics->id_min = id;
    } else if (id <= previous) {
      return InvalidArgument("id of row " + std::to_string(row) + " does not follow the one before it");
    }
    previous = id;
    AKI_RETURN_IF_ERROR(blocks.Append(ctx, id));
  }
  return blocks.Flush(ctx);
}

// Shows `columns`, which may be null, every payload on the way.
Status WritePayloads(OpContext& ctx, const SegmentOptions& options, SegmentSource& source, ColumnBuilder* columns,
                     SectionWriter& writer) {
  AKI_RETURN_IF_ERROR(writer.Begin(ctx, SegmentSection::kPayload, 1));
  RowBlocks<uint32_t> blocks(writer, std::clamp(options.payload_block_bytes, kBlockBytesMin, kBlockBytesMax));
  for (RowIndex row = 0; row < source.row_count(); ++row) {
    AKI_ASSIGN_OR_RETURN(std::string_view payload, source.Payload(ctx, row));
    if (payload.size() > kPayloadBytesMax) {
      return InvalidArgument("payload of row " + std::to_string(row) + " has " + std::to_string(payload.size()) +
                             " bytes, the limit is " + std::to_string(kPayloadBytesMax));
    }
    if (payload == "{}") payload = {};
    if (columns != nullptr) columns->Add(payload);
    AKI_RETURN_IF_ERROR(blocks.Append(ctx, payload));
  }
  return blocks.Flush(ctx);
}

Status WriteColumn(OpContext& ctx, std::string_view bytes, uint32_t label, SectionWriter& writer) {
  for (size_t at = 0; at < bytes.size(); at += kColumnBlockBytes) {
    AKI_RETURN_IF_ERROR(writer.AddPacked(ctx, bytes.substr(at, kColumnBlockBytes), label));
  }
  return OkStatus();
}

// The tree, then every column; nothing if there is none.
Status WriteColumns(OpContext& ctx, const PayloadColumns& columns, SectionWriter& writer) {
  if (columns.empty()) return OkStatus();
  AKI_RETURN_IF_ERROR(writer.Begin(ctx, SegmentSection::kColumns, 1));
  AKI_RETURN_IF_ERROR(WriteColumn(ctx, filter::EncodeColumnTree(columns.tree), 0, writer));
  uint32_t label = 0;
  for (const filter::Column& column : columns.columns) {
    AKI_RETURN_IF_ERROR(WriteColumn(ctx, filter::EncodeColumn(column), ++label, writer));
  }
  return OkStatus();
}

}  // namespace

Result<SegmentEntry> WriteSegment(OpContext& ctx, ObjectStore& store, const std::string& key, const std::string& id,
                                  const SegmentOptions& options, SegmentSource& source,
                                  const BeforeCommit& before_commit) {
  if (source.row_count() == 0 || source.row_count() == UINT32_MAX) {
    return std::unexpected(
        InvalidArgument("a segment has 1 to 2^32 - 2 rows, not " + std::to_string(source.row_count())));
  }
  if (options.dim == 0 || options.dim > kSegmentDimMax) {
    return std::unexpected(
        InvalidArgument("dim is " + std::to_string(options.dim) + ", must be 1 to " + std::to_string(kSegmentDimMax)));
  }
  AKI_ASSIGN_OR_RETURN(std::unique_ptr<ObjectWriter> object, store.OpenWriter(ctx, key));
  Output output(std::move(object));
  SectionWriter writer(output, options.zstd_level);
  SegmentStatistics statistics{.lsn_max = source.lsn_max(), .id_min = {}, .id_max = {}};
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<const HugeArena> arena, MakeArena(options, source));
  std::optional<PagesAhead> pages;
  if (arena) pages.emplace(*arena);
  AKI_RETURN_IF_ERROR(WriteHeader(ctx, arena, output));
  AKI_RETURN_IF_ERROR(WriteVectors(ctx, options, source, arena, writer));
  pages.reset();
  if (options.type == VectorType::kInt8) AKI_RETURN_IF_ERROR(WriteScales(ctx, source, writer));
  AKI_RETURN_IF_ERROR(WriteIds(ctx, source, writer, &statistics));
  AKI_RETURN_IF_ERROR(writer.Begin(ctx, SegmentSection::kStatistics, 1));
  AKI_RETURN_IF_ERROR(writer.AddPacked(ctx, EncodeSegmentStatistics(statistics), 0));
  const auto columns = options.columns ? ColumnBuilder::New(*options.columns) : nullptr;
  AKI_RETURN_IF_ERROR(WritePayloads(ctx, options, source, columns.get(), writer));
  if (columns) AKI_RETURN_IF_ERROR(WriteColumns(ctx, columns->Finish(), writer));

  const uint64_t footer_offset = output.offset();
  const SegmentFooter footer{.type = options.type,
                             .distance = options.distance,
                             .dim = options.dim,
                             .row_count = source.row_count(),
                             .sections = writer.TakeSections()};
  AKI_RETURN_IF_ERROR(output.Append(ctx, EncodeSegmentFooter(footer, footer_offset)));
  AKI_RETURN_IF_ERROR(output.Flush(ctx));

  SegmentEntry entry;
  entry.object.id = id;
  entry.object.sha256 = output.Sha256();
  entry.object.size_bytes = output.offset();
  entry.row_count = source.row_count();
  entry.id_min = std::move(statistics.id_min);
  entry.id_max = std::move(statistics.id_max);
  entry.footer_offset = footer_offset;
  entry.footer_bytes = output.offset() - footer_offset;
  entry.lsn_max = statistics.lsn_max;
  if (before_commit) AKI_RETURN_IF_ERROR(before_commit(entry, arena));
  AKI_ASSIGN_OR_RETURN(const ObjectMeta meta, output.Commit(ctx));
  entry.object.version_id = meta.version_id;
  return entry;
}

}  // namespace akidb
