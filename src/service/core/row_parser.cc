#include "service/core/row_parser.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include "format/columns.h"
#include "service/core/http.h"
#include "service/core/json_cursor.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

Status Bad(std::string_view reason, std::string message) {
  return InvalidArgument(std::move(message)).WithReason(reason);
}

// Hands out memory that stays where it is as long as the parsed rows live, padded for simdjson.
class Arena {
 public:
  Arena(std::vector<std::unique_ptr<char[]>>* blocks, size_t block_bytes)
      : blocks_(blocks), block_bytes_(block_bytes) {}
  char* Reserve(size_t size) {
    if (used_ + size + kBodyPaddingBytes > capacity_) {
      capacity_ = std::max(block_bytes_, size) + kBodyPaddingBytes;
      blocks_->push_back(std::make_unique_for_overwrite<char[]>(capacity_));
      used_ = 0;
    }
    return blocks_->back().get() + used_;
  }
  void Commit(size_t size) { used_ += size; }

 private:
  std::vector<std::unique_ptr<char[]>>* blocks_;
  size_t block_bytes_;
  size_t capacity_ = 0;
  size_t used_ = 0;
};

// Checks payloads and writes them without spaces.
class PayloadReader {
 public:
  PayloadReader(const Limits& limits, Arena* arena) : limits_(limits), arena_(arena) {}

  // `raw` is followed by kBodyPaddingBytes readable bytes. Null and {} give an empty view.
  Result<std::string_view> Read(std::string_view raw) {
    if (raw.size() > capacity_) {
      capacity_ = std::max<size_t>(raw.size(), 4096);
      if (parser_.allocate(capacity_, limits_.payload_depth_max) != simdjson::SUCCESS) {
        return std::unexpected(
            ResourceExhausted("no memory to check a payload of " + std::to_string(raw.size()) + " bytes"));
      }
    }
    simdjson::dom::element element;
    if (const auto error = parser_.parse(raw.data(), raw.size(), false).get(element); error != simdjson::SUCCESS) {
      if (error == simdjson::DEPTH_ERROR) {
        return std::unexpected(Bad("invalid_payload", "the payload is nested deeper than payload_depth_max = " +
                                                          std::to_string(limits_.payload_depth_max)));
      }
      return std::unexpected(
          Bad("invalid_payload", std::string("the payload is not valid JSON: ") + simdjson::error_message(error)));
    }
    if (element.is_null()) return std::string_view();
    if (!element.is_object()) return std::unexpected(Bad("invalid_payload", "the payload must be a JSON object"));
    char* const out = arena_->Reserve(raw.size());
    size_t size = 0;
    if (simdjson::minify(raw.data(), raw.size(), out, size) != simdjson::SUCCESS) {
      return std::unexpected(Bad("invalid_payload", "the payload is not valid JSON"));
    }
    if (size > limits_.payload_bytes_max) {
      return std::unexpected(Bad("payload_too_large", "the payload has " + std::to_string(size) +
                                                          " bytes without spaces; payload_bytes_max is " +
                                                          std::to_string(limits_.payload_bytes_max)));
    }
    arena_->Commit(size);
    return std::string_view(out, size);
  }

  // A JSON string that may have escapes.
  Result<std::string_view> ReadString(std::string_view raw) {
    const std::string_view inner = raw.substr(1, raw.size() - 2);
    const bool plain = std::all_of(inner.begin(), inner.end(), [](char c) {
      return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x80 && c != '\\';
    });
    if (plain) return inner;
    simdjson::dom::parser parser;
    std::string_view text;
    if (parser.parse(raw.data(), raw.size(), false).get(text) != simdjson::SUCCESS) {
      return std::unexpected(Bad("invalid_id", "the id is not a valid UTF-8 JSON string"));
    }
    char* const out = arena_->Reserve(text.size());
    std::memcpy(out, text.data(), text.size());
    arena_->Commit(text.size());
    return std::string_view(out, text.size());
  }

 private:
  const Limits& limits_;
  Arena* arena_;
  simdjson::dom::parser parser_;
  size_t capacity_ = 0;
};

