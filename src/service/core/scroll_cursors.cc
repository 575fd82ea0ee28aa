#include "service/core/scroll_cursors.h"

#include "service/core/target.h"

namespace akidb {

std::string ScrollCursors::Token(std::string_view name, std::string_view after_id) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string token(name);
  token.push_back('.');
  for (const char c : after_id) {
    token.push_back(kHex[static_cast<unsigned char>(c) >> 4]);
    token.push_back(kHex[static_cast<unsigned char>(c) & 15]);
  }
  return token;
}

std::list<ScrollCursors::Entry> ScrollCursors::TakeExpired() {
  std::list<Entry> expired;
  const MonotonicTime now = clock_.Now();
  while (!entries_.empty() && (entries_.size() > count_max_ || now - entries_.front().used > time_to_live_)) {
    by_name_.erase(entries_.front().name);
    expired.splice(expired.end(), entries_, entries_.begin());
  }
  return expired;
}

std::string ScrollCursors::Add(ScrollCursor cursor) {
  std::string name = random_.Hex(32);
  std::list<Entry> expired;
  MutexLock lock(mutex_);
  entries_.push_back({name, std::move(cursor), clock_.Now()});
  by_name_[name] = std::prev(entries_.end());
  expired = TakeExpired();
  return name;
}

Result<ScrollCursors::Page> ScrollCursors::Find(std::string_view token) {
  const auto bad = [] {
    return std::unexpected(InvalidArgument("page_token is not a token of this server").WithReason("invalid_field"));
  };
  const size_t dot = token.find('.');
  if (dot == std::string_view::npos || (token.size() - dot - 1) % 2 != 0) return bad();
  std::string escaped;
  for (size_t i = dot + 1; i < token.size(); i += 2) escaped.append("%").append(token.substr(i, 2));
  const Result<std::string> after_id = PercentDecode(escaped, PlusMeans::kPlus);
  if (!after_id) return bad();

  std::list<Entry> expired;
  MutexLock lock(mutex_);
  expired = TakeExpired();
  const auto found = by_name_.find(std::string(token.substr(0, dot)));
  if (found == by_name_.end()) {
    return std::unexpected(
        FailedPrecondition(
            "the scroll of this page_token has ended or was not used for too long: start again without page_token")
            .WithReason("cursor_expired"));
  }
  found->second->used = clock_.Now();
  entries_.splice(entries_.end(), entries_, found->second);
  return Page{found->second->name, *after_id, found->second->cursor};
}

void ScrollCursors::Remove(const std::string& name) {
  std::list<Entry> removed;
  MutexLock lock(mutex_);
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return;
  removed.splice(removed.end(), entries_, found->second);
  by_name_.erase(found);
}

void ScrollCursors::Purge() {
  std::list<Entry> expired;
  MutexLock lock(mutex_);
  expired = TakeExpired();
}

size_t ScrollCursors::size() const {
  MutexLock lock(mutex_);
  return entries_.size();
}

}  // namespace akidb
