#include "objstore/localfs/staged_file.h"

namespace akidb {

Result<std::unique_ptr<StagedFile>> StagedFile::Create(FileSystem& fs, std::string path) {
  AKI_ASSIGN_OR_RETURN(std::unique_ptr<File> file, fs.Open(path, OpenMode::kCreateNew));
  return std::unique_ptr<StagedFile>(new StagedFile(fs, std::move(path), std::move(file)));
}

StagedFile::~StagedFile() {
  file_.reset();
  if (!renamed_) fs_.Remove(path_).IgnoreError("what stays is removed at the next opening");
}

Status StagedFile::WritePiece(std::string_view piece) {
  AKI_RETURN_IF_ERROR(file_->WriteAt(hash_.size_bytes(), piece));
  hash_.AddPiece(piece);
  return OkStatus();
}

Status StagedFile::Append(std::string_view bytes) {
  while (!bytes.empty()) {
    if (buffer_.empty() && bytes.size() >= kHashPieceBytes) {
      AKI_RETURN_IF_ERROR(WritePiece(bytes.substr(0, kHashPieceBytes)));
      bytes.remove_prefix(kHashPieceBytes);
      continue;
    }
    const std::string_view part = bytes.substr(0, kHashPieceBytes - buffer_.size());
    buffer_ += part;
    bytes.remove_prefix(part.size());
    if (buffer_.size() == kHashPieceBytes) AKI_RETURN_IF_ERROR(Flush());
  }
  return OkStatus();
}

Status StagedFile::Flush() {
  if (buffer_.empty()) return OkStatus();
  AKI_RETURN_IF_ERROR(WritePiece(buffer_));
  buffer_.clear();
  return OkStatus();
}

}  // namespace akidb
