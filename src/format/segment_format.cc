#include "format/segment_format.h"

#include <algorithm>

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"

namespace akidb {
namespace {

constexpr std::string_view kMagic = "SEGv";
constexpr uint16_t kHeaderVersion = 1;
constexpr uint16_t kVersionWithoutColumns = 1;
constexpr uint16_t kNewestVersion = 2;
constexpr size_t kBlockEntryBytes = 24;
constexpr size_t kTrailerVersionOffset = 24;
constexpr uint32_t kSectionsMax = 64;

Status BrokenSegment(const std::string& what) { return DataLoss("segment " + what); }

Status NewerVersion(uint16_t version) {
  return Unimplemented("segment version is " + std::to_string(version) + ", this akidb reads 1 and 2");
}

bool KnownSection(uint32_t kind) { return kind >= 1 && kind <= 6; }
bool IsRawSection(SegmentSection kind) { return kind == SegmentSection::kVectors || kind == SegmentSection::kScales; }

Status ValidateRawSection(const SectionEntry& section, uint64_t bytes, const std::string& name) {
  if (section.blocks.size() != (bytes + kSegmentRawBlockBytes - 1) / kSegmentRawBlockBytes) {
    return BrokenSegment(name + " has " + std::to_string(section.blocks.size()) + " blocks, not one for each MiB");
  }
  for (size_t i = 0; i < section.blocks.size(); ++i) {
    const SegmentBlock& block = section.blocks[i];
    const uint64_t left = bytes - i * uint64_t{kSegmentRawBlockBytes};
    if (block.raw_bytes != std::min<uint64_t>(left, kSegmentRawBlockBytes) || block.row_count != 0 ||
        block.codec != BlockCodec::kRaw) {
      return BrokenSegment(name + " block " + std::to_string(i) + " is not a raw block of its size");
    }
  }
  return OkStatus();
}

Status ValidateBlocks(const SectionEntry& section, const std::string& name) {
  for (size_t i = 0; i < section.blocks.size(); ++i) {
    const SegmentBlock& block = section.blocks[i];
    const bool sizes_fit =
        block.codec == BlockCodec::kRaw ? block.stored_bytes == block.raw_bytes : block.stored_bytes < block.raw_bytes;
    if (block.codec > BlockCodec::kZstd || block.stored_bytes == 0 || block.raw_bytes > kSegmentBlockBytesMax ||
        !sizes_fit) {
      return BrokenSegment(name + " block " + std::to_string(i) + " has impossible sizes or codec");
    }
  }
  return OkStatus();
}

Status ValidateRowBlocks(const SectionEntry& section, uint32_t row_count, const std::string& name) {
  uint64_t rows = 0;
  for (const SegmentBlock& block : section.blocks) {
    if (block.row_count == 0) return BrokenSegment(name + " has a block without rows");
    rows += block.row_count;
  }
  return rows == row_count ? OkStatus()
                           : BrokenSegment(name + " holds " + std::to_string(rows) + " rows, the segment " +
                                           std::to_string(row_count));
}

// The tree of paths first, then the columns, whose blocks name them.
Status ValidateColumnBlocks(const SectionEntry& section) {
  uint32_t column = 0;
  for (const SegmentBlock& block : section.blocks) {
    if (block.row_count != column && block.row_count != column + 1)
      return BrokenSegment("columns are not in their order");
    column = block.row_count;
  }
  const bool begins = !section.blocks.empty() && section.blocks.front().row_count == 0;
  return begins ? OkStatus() : BrokenSegment("columns do not begin with their tree");
}

// Covers the directory and the trailer's bytes before it.
uint64_t FooterChecksum(std::string_view covered, uint64_t footer_offset) { return Xxh3(covered, footer_offset); }

SectionEntry ReadSection(ByteReader& reader) {
  SectionEntry section;
  section.kind = static_cast<SegmentSection>(reader.Read<uint32_t>());
  const auto block_count = reader.Read<uint32_t>();
  section.offset = reader.Read<uint64_t>();
  ByteReader blocks(reader.Bytes(uint64_t{block_count} * kBlockEntryBytes));
  if (!reader.ok()) return section;
  section.blocks.resize(block_count);
  for (SegmentBlock& block : section.blocks) {
    block.stored_bytes = blocks.Read<uint32_t>();
    block.raw_bytes = blocks.Read<uint32_t>();
    block.row_count = blocks.Read<uint32_t>();
    block.codec = static_cast<BlockCodec>(blocks.Read<uint32_t>());
    block.checksum = blocks.Read<uint64_t>();
  }
  return section;
}

}  // namespace

std::string_view SectionName(SegmentSection kind) {
  switch (kind) {
    case SegmentSection::kVectors: return "vectors";
    case SegmentSection::kScales: return "scales";
    case SegmentSection::kIds: return "ids";
    case SegmentSection::kStatistics: return "statistics";
    case SegmentSection::kPayload: return "payload";
    case SegmentSection::kColumns: return "columns";
  }
  return "unknown";
}

uint64_t BlockChecksum(SegmentSection kind, uint32_t block_number, std::string_view stored) {
  return Xxh3(stored, uint64_t{static_cast<uint32_t>(kind)} << 32 | block_number);
}

uint64_t SectionEntry::StoredBytes() const {
  uint64_t sum = 0;
  for (const SegmentBlock& block : blocks) sum += block.stored_bytes;
  return sum;
}

uint64_t SectionEntry::RawBytes() const {
  uint64_t sum = 0;
  for (const SegmentBlock& block : blocks) sum += block.raw_bytes;
  return sum;
}

uint16_t SegmentFooter::version() const {
  return Find(SegmentSection::kColumns) == nullptr ? kVersionWithoutColumns : kNewestVersion;
}

const SectionEntry* SegmentFooter::Find(SegmentSection kind) const {
  const auto it = std::ranges::find(sections, kind, &SectionEntry::kind);
  return it == sections.end() ? nullptr : &*it;
}

Status SegmentFooter::Validate(uint64_t footer_offset) const {
  if (dim == 0 || dim > kSegmentDimMax || row_count == 0 || row_count == UINT32_MAX)
    return BrokenSegment("footer has an impossible dim or row count");
  std::vector<SegmentSection> expected = {SegmentSection::kVectors, SegmentSection::kIds, SegmentSection::kStatistics,
                                          SegmentSection::kPayload};
  if (type == VectorType::kInt8) expected.insert(expected.begin() + 1, SegmentSection::kScales);
  if (Find(SegmentSection::kColumns) != nullptr) expected.push_back(SegmentSection::kColumns);
  if (!std::ranges::equal(sections, expected, {}, &SectionEntry::kind)) {
    return BrokenSegment("footer does not list the sections of its version in their order");
  }
  uint64_t end = kSegmentHeaderBytes;
  for (const SectionEntry& section : sections) {
    const std::string name(SectionName(section.kind));
    const uint64_t alignment = IsRawSection(section.kind) ? kSegmentHeaderBytes : 1;
    if (section.offset != (end + alignment - 1) / alignment * alignment)
      return BrokenSegment(name + " does not begin where it must");
    AKI_RETURN_IF_ERROR(ValidateBlocks(section, name));
    if (IsRawSection(section.kind)) {
      const uint64_t bytes =
          section.kind == SegmentSection::kVectors ? VectorBytes() : uint64_t{row_count} * sizeof(float);
      AKI_RETURN_IF_ERROR(ValidateRawSection(section, bytes, name));
    } else if (section.kind == SegmentSection::kStatistics) {
      if (section.blocks.size() != 1) return BrokenSegment("statistics are not one block");
    } else if (section.kind == SegmentSection::kColumns) {
      AKI_RETURN_IF_ERROR(ValidateColumnBlocks(section));
    } else {
      AKI_RETURN_IF_ERROR(ValidateRowBlocks(section, row_count, name));
      // Bounds what a reader allocates before it has seen the ids.
      const uint64_t id_bytes_max = sizeof(uint16_t) + UINT16_MAX;
      if (section.kind == SegmentSection::kIds && section.RawBytes() > row_count * id_bytes_max) {
        return BrokenSegment("ids are longer than ids can be");
      }
    }
    end = section.offset + section.StoredBytes();
  }
  return end == footer_offset ? OkStatus() : BrokenSegment("sections do not end where the footer begins");
}

std::string EncodeSegmentHeader() {
  std::string page(kMagic);
  PutLe<uint16_t>(&page, kHeaderVersion);
  page.resize(kSegmentHeaderBytes, '\0');
  return page;
}

Status CheckSegmentHeader(std::string_view page) {
  if (page.size() != kSegmentHeaderBytes || !page.starts_with(kMagic))
    return BrokenSegment("header does not begin with \"SEGv\"");
  const auto version = GetLe<uint16_t>(page.data() + kMagic.size());
  // The footer, which has a checksum, says the version of a segment; its header is the same in all.
  if (version != kHeaderVersion)
    return BrokenSegment("header says version " + std::to_string(version) + ", that of every version says 1");
  return page == EncodeSegmentHeader() ? OkStatus() : BrokenSegment("header page has bytes that must be zero");
}

std::string EncodeSegmentFooter(const SegmentFooter& footer, uint64_t footer_offset) {
  AKI_CHECK(footer.Validate(footer_offset).ok());
  std::string out;
  PutLe<uint8_t>(&out, static_cast<uint8_t>(footer.type));
  PutLe<uint8_t>(&out, static_cast<uint8_t>(footer.distance));
  PutLe<uint16_t>(&out, 0);
  PutLe<uint32_t>(&out, footer.dim);
  PutLe<uint32_t>(&out, footer.row_count);
  PutLe<uint32_t>(&out, static_cast<uint32_t>(footer.sections.size()));
  for (const SectionEntry& section : footer.sections) {
    PutLe<uint32_t>(&out, static_cast<uint32_t>(section.kind));
    PutLe<uint32_t>(&out, static_cast<uint32_t>(section.blocks.size()));
    PutLe<uint64_t>(&out, section.offset);
    for (const SegmentBlock& block : section.blocks) {
      PutLe<uint32_t>(&out, block.stored_bytes);
      PutLe<uint32_t>(&out, block.raw_bytes);
      PutLe<uint32_t>(&out, block.row_count);
      PutLe<uint32_t>(&out, static_cast<uint32_t>(block.codec));
      PutLe<uint64_t>(&out, block.checksum);
    }
  }
  const size_t directory_bytes = out.size();
  PutLe<uint64_t>(&out, footer_offset);
  PutLe<uint64_t>(&out, directory_bytes);
  PutLe<uint64_t>(&out, FooterChecksum(out, footer_offset));
  PutLe<uint16_t>(&out, footer.version());
  PutLe<uint16_t>(&out, 0);
  out += kMagic;
  return out;
}

Result<uint64_t> DecodeSegmentTrailer(std::string_view trailer, uint64_t object_bytes) {
  if (trailer.size() != kSegmentTrailerBytes || !trailer.ends_with(kMagic)) {
    return std::unexpected(BrokenSegment("does not end with \"SEGv\""));
  }
  ByteReader reader(trailer);
  const auto footer_offset = reader.Read<uint64_t>();
  const auto directory_bytes = reader.Read<uint64_t>();
  reader.Read<uint64_t>();  // the checksum, which covers the directory too
  const auto version = reader.Read<uint16_t>();
  const auto zero = reader.Read<uint16_t>();
  if (version == 0 || version > kNewestVersion) return std::unexpected(NewerVersion(version));
  if (zero != 0) return std::unexpected(BrokenSegment("trailer has bytes that must be zero"));
  if (footer_offset < kSegmentHeaderBytes || directory_bytes > kSegmentFooterBytesMax || footer_offset > object_bytes ||
      object_bytes - footer_offset != directory_bytes + kSegmentTrailerBytes) {
    return std::unexpected(
        BrokenSegment("trailer does not fit an object of " + std::to_string(object_bytes) + " bytes"));
  }
  return footer_offset;
}

Result<SegmentFooter> DecodeSegmentFooter(std::string_view bytes, uint64_t footer_offset) {
  if (bytes.size() < kSegmentTrailerBytes) return std::unexpected(BrokenSegment("footer is truncated"));
  const std::string_view trailer = bytes.substr(bytes.size() - kSegmentTrailerBytes);
  AKI_ASSIGN_OR_RETURN(const uint64_t begin, DecodeSegmentTrailer(trailer, footer_offset + bytes.size()));
  if (begin != footer_offset) return std::unexpected(BrokenSegment("footer begins elsewhere"));
  const std::string_view covered = bytes.substr(0, bytes.size() - kSegmentTrailerBytes + 16);
  if (FooterChecksum(covered, footer_offset) != GetLe<uint64_t>(trailer.data() + 16)) {
    return std::unexpected(BrokenSegment("footer checksum mismatch"));
  }
  ByteReader reader(bytes.substr(0, bytes.size() - kSegmentTrailerBytes));
  SegmentFooter footer;
  const auto type = reader.Read<uint8_t>();
  const auto distance = reader.Read<uint8_t>();
  const auto zero = reader.Read<uint16_t>();
  footer.dim = reader.Read<uint32_t>();
  footer.row_count = reader.Read<uint32_t>();
  const auto section_count = reader.Read<uint32_t>();
  if (!reader.ok() || type < 1 || type > 3 || distance < 1 || distance > 3 || zero != 0 ||
      section_count > kSectionsMax) {
    return std::unexpected(BrokenSegment("footer has an unknown vector type, distance or section count"));
  }
  footer.type = static_cast<VectorType>(type);
  footer.distance = static_cast<Distance>(distance);
  for (uint32_t i = 0; i < section_count && reader.ok(); ++i) {
    footer.sections.push_back(ReadSection(reader));
    const auto kind = static_cast<uint32_t>(footer.sections.back().kind);
    if (reader.ok() && !KnownSection(kind)) {
      return std::unexpected(
          Unimplemented("segment has a section of kind " + std::to_string(kind) + ", unknown to this akidb"));
    }
  }
  if (!reader.ok() || reader.remaining() != 0)
    return std::unexpected(BrokenSegment("footer's directory does not fill it"));
  AKI_RETURN_IF_ERROR(footer.Validate(footer_offset));
  const auto version = GetLe<uint16_t>(trailer.data() + kTrailerVersionOffset);
  if (version != footer.version())
    return std::unexpected(BrokenSegment("footer lists the sections of another version"));
  return footer;
}

std::string EncodeSegmentStatistics(const SegmentStatistics& statistics) {
  AKI_CHECK(statistics.id_min.size() <= UINT16_MAX && statistics.id_max.size() <= UINT16_MAX);
  std::string out;
  PutLe<uint64_t>(&out, statistics.lsn_max.value());
  PutLe<uint16_t>(&out, static_cast<uint16_t>(statistics.id_min.size()));
  PutLe<uint16_t>(&out, static_cast<uint16_t>(statistics.id_max.size()));
  return out + statistics.id_min + statistics.id_max;
}

Result<SegmentStatistics> DecodeSegmentStatistics(std::string_view bytes) {
  ByteReader reader(bytes);
  SegmentStatistics statistics;
  statistics.lsn_max = Lsn(reader.Read<uint64_t>());
  const auto min_bytes = reader.Read<uint16_t>();
  const auto max_bytes = reader.Read<uint16_t>();
  statistics.id_min = reader.Bytes(min_bytes);
  statistics.id_max = reader.Bytes(max_bytes);
  if (!reader.ok() || reader.remaining() != 0)
    return std::unexpected(BrokenSegment("statistics have the wrong length"));
  return statistics;
}

template <class Length>
Result<std::vector<std::string_view>> DecodeSegmentRows(std::string_view raw, uint32_t row_count) {
  const uint64_t lengths_bytes = uint64_t{row_count} * sizeof(Length);
  if (lengths_bytes > raw.size())
    return std::unexpected(BrokenSegment("block is shorter than the lengths of its rows"));
  std::vector<std::string_view> rows;
  rows.reserve(row_count);
  ByteReader reader(raw.substr(lengths_bytes));
  for (uint32_t i = 0; i < row_count; ++i) rows.push_back(reader.Bytes(GetLe<Length>(raw.data() + i * sizeof(Length))));
  if (!reader.ok() || reader.remaining() != 0)
    return std::unexpected(BrokenSegment("block's lengths do not add up to its bytes"));
  return rows;
}
template Result<std::vector<std::string_view>> DecodeSegmentRows<uint16_t>(std::string_view, uint32_t);
template Result<std::vector<std::string_view>> DecodeSegmentRows<uint32_t>(std::string_view, uint32_t);

}  // namespace akidb