bool IsInteger(std::string_view raw) {
  if (raw.starts_with('-')) raw.remove_prefix(1);
  if (raw.empty() || raw.size() > 20 || (raw[0] == '0' && raw.size() > 1)) return false;
  return std::all_of(raw.begin(), raw.end(), [](char c) { return c >= '0' && c <= '9'; });
}

class RowParser {
 public:
  RowParser(std::string_view body, uint32_t dim, const Limits& limits)
      : cursor_(body),
        dim_(dim),
        limits_(limits),
        arena_(&out_.arena, std::min<size_t>(body.size(), 1u << 20)),
        payloads_(limits, &arena_) {}

  Result<ParsedRows> Parse() {
    AKI_RETURN_IF_ERROR(cursor_.Take('{'));
    bool has_vectors = false;
    bool seen[3] = {};
    for (bool first = true;; first = false) {
      AKI_ASSIGN_OR_RETURN(const bool more, cursor_.NextMember('}', first));
      if (!more) break;
      AKI_ASSIGN_OR_RETURN(const std::string_view key, cursor_.Key());
      const int option = key == "mode" ? 0 : key == "partial" ? 1 : key == "ack" ? 2 : -1;
      if (key == "vectors") {
        if (has_vectors) return std::unexpected(Bad("duplicate_field", "field \"vectors\" is given twice"));
        has_vectors = true;
        AKI_RETURN_IF_ERROR(ParseVectors());
      } else if (option >= 0) {
        if (seen[option])
          return std::unexpected(Bad("duplicate_field", "field \"" + std::string(key) + "\" is given twice"));
        seen[option] = true;
        AKI_RETURN_IF_ERROR(ParseOption(key));
      } else {
        return std::unexpected(Bad("unknown_field", "unknown field \"" + std::string(key.substr(0, 64)) +
                                                        "\"; known are vectors, mode, partial, ack"));
      }
    }
    AKI_RETURN_IF_ERROR(cursor_.End());
    if (!has_vectors) return std::unexpected(Bad("missing_field", "field \"vectors\" is missing"));
    out_.rows.vectors = out_.vectors.data();
    out_.rows.dim = dim_;
    return std::move(out_);
  }

 private:
  Status ParseOption(std::string_view key) {
    AKI_ASSIGN_OR_RETURN(const std::string_view raw, cursor_.RawValue());
    const auto bad = [&](std::string_view wanted) {
      return Bad("invalid_field", "field \"" + std::string(key) + "\" must be " + std::string(wanted));
    };
    if (key == "partial") {
      if (raw != "true" && raw != "false") return bad("true or false");
      out_.policy = raw == "true" ? BatchPolicy::kPartial : BatchPolicy::kAllOrNothing;
      return OkStatus();
    }
    const bool quoted = raw.size() >= 2 && raw.front() == '"';
    const std::string_view word = quoted ? raw.substr(1, raw.size() - 2) : std::string_view();
    if (key == "mode") {
      out_.mode = ParseWriteMode(word);
      return out_.mode ? OkStatus() : bad("\"upsert\", \"insert\" or \"update\"");
    }
    out_.ack = ParseAckLevel(word);
    return out_.ack ? OkStatus() : bad("\"local\", \"object\" or \"committed\"");
  }

  Status ParseVectors() {
    AKI_RETURN_IF_ERROR(cursor_.Take('['));
    for (size_t index = 0;; ++index) {
      AKI_ASSIGN_OR_RETURN(const bool more, cursor_.NextMember(']', index == 0));
      if (!more) return OkStatus();
      if (index == limits_.vectors_per_request_max) {
        return Bad("too_many_vectors", "field \"vectors\" has more than vectors_per_request_max = " +
                                           std::to_string(limits_.vectors_per_request_max) + " rows");
      }
      const size_t before = cursor_.offset();
      AKI_RETURN_IF_ERROR(ParseRow(index));
      if (index == 0) Reserve(cursor_.offset() - before);
    }
  }

