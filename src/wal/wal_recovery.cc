#include "wal/wal_recovery.h"

#include <algorithm>
#include <map>
#include <utility>

#include "wal/wal_file.h"

namespace akidb {
namespace {

std::string At(const WalFileScan& file, uint64_t offset) {
  return "log file " + file.name + " offset " + std::to_string(offset) + ": ";
}

bool IsAboutTheBytes(const Status& status) {
  return status.code() == StatusCode::kDataLoss || status.code() == StatusCode::kFailedPrecondition;
}

class Scanner {
 public:
  Scanner(FileSystem& fs, const std::string& dir, const WalScanOptions& options)
      : fs_(fs), dir_(dir), options_(options) {}

  Result<WalScan> Run(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      const std::optional<uint64_t> sequence = ParseWalName(name, kWalSuffix);
      if (!sequence) continue;
      WalFileScan& file = scan_.files.emplace_back();
      file.name = name;
      file.sequence = *sequence;
    }
    std::ranges::sort(scan_.files, {}, &WalFileScan::sequence);
    for (WalFileScan& file : scan_.files) AKI_RETURN_IF_ERROR(ReadHeader(file));
    for (size_t i = 0; i < scan_.files.size(); ++i) CheckChain(i);
    for (size_t i = 0; i < scan_.files.size() && MayGoOn(); ++i) AKI_RETURN_IF_ERROR(ReadGroups(i));
    return std::move(scan_);
  }

 private:
  bool MayGoOn() const { return options_.after_error == WalScanOptions::AfterError::kGoOn || scan_.status().ok(); }

  Result<std::unique_ptr<WalReader>> OpenReader(const WalFileScan& file) {
    return WalReader::Open(fs_, dir_ + "/" + file.name, file.sequence);
  }

  Status ReadHeader(WalFileScan& file) {
    Result<std::unique_ptr<WalReader>> reader = OpenReader(file);
    if (reader) {
      file.header = (*reader)->header();
      file.size_bytes = (*reader)->size_bytes();
      return OkStatus();
    }
    // The header was synced before the file got its name, so it is never a torn one.
    if (!IsAboutTheBytes(reader.error())) return std::move(reader).error();
    file.status = std::move(reader).error().Annotate("log file " + file.name + " offset 0");
    return OkStatus();
  }

  // Follows a file's link to the last file with records before it: that file must be there, unless the head of the log
  // was trimmed up to and including it, and must be readable up to where the link says it ended.
  void CheckChain(size_t i) {
    WalFileScan& file = scan_.files[i];
    if (!file.header) return;
    const WalFileHeader& header = *file.header;
    const auto prev = std::ranges::find(scan_.files, header.prev_sequence, &WalFileScan::sequence);
    if (prev == scan_.files.end()) {
      if (header.prev_sequence != 0 && scan_.files.front().sequence < header.prev_sequence) {
        file.status = DataLoss(At(file, 0) + "follows " + WalName(header.prev_sequence, kWalSuffix) +
                               ", which is missing although older files are here");
      }
      return;
    }
    if (prev->header && prev->header->salt != header.prev_salt) {
      file.status = DataLoss(At(file, 0) + "follows another file of the name " + prev->name + ", from another log");
      return;
    }
    prev->claimed_end = std::max(prev->claimed_end.value_or(0), header.prev_end);
  }

  Status ReadGroups(size_t i) {
    WalFileScan& file = scan_.files[i];
    if (!file.header || !file.status.ok()) return OkStatus();
    scan_.next_lsn = std::max(scan_.next_lsn, file.header->first_lsn);
    const bool is_last = i + 1 == scan_.files.size();
    // A start found no record in it and wrote on in a later file: it stays empty whatever reads differently now.
    if (!is_last && !file.claimed_end) {
      file.end = kWalBlockBytes;
      return OkStatus();
    }
    AKI_ASSIGN_OR_RETURN(auto reader, OpenReader(file));
    while (reader->offset() < file.claimed_end.value_or(UINT64_MAX)) {
      AKI_ASSIGN_OR_RETURN(file.end_status, reader->Next());
      if (file.end_status != WalGroupStatus::kValid) break;
      Status status = TakeGroup(file, *reader);
      if (!status.ok()) return status;
      if (!file.status.ok()) break;
    }
    file.end = file.status.ok() ? reader->offset() : reader->group_header().offset;
    return file.status.ok() ? CheckEnd(file, *reader) : OkStatus();
  }

  Status TakeGroup(WalFileScan& file, const WalReader& reader) {
    Status visitor_status;
    const Status status = DecodeWalRecords(reader.group_header(), reader.group(), [&](const WalRecord& record) {
      if (record.lsn < scan_.next_lsn) {
        return DataLoss("LSN " + std::to_string(record.lsn.value()) + " comes after LSN " +
                        std::to_string(scan_.next_lsn.value() - 1));
      }
      if (options_.on_record) {
        visitor_status = options_.on_record(record);
        if (!visitor_status.ok()) return visitor_status;
      }
      scan_.next_lsn = record.lsn.Next();
      if (file.records == 0) file.first_lsn = record.lsn;
      file.last_lsn = record.lsn;
      ++file.records;
      ++scan_.records;
      return OkStatus();
    });
    AKI_RETURN_IF_ERROR(std::move(visitor_status));
    if (!status.ok()) {
      file.status =
          Status(status).Annotate("log file " + file.name + " offset " + std::to_string(reader.group_header().offset));
      return OkStatus();
    }
    ++file.groups;
    file.last_group_offset = reader.group_header().offset;
    if (options_.on_group) options_.on_group(file, reader.group_header(), file.last_lsn);
    return OkStatus();
  }

  Status CheckEnd(WalFileScan& file, WalReader& reader) {
    uint64_t claim = file.claimed_end.value_or(0);
    if (!file.claimed_end) {
      AKI_ASSIGN_OR_RETURN(claim, reader.LaterClaim());
    }
    if (claim > file.end) {
      file.status = DataLoss(At(file, file.end) + std::string(WalGroupStatusName(file.end_status)) +
                             ", but everything below offset " + std::to_string(claim) +
                             " was synced; look at it with 'akidb wal inspect'");
    }
    return OkStatus();
  }

  FileSystem& fs_;
  const std::string& dir_;
  const WalScanOptions& options_;
  WalScan scan_;
};

}  // namespace

const WalFileScan* WalScan::last_with_records() const {
  for (size_t i = files.size(); i-- > 0;) {
    if (files[i].records > 0) return &files[i];
  }
  return nullptr;
}

Status WalScan::status() const {
  for (const WalFileScan& file : files) {
    if (!file.status.ok()) return file.status;
  }
  return OkStatus();
}

Result<WalScan> ScanWal(FileSystem& fs, const std::string& dir, const std::vector<std::string>& names,
                        const WalScanOptions& options) {
  return Scanner(fs, dir, options).Run(names);
}

}  // namespace akidb
