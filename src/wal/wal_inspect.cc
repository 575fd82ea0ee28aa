#include "wal/wal_inspect.h"

#include <map>
#include <utility>
#include <vector>

#include "base/json_writer.h"
#include "wal/wal_recovery.h"

namespace akidb {
namespace {

struct GroupLine {
  WalGroupHeader header;
  Lsn last_lsn;
};

struct Inspection {
  WalScan scan;
  std::map<uint64_t, std::vector<GroupLine>> groups;  // by file sequence
};

Result<Inspection> Inspect(FileSystem& fs, const std::string& dir) {
  Inspection out;
  AKI_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(dir));
  WalScanOptions options;
  options.after_error = WalScanOptions::AfterError::kGoOn;
  options.on_group = [&](const WalFileScan& file, const WalGroupHeader& header, Lsn last_lsn) {
    out.groups[file.sequence].push_back({header, last_lsn});
  };
  AKI_ASSIGN_OR_RETURN(out.scan, ScanWal(fs, dir, names, options));
  return out;
}

// A group was begun behind the end and never acknowledged.
bool IsTorn(const WalFileScan& file) {
  return file.status.ok() && file.end_status != WalGroupStatus::kNoGroup && file.end_status != WalGroupStatus::kValid;
}

std::string_view FileState(const WalFileScan& file) {
  return !file.status.ok() ? "corrupt" : IsTorn(file) ? "torn_tail" : "ok";
}

std::string_view LogState(const WalScan& scan) {
  if (!scan.status().ok()) return "corrupt";
  for (const WalFileScan& file : scan.files) {
    if (IsTorn(file)) return "torn_tail";
  }
  return "ok";
}

std::string Detail(const WalFileScan& file) {
  if (!file.status.ok()) return std::string(file.status.message());
  if (!IsTorn(file)) return "";
  return std::string(WalGroupStatusName(file.end_status)) + " at offset " + std::to_string(file.end) +
         "; nothing claims that it was synced, so it is cut";
}

void WriteFile(JsonWriter& w, const WalFileScan& file, const std::vector<GroupLine>& groups) {
  w.BeginObject();
  w.Key("name").Value(file.name).Key("sequence").Value(file.sequence).Key("size_bytes").Value(file.size_bytes);
  w.Key("state").Value(FileState(file)).Key("detail").Value(Detail(file));
  if (file.header) {
    w.Key("header_first_lsn").Value(file.header->first_lsn.value());
    w.Key("prev_sequence").Value(file.header->prev_sequence).Key("prev_end").Value(file.header->prev_end);
  }
  w.Key("end").Value(file.end);
  if (file.claimed_end) w.Key("claimed_end").Value(*file.claimed_end);
  w.Key("records").Value(file.records);
  w.Key("first_lsn").Value(file.first_lsn.value()).Key("last_lsn").Value(file.last_lsn.value());
  w.Key("groups").BeginArray();
  for (const auto& [header, last_lsn] : groups) {
    w.BeginObject();
    w.Key("offset").Value(header.offset).Key("payload_bytes").Value(header.payload_bytes);
    w.Key("records").Value(header.record_count).Key("first_lsn").Value(header.first_lsn.value());
    w.Key("last_lsn").Value(last_lsn.value()).Key("synced_offset").Value(header.synced_offset);
    w.EndObject();
  }
  w.EndArray();
  w.EndObject();
}

}  // namespace

Result<std::string> InspectWalJson(FileSystem& fs, const std::string& dir) {
  AKI_ASSIGN_OR_RETURN(Inspection found, Inspect(fs, dir));
  const WalScan& scan = found.scan;
  std::string out;
  JsonWriter w(&out);
  w.BeginObject();
  w.Key("status").Value(LogState(scan)).Key("detail").Value(scan.status().message());
  w.Key("records").Value(scan.records).Key("next_lsn").Value(scan.next_lsn.value());
  w.Key("files").BeginArray();
  for (const WalFileScan& file : scan.files) WriteFile(w, file, found.groups[file.sequence]);
  w.EndArray();
  w.EndObject();
  return out;
}

Result<std::string> InspectWalText(FileSystem& fs, const std::string& dir) {
  AKI_ASSIGN_OR_RETURN(Inspection found, Inspect(fs, dir));
  const WalScan& scan = found.scan;
  std::string out;
  for (const WalFileScan& file : scan.files) {
    out += file.name + "  " + std::string(FileState(file)) + "  " + std::to_string(file.groups) + " groups  " +
           std::to_string(file.records) + " records";
    if (file.records > 0) {
      out += "  LSN " + std::to_string(file.first_lsn.value()) + "-" + std::to_string(file.last_lsn.value());
    }
    out += "  " + std::to_string(file.end) + " of " + std::to_string(file.size_bytes) + " bytes";
    if (const std::string detail = Detail(file); !detail.empty()) out += "\n    " + detail;
    out += '\n';
  }
  if (scan.files.empty() && scan.status().ok()) return "no log here: a server would begin one\n";
  out += std::to_string(scan.files.size()) + " files, " + std::to_string(scan.records) + " records, next LSN " +
         std::to_string(scan.next_lsn.value()) + ": ";
  out += scan.status().ok() ? "a server would start on this log\n"
                            : "a server refuses to start on this log: " + scan.status().ToString() + "\n";
  return out;
}

}  // namespace akidb