  // Sizes the columns for as many rows of the first one's length as the body may still hold.
  void Reserve(size_t row_bytes) {
    const size_t guess = cursor_.remaining() / std::max<size_t>(row_bytes, 8) * 9 / 8 + 2;
    const size_t rows = std::min<size_t>(guess, limits_.vectors_per_request_max);
    out_.request_ids.reserve(rows);
    out_.source.reserve(rows);
    out_.rows.ids.reserve(rows);
    out_.rows.payloads.reserve(rows);
    if (row_bytes >= dim_) out_.vectors.reserve(rows * dim_);
  }

  Status ParseRow(size_t index) {
    const auto where = [&] { return "vectors[" + std::to_string(index) + "]"; };
    if (!cursor_.TryTake('{')) {
      return Bad("invalid_field", where() + " must be an object with id, vector and, if wanted, payload");
    }
    std::string_view id;
    std::string_view payload;
    bool has_id = false;
    bool has_vector = false;
    bool has_payload = false;
    Status problem;
    const size_t row = out_.rows.ids.size();
    out_.vectors.resize((row + 1) * dim_);
    for (bool first = true;; first = false) {
      AKI_ASSIGN_OR_RETURN(const bool more, cursor_.NextMember('}', first));
      if (!more) break;
      AKI_ASSIGN_OR_RETURN(const std::string_view key, cursor_.Key());
      bool* const seen = key == "id"        ? &has_id
                         : key == "vector"  ? &has_vector
                         : key == "payload" ? &has_payload
                                            : nullptr;
      if (seen == nullptr) {
        return Bad("unknown_field", "unknown field \"" + std::string(key.substr(0, 64)) + "\" in " + where() +
                                        "; known are id, vector, payload");
      }
      if (*seen) return Bad("duplicate_field", "field \"" + std::string(key) + "\" is given twice in " + where());
      *seen = true;
      Status status;
      if (key == "vector") {
        AKI_RETURN_IF_ERROR(ParseVector(out_.vectors.data() + row * dim_, &status));
      } else {
        AKI_ASSIGN_OR_RETURN(const std::string_view raw, cursor_.RawValue());
        Result<std::string_view> value = key == "id" ? ParseId(raw) : payloads_.Read(raw);
        if (value) {
          (key == "id" ? id : payload) = *value;
        } else {
          status = std::move(value).error();
        }
      }
      if (problem.ok()) problem = std::move(status);
    }
    if (problem.ok() && !has_id) problem = Bad("missing_field", "field \"id\" is missing");
    if (problem.ok() && !has_vector) problem = Bad("missing_field", "field \"vector\" is missing");
    out_.request_ids.push_back(id);
    if (!problem.ok()) {
      out_.problems.push_back({index, std::move(problem).Annotate(where())});
      return OkStatus();
    }
    out_.rows.ids.push_back(id);
    out_.rows.payloads.push_back(payload);
    out_.source.push_back(static_cast<uint32_t>(index));
    return OkStatus();
  }

  // What is wrong with the row goes to *problem, what is wrong with the body is returned.
  Status ParseVector(float* out, Status* problem) {
    size_t count = 0;
    AKI_ASSIGN_OR_RETURN(const NumberParse parsed, cursor_.Floats(out, dim_, &count));
    if (parsed != NumberParse::kOk) {
      AKI_RETURN_IF_ERROR(CheckSkipped());
      const std::string element = "vector[" + std::to_string(count) + "]";
      *problem = Bad("invalid_vector", parsed == NumberParse::kOutOfRange
                                           ? element + " is outside the range of a 32-bit float"
                                           : element + " is not a number; a vector is an array of finite JSON numbers");
    } else if (count != dim_) {
      *problem = Bad("wrong_dimension", "the vector has " + std::to_string(count) +
                                            " elements; the collection has vector_dim = " + std::to_string(dim_));
    }
    return OkStatus();
  }

