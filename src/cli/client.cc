#include "cli/client.h"

namespace akidb {

Result<std::string> TextOrFile(const std::string& text, uint64_t size_max) {
  if (!text.starts_with('@')) return text;
  return ReadWholeFile(PosixFileSystem(), text.substr(1), size_max);
}

}  // namespace akidb
