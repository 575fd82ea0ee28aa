// `akidb wal inspect` and `akidb segment inspect`: they only read, and work on copies as well.
#include <simdjson.h>

#include "cli/api_client.h"
#include "cli/commands.h"
#include "cli/read_only_store.h"
#include "cli/table.h"
#include "segment/segment_inspect.h"
#include "wal/wal_inspect.h"

namespace akidb {
namespace {

namespace dom = simdjson::dom;

Result<dom::element> ParseReport(dom::parser& parser, const std::string& json) {
  dom::element document;
  if (parser.parse(json).get(document) == simdjson::SUCCESS) return document;
  return std::unexpected(Internal("the inspection's answer is not JSON"));
}

Status PrintSegment(const dom::element& segment, const Console& console) {
  const uint64_t rows = JsonUint(segment, "row_count");
  console.Print(JsonText(segment, "key") + ": " + HumanCount(rows) + " rows of " +
                std::to_string(JsonUint(segment, "dim")) + " x " + JsonText(segment, "vector_type") + ", " +
                JsonText(segment, "distance") + ", " + HumanBytes(JsonUint(segment, "size_bytes")) + "\n");
  console.Print("ids " + JsonText(segment, "id_min") + " .. " + JsonText(segment, "id_max") + "\n\n");
  Table table({{"SECTION"},
               {"OFFSET", Align::kRight},
               {"STORED", Align::kRight},
               {"RAW", Align::kRight},
               {"BLOCKS", Align::kRight},
               {"BROKEN", Align::kRight}});
  dom::array sections;
  if (segment["sections"].get(sections) != simdjson::SUCCESS)
    return Internal("the inspection's answer has no sections");
  for (const dom::element section : sections) {
    dom::array broken;
    const bool has_broken = section["broken_blocks"].get(broken) == simdjson::SUCCESS;
    table.Add({JsonText(section, "name"), HumanCount(JsonUint(section, "offset")),
               HumanBytes(JsonUint(section, "stored_bytes")), HumanBytes(JsonUint(section, "raw_bytes")),
               HumanCount(JsonUint(section, "blocks")), has_broken ? std::to_string(broken.size()) : "0"});
  }
  console.Print(table.ToString());
  return OkStatus();
}

}  // namespace

Status RunWalInspect(const WalInspectOptions& options, const Console& console) {
  FileSystem& fs = PosixFileSystem();
  std::string dir = options.path;
  AKI_ASSIGN_OR_RETURN(const bool is_data_dir, fs.Exists(dir + "/wal"));
  if (is_data_dir) dir += "/wal";
  AKI_ASSIGN_OR_RETURN(const std::string json, InspectWalJson(fs, dir));
  if (console.json()) {
    console.PrintJson(json);
  } else {
    AKI_ASSIGN_OR_RETURN(const std::string text, InspectWalText(fs, dir));
    console.Print(text);
  }
  dom::parser parser;
  AKI_ASSIGN_OR_RETURN(const dom::element document, ParseReport(parser, json));
  if (JsonText(document, "status") != "corrupt") return OkStatus();
  return DataLoss(JsonText(document, "detail"));
}

Status RunSegmentInspect(const SegmentInspectOptions& options, const Console& console) {
  OpContext ctx(RealClock());
  AKI_ASSIGN_OR_RETURN(const std::shared_ptr<ObjectStore> store, OpenReadOnlyStore(PosixFileSystem(), options.path));
  AKI_ASSIGN_OR_RETURN(const std::string json, InspectSegmentJson(ctx, store, FileNameOf(options.path)));
  dom::parser parser;
  AKI_ASSIGN_OR_RETURN(const dom::element document, ParseReport(parser, json));
  if (console.json()) {
    console.PrintJson(json);
  } else {
    AKI_RETURN_IF_ERROR(PrintSegment(document, console));
  }
  bool intact = false;
  if (document["intact"].get(intact) == simdjson::SUCCESS && intact) return OkStatus();
  return DataLoss("'" + options.path + "' has blocks with wrong checksums");
}

}  // namespace akidb