  // Steps over a value that is no vector, making sure that it is JSON at all.
  Status CheckSkipped() {
    AKI_ASSIGN_OR_RETURN(const std::string_view raw, cursor_.RawValue());
    simdjson::dom::parser parser;
    if (const auto error = parser.parse(raw.data(), raw.size(), false).error(); error != simdjson::SUCCESS) {
      if (error == simdjson::NUMBER_ERROR) return OkStatus();
      return Bad("invalid_json", std::string("a vector is not valid JSON: ") + simdjson::error_message(error));
    }
    return OkStatus();
  }

  Result<std::string_view> ParseId(std::string_view raw) {
    if (raw.front() == '"') return payloads_.ReadString(raw);
    if (raw == "-0") return std::string_view("0");
    if (IsInteger(raw)) return raw;
    return std::unexpected(Bad("invalid_id", "an id is a string or an integer"));
  }

  ParsedRows out_;
  JsonCursor cursor_;
  uint32_t dim_;
  const Limits& limits_;
  Arena arena_;
  PayloadReader payloads_;
};

void ToFloats(const ColumnBatch& batch, std::vector<float>* out) {
  const size_t elements = batch.ids.size() * batch.dim;
  out->resize(elements);
  if (batch.type == VectorType::kF32) {
    if (elements > 0) std::memcpy(out->data(), batch.vectors.data(), elements * sizeof(float));
  } else if (batch.type == VectorType::kF16) {
    std::vector<uint16_t> halves(elements);
    if (elements > 0) std::memcpy(halves.data(), batch.vectors.data(), elements * sizeof(uint16_t));
    Kernels().f16_to_f32(halves.data(), out->data(), elements);
  } else {
    for (size_t row = 0; row < batch.ids.size(); ++row) {
      float scale = 0;
      std::memcpy(&scale, batch.scales.data() + row * sizeof(float), sizeof(float));
      for (size_t i = row * batch.dim; i < (row + 1) * batch.dim; ++i) {
        (*out)[i] = scale * static_cast<float>(static_cast<int8_t>(batch.vectors[i]));
      }
    }
  }
}

}  // namespace

std::optional<WriteMode> ParseWriteMode(std::string_view name) {
  if (name == "upsert") return WriteMode::kUpsert;
  if (name == "insert") return WriteMode::kInsert;
  if (name == "update") return WriteMode::kUpdate;
  return std::nullopt;
}

std::optional<AckLevel> ParseAckLevel(std::string_view name) {
  for (const AckLevel level : {AckLevel::kLocal, AckLevel::kObject, AckLevel::kCommitted}) {
    if (name == AckLevelName(level)) return level;
  }
  return std::nullopt;
}

Result<ParsedRows> ParseJsonRows(std::string_view body, uint32_t dim, const Limits& limits) {
  return RowParser(body, dim, limits).Parse();
}

Result<ParsedRows> ParseColumnRows(std::string_view body, uint32_t dim, const Limits& limits) {
  AKI_ASSIGN_OR_RETURN(const ColumnBatch batch, DecodeColumns(body, limits));
  if (batch.dim != dim) {
    return std::unexpected(Bad("wrong_dimension", "the columns have dim = " + std::to_string(batch.dim) +
                                                      "; the collection has vector_dim = " + std::to_string(dim)));
  }
  ParsedRows out;
  out.request_ids = batch.ids;
  ToFloats(batch, &out.vectors);
  Arena arena(&out.arena, std::min<size_t>(body.size(), 1u << 20));
  PayloadReader payloads(limits, &arena);
  size_t kept = 0;
  for (size_t row = 0; row < batch.ids.size(); ++row) {
    Result<std::string_view> payload =
        batch.payloads[row].empty() ? std::string_view() : payloads.Read(batch.payloads[row]);
    if (!payload) {
      out.problems.push_back({row, std::move(payload).error().Annotate("row " + std::to_string(row))});
      continue;
    }
    if (kept != row) std::memcpy(&out.vectors[kept * dim], &out.vectors[row * dim], dim * sizeof(float));
    ++kept;
    out.rows.ids.push_back(batch.ids[row]);
    out.rows.payloads.push_back(*payload);
    out.source.push_back(static_cast<uint32_t>(row));
  }
  out.rows.vectors = out.vectors.data();
  out.rows.dim = dim;
  return out;
}

}  // namespace akidb
