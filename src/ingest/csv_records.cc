#include "ingest/csv_records.h"

namespace akidb {
namespace {

constexpr size_t kFieldsMax = 65536;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Size of the blank line at the front, or 0 if the line holds something.
size_t BlankLineBytes(std::string_view text) {
  if (text.starts_with('\n')) return 1;
  return text.starts_with("\r\n") ? 2 : 0;
}

}  // namespace

Result<bool> CsvRecords::Next(std::vector<CsvField>* fields, Status* problem) {
  fields->clear();
  *problem = OkStatus();
  for (;;) {
    if (window_.data().size() < kByteOrderMark.size()) AKI_RETURN_IF_ERROR(window_.Fill());
    if (window_.consumed() == 0 && window_.data().starts_with(kByteOrderMark)) window_.Consume(kByteOrderMark.size());
    const std::string_view text = window_.data();
    if (text.empty() && window_.at_end()) return false;
    if (const size_t blank = BlankLineBytes(text); blank > 0) {
      window_.Consume(blank);
      continue;
    }
    size_t size = 0;
    const Outcome outcome = Parse(text, &size, problem);
    if (outcome == Outcome::kBad || size > record_bytes_max_) {
      AKI_RETURN_IF_ERROR(
          SkipLine(problem, outcome == Outcome::kBad
                                ? std::move(*problem)
                                : InvalidArgument("the record has more than " + std::to_string(record_bytes_max_) +
                                                  " bytes (is a quote left open?)")));
      return true;
    }
    if (outcome == Outcome::kRecord) {
      Emit(text, fields);
      window_.Consume(size);
      return true;
    }
    AKI_RETURN_IF_ERROR(window_.Fill());
  }
}

Status CsvRecords::SkipLine(Status* problem, Status reason) {
  *problem = std::move(reason);
  std::string_view line;
  bool too_long = false;
  return internal::ToStatus(window_.NextLine(record_bytes_max_, &line, &too_long));
}

CsvRecords::Outcome CsvRecords::Parse(std::string_view text, size_t* size, Status* problem) {
  spans_.clear();
  unescaped_.clear();
  size_t position = 0;
  for (;;) {
    if (position < text.size() && text[position] == '"') {
      const Outcome outcome = ParseQuoted(text, &position, problem);
      *size = position;
      if (outcome != Outcome::kRecord) return outcome;
    } else {
      const size_t begin = position;
      while (position < text.size() && text[position] != delimiter_ && text[position] != '\n' &&
             text[position] != '"') {
        ++position;
      }
      *size = position;
      if (position < text.size() && text[position] == '"') {
        *problem = InvalidArgument("a quote inside a field that is not quoted, at byte " + std::to_string(position) +
                                   " of the record");
        return Outcome::kBad;
      }
      if (position == text.size() && !window_.at_end()) return Outcome::kNeedsMore;
      size_t length = position - begin;
      const bool line_ends = position == text.size() || text[position] == '\n';
      if (line_ends && length > 0 && text[position - 1] == '\r') --length;
      spans_.push_back({begin, length, false, false});
    }
    if (position == text.size()) return Outcome::kRecord;
    if (spans_.size() > kFieldsMax) {
      *problem = InvalidArgument("the record has more than " + std::to_string(kFieldsMax) + " fields");
      return Outcome::kBad;
    }
    *size = ++position;
    if (text[position - 1] == '\n') return Outcome::kRecord;
  }
}

// Leaves *position at the delimiter, the line feed or the end of the text behind the closing quote.
CsvRecords::Outcome CsvRecords::ParseQuoted(std::string_view text, size_t* position, Status* problem) {
  const size_t begin = *position + 1;
  size_t copied = begin;
  const size_t unescaped_begin = unescaped_.size();
  bool escaped = false;
  for (size_t from = begin;;) {
    const size_t quote = text.find('"', from);
    if (quote == std::string_view::npos) {
      *position = text.size();
      if (!window_.at_end()) return Outcome::kNeedsMore;
      *problem = InvalidArgument("a quoted field is not closed");
      return Outcome::kBad;
    }
    if (quote + 1 == text.size() && !window_.at_end()) {
      *position = text.size();
      return Outcome::kNeedsMore;
    }
    if (quote + 1 < text.size() && text[quote + 1] == '"') {
      unescaped_.append(text, copied, quote + 1 - copied);
      escaped = true;
      from = copied = quote + 2;
      continue;
    }
    if (escaped) {
      unescaped_.append(text, copied, quote - copied);
      spans_.push_back({unescaped_begin, unescaped_.size() - unescaped_begin, true, true});
    } else {
      spans_.push_back({begin, quote - begin, true, false});
    }
    size_t next = quote + 1;
    if (next < text.size() && text[next] == '\r') {
      ++next;
      if (next == text.size() && !window_.at_end()) {
        *position = next;
        return Outcome::kNeedsMore;
      }
    }
    *position = next;
    const bool carriage_return = next > quote + 1;
    if (next == text.size() || text[next] == '\n' || (!carriage_return && text[next] == delimiter_)) {
      return Outcome::kRecord;
    }
    *problem = InvalidArgument("text after a closing quote, at byte " + std::to_string(next) + " of the record");
    return Outcome::kBad;
  }
}

void CsvRecords::Emit(std::string_view text, std::vector<CsvField>* fields) const {
  fields->reserve(spans_.size());
  for (const Span& span : spans_) {
    const std::string_view home = span.unescaped ? std::string_view(unescaped_) : text;
    fields->push_back({home.substr(span.begin, span.size), span.quoted});
  }
}

}  // namespace akidb
