// SEGv1's bytes: header page, blocks, footer directory, trailer. No I/O and no compression here.
//
// Format:  docs/formats/segment.md
// Threads: values and pure functions; decoded views borrow the bytes they were decoded from.
// Errors:  decoding: kDataLoss saying what is wrong where; kUnimplemented for the version of a newer writer.
// Invariants:
//   1. Every byte of the object is in the header page, in a block, in the footer, or zero padding between sections.
//   2. A block's checksum is seeded with its section and number, so that bytes in the wrong place do not pass.
//   3. Sections lie in the order of the directory and do not overlap.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/vector_types.h"

namespace akidb {

inline constexpr uint64_t kSegmentHeaderBytes = 4096;
inline constexpr uint64_t kSegmentTrailerBytes = 32;
inline constexpr uint64_t kSegmentFooterBytesMax = 1ull << 30;
// Raw sections are checksummed in blocks of this size, so that a range read can be verified alone.
inline constexpr uint32_t kSegmentRawBlockBytes = 1u << 20;
inline constexpr uint32_t kSegmentBlockBytesMax = 64u << 20;
inline constexpr uint32_t kSegmentDimMax = 1u << 20;

// Numbers are persisted: never reuse one. A reader refuses kinds that it does not know.
enum class SegmentSection : uint32_t {
  kVectors = 1,
  kScales = 2,
  kIds = 3,
  kStatistics = 4,
  kPayload = 5,
  kColumns = 6
};
enum class BlockCodec : uint32_t { kRaw = 0, kZstd = 1 };

struct SegmentBlock {
  uint32_t stored_bytes = 0;
  uint32_t raw_bytes = 0;
  uint32_t row_count = 0;  // 0 in raw sections, whose blocks are cut by bytes
  BlockCodec codec = BlockCodec::kRaw;
  uint64_t checksum = 0;

  bool operator==(const SegmentBlock&) const = default;
};

struct SectionEntry {
  SegmentSection kind = SegmentSection::kVectors;
  uint64_t offset = 0;
  std::vector<SegmentBlock> blocks;

  uint64_t StoredBytes() const;
  uint64_t RawBytes() const;
  bool operator==(const SectionEntry&) const = default;
};

struct SegmentFooter {
  VectorType type = VectorType::kF32;
  Distance distance = Distance::kCosine;
  uint32_t dim = 0;
  uint32_t row_count = 0;
  std::vector<SectionEntry> sections;

  uint64_t VectorBytes() const { return uint64_t{row_count} * dim * ElementBytes(type); }
  // 2 with payload columns, else 1: what has none is readable by every release.
  uint16_t version() const;
  // Null if there is no such section.
  const SectionEntry* Find(SegmentSection kind) const;
  // `footer_offset` is where the footer itself begins.
  Status Validate(uint64_t footer_offset) const;
  bool operator==(const SegmentFooter&) const = default;
};

struct SegmentStatistics {
  Lsn lsn_max;
  std::string id_min;
  std::string id_max;

  bool operator==(const SegmentStatistics&) const = default;
};

std::string_view SectionName(SegmentSection kind);
uint64_t BlockChecksum(SegmentSection kind, uint32_t block_number, std::string_view stored);

// The one header page of every version.
std::string EncodeSegmentHeader();
Status CheckSegmentHeader(std::string_view page);

// Directory and trailer, which is all that follows the last section.
std::string EncodeSegmentFooter(const SegmentFooter& footer, uint64_t footer_offset);
// `bytes` reach from `footer_offset` to the end of the object.
Result<SegmentFooter> DecodeSegmentFooter(std::string_view bytes, uint64_t footer_offset);
// Where the footer begins, from the object's last kSegmentTrailerBytes bytes.
Result<uint64_t> DecodeSegmentTrailer(std::string_view trailer, uint64_t object_bytes);

std::string EncodeSegmentStatistics(const SegmentStatistics& statistics);
Result<SegmentStatistics> DecodeSegmentStatistics(std::string_view bytes);

// Rows of an ids or payload block: the lengths (Length = uint16_t in ids, uint32_t in payload), then the bytes.
template <class Length>
Result<std::vector<std::string_view>> DecodeSegmentRows(std::string_view raw, uint32_t row_count);

}  // namespace akidb
