// Any bytes as segment: as they are, and with header, trailer and all checksums made right, so that what lies behind
// the checksums is reached too.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"
#include "filter/filter_testing.h"
#include "format/segment_format.h"
#include "objstore/memory/memory_store.h"
#include "segment/segment_inspect.h"
#include "segment/segment_reader.h"

namespace {

using namespace akidb;  // NOLINT(google-build-using-namespace)

void ReadAll(const std::string& object) {
  OpContext ctx(RealClock());
  const std::shared_ptr<ObjectStore> store = NewMemoryStore(RealClock());
  AKI_CHECK(store->Put(ctx, "s", object, PutCondition::None()).has_value());
  const auto report = InspectSegmentJson(ctx, store, "s");
  AKI_CHECK(!report || report->ends_with("}}"));
  SegmentEntry entry;
  // The manifest would say how many rows there are; here the footer is asked.
  const auto footer_offset =
      object.size() < kSegmentTrailerBytes
          ? Result<uint64_t>(std::unexpected(DataLoss("short")))
          : DecodeSegmentTrailer(std::string_view(object).substr(object.size() - kSegmentTrailerBytes), object.size());
  if (!footer_offset) return;
  const auto footer = DecodeSegmentFooter(std::string_view(object).substr(*footer_offset), *footer_offset);
  if (!footer) return;
  entry.row_count = footer->row_count;
  const auto segment = SegmentReader::Open(ctx, store, "s", entry, NewPayloadBlockCache(1u << 20));
  if (!segment) return;
  size_t bytes = 0;
  const Status status =
      (*segment)->ScanPayloads(ctx, 0, (*segment)->row_count(), [&](RowIndex row, std::string_view json) {
        AKI_CHECK((*segment)->Find((*segment)->Id(row)) == row);
        bytes += json.size() + static_cast<unsigned char>(*(json.data() + json.size() + 63));
        return OkStatus();
      });
  status.IgnoreError("any answer will do");
  static const auto filter = ParseFilterText(
      R"({"should":[{"key":"n","value":{"gt":1}},{"key":"lang","match":{"prefix":"f"}},{"key":"text","match":{"text":"a"}}]})");
  const auto matching = (*segment)->Matching(ctx, **filter);
  AKI_CHECK(!matching || (*matching)->row_count() == entry.row_count);
}

// The object that `body` (sections, then the footer's directory) makes, checksums computed.
std::string Sealed(std::string_view body, size_t directory_bytes) {
  std::string object = EncodeSegmentHeader() + std::string(body);
  const uint64_t footer_offset = object.size() - directory_bytes;
  const auto seal = [&](std::string_view directory, uint32_t version) {
    std::string tail(directory);
    PutLe<uint64_t>(&tail, footer_offset);
    PutLe<uint64_t>(&tail, directory.size());
    PutLe<uint64_t>(&tail, Xxh3(tail, footer_offset));
    PutLe<uint32_t>(&tail, version);
    return tail + "SEGv";
  };
  std::string tail = seal(std::string_view(object).substr(footer_offset), 1);
  auto footer = DecodeSegmentFooter(tail, footer_offset);
  if (!footer) {
    tail = seal(std::string_view(object).substr(footer_offset), 2);
    footer = DecodeSegmentFooter(tail, footer_offset);
  }
  object.resize(footer_offset);
  if (footer) {
    for (SectionEntry& section : footer->sections) {
      uint64_t offset = section.offset;
      for (uint32_t i = 0; i < section.blocks.size(); ++i) {
        SegmentBlock& block = section.blocks[i];
        block.checksum = BlockChecksum(section.kind, i, std::string_view(object).substr(offset, block.stored_bytes));
        offset += block.stored_bytes;
      }
    }
    tail = EncodeSegmentFooter(*footer, footer_offset);
  }
  return object + tail;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ReadAll(std::string(bytes));
  if (size < 2) return 0;
  const std::string_view body = bytes.substr(2);
  ReadAll(Sealed(body, std::min<size_t>(GetLe<uint16_t>(bytes.data()), body.size())));
  return 0;
}
