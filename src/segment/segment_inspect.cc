#include "segment/segment_inspect.h"

#include <vector>

#include "base/json_writer.h"
#include "segment/segment_object.h"

namespace akidb {
namespace {

// Numbers of the blocks that do not verify; statistics that do are decoded on the way.
struct SectionReport {
  std::vector<uint32_t> broken_blocks;
  SegmentStatistics statistics;
};

Result<SectionReport> CheckSection(OpContext& ctx, const SegmentObject& object, const SectionEntry& section) {
  SectionReport report;
  ObjectStream stream(object, {section.offset, section.offset + section.StoredBytes()});
  std::string raw;
  for (uint32_t i = 0; i < section.blocks.size(); ++i) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    AKI_ASSIGN_OR_RETURN(const std::string_view stored, stream.Next(ctx, section.blocks[i].stored_bytes));
    raw.resize(section.blocks[i].raw_bytes);
    bool intact = object.Unpack(section.kind, i, section.blocks[i], stored, raw.data()).ok();
    if (intact && section.kind == SegmentSection::kStatistics) {
      auto statistics = DecodeSegmentStatistics(raw);
      intact = statistics.has_value();
      if (intact) report.statistics = std::move(*statistics);
    }
    if (!intact) report.broken_blocks.push_back(i);
  }
  return report;
}

void WriteSection(const SectionEntry& section, const SectionReport& report, JsonWriter& w) {
  w.BeginObject();
  w.Key("name").Value(SectionName(section.kind));
  w.Key("offset").Value(section.offset);
  w.Key("stored_bytes").Value(section.StoredBytes());
  w.Key("raw_bytes").Value(section.RawBytes());
  w.Key("blocks").Value(section.blocks.size());
  w.Key("broken_blocks").BeginArray();
  for (const uint32_t block : report.broken_blocks) w.Value(block);
  w.EndArray().EndObject();
}

}  // namespace

Result<std::string> InspectSegmentJson(OpContext& ctx, std::shared_ptr<ObjectStore> store, const std::string& key) {
  const SegmentObject object(std::move(store), key, "");
  AKI_ASSIGN_OR_RETURN(const SegmentObject::Footer footer, object.ReadFooter(ctx, {}));
  std::string header(kSegmentHeaderBytes, '\0');
  AKI_RETURN_IF_ERROR(object.Read(ctx, {0, kSegmentHeaderBytes}, header.data()));
  bool intact = CheckSegmentHeader(header).ok();

  std::string sections;
  JsonWriter sections_writer(&sections);
  SegmentStatistics statistics;
  uint64_t end = kSegmentHeaderBytes;
  sections_writer.BeginArray();
  for (const SectionEntry& section : footer.directory.sections) {
    ObjectStream gap(object, {end, section.offset});
    const Status padding = gap.SkipZeros(ctx, section.offset);
    if (!padding.ok() && padding.code() != StatusCode::kDataLoss) return std::unexpected(padding);
    intact = padding.ok() && intact;
    AKI_ASSIGN_OR_RETURN(SectionReport report, CheckSection(ctx, object, section));
    intact = report.broken_blocks.empty() && intact;
    if (section.kind == SegmentSection::kStatistics) statistics = std::move(report.statistics);
    WriteSection(section, report, sections_writer);
    end = section.offset + section.StoredBytes();
  }
  sections_writer.EndArray();

  const SegmentFooter& directory = footer.directory;
  std::string out;
  JsonWriter w(&out);
  w.BeginObject();
  w.Key("key").Value(key);
  w.Key("size_bytes").Value(footer.range.end);
  w.Key("vector_type").Value(VectorTypeName(directory.type));
  w.Key("dim").Value(directory.dim);
  w.Key("distance").Value(DistanceName(directory.distance));
  w.Key("row_count").Value(directory.row_count);
  w.Key("lsn_max").Value(statistics.lsn_max.value());
  w.Key("id_min").Value(statistics.id_min);
  w.Key("id_max").Value(statistics.id_max);
  w.Key("bytes_per_vector").Value(static_cast<double>(footer.range.end) / directory.row_count);
  w.Key("intact").Value(intact);
  w.Key("sections").Raw(sections);
  w.Key("footer").BeginObject();
  w.Key("offset").Value(footer.range.begin).Key("bytes").Value(footer.range.size());
  w.EndObject().EndObject();
  return out;
}

}  // namespace akidb
