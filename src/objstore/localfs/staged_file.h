// An object on its way: a nameless-to-readers file that is written, synced, and then published or removed.
//
// Threads: one thread.
// Errors:  those of FileSystem; after any error the file is only good for being destroyed.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "objstore/localfs/content_hash.h"

namespace akidb {

class StagedFile {
 public:
  static Result<std::unique_ptr<StagedFile>> Create(FileSystem& fs, std::string path);
  // Removes the file unless it was renamed away.
  ~StagedFile();

  Status Append(std::string_view bytes);
  // Writes what is buffered. Append must not follow.
  Status Flush();
  Status Sync() { return file_->Sync(); }

  const std::string& path() const { return path_; }
  const ContentHash& hash() const { return hash_; }
  void set_renamed() { renamed_ = true; }

 private:
  StagedFile(FileSystem& fs, std::string path, std::unique_ptr<File> file)
      : fs_(fs), path_(std::move(path)), file_(std::move(file)) {}
  Status WritePiece(std::string_view piece);

  FileSystem& fs_;
  const std::string path_;
  std::unique_ptr<File> file_;
  std::string buffer_;  // less than one piece
  ContentHash hash_;
  bool renamed_ = false;
};

}  // namespace akidb
