#include <array>
#include <charconv>

#include "engine/write.h"

namespace akidb {

std::string Position::ToToken() const {
  return "p1." + std::to_string(epoch.value()) + "." + std::to_string(version.value()) + "." +
         std::to_string(lsn.value());
}

Result<Position> Position::FromToken(std::string_view token) {
  const auto bad = [&] {
    return std::unexpected(InvalidArgument("not a commit token of this database").WithReason("invalid_position"));
  };
  if (!token.starts_with("p1.") || token.size() > 80) return bad();
  token.remove_prefix(3);
  std::array<uint64_t, 3> numbers{};
  for (size_t i = 0; i < numbers.size(); ++i) {
    const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), numbers[i]);
    if (error != std::errc()) return bad();
    token.remove_prefix(static_cast<size_t>(end - token.data()));
    if (i + 1 < numbers.size()) {
      if (token.empty() || token.front() != '.') return bad();
      token.remove_prefix(1);
    }
  }
  if (!token.empty()) return bad();
  return Position{Epoch(numbers[0]), ManifestVersion(numbers[1]), Lsn(numbers[2])};
}

}  // namespace akidb
