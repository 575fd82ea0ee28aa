#include "ann/graph_topology.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/coding.h"

namespace akidb {
namespace {

constexpr uint32_t kMagic = 0x48505247;  // "GRPH"
constexpr uint16_t kVersionWithoutBeams = 1;
constexpr uint16_t kVersionFast = 2;
constexpr uint16_t kVersion = 3;
constexpr uint32_t kBeamMax = 1u << 24;
constexpr uint32_t kDimMax = 1u << 20;     // as SEGv1
constexpr uint32_t kRowsMax = 0x7fffffff;  // one bit of a key belongs to the walk
constexpr uint32_t kEntriesMax = 1u << 16;

Status Bad(std::string_view field, uint64_t value, uint64_t limit) {
  return DataLoss("graph: " + std::string(field) + " is " + std::to_string(value) + ", at most " +
                  std::to_string(limit));
}

void PutIds(const std::vector<uint32_t>& ids, std::string* out) {
  const size_t at = out->size();
  out->resize(at + ids.size() * sizeof(uint32_t));
  if (!ids.empty()) std::memcpy(out->data() + at, ids.data(), ids.size() * sizeof(uint32_t));
}

std::vector<uint32_t> ReadIds(ByteReader& in, size_t count) {
  const std::string_view bytes = in.Bytes(count * sizeof(uint32_t));
  std::vector<uint32_t> out(bytes.size() / sizeof(uint32_t));
  if (!out.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

Status CheckIds(std::string_view what, const std::vector<uint32_t>& ids, uint32_t row_count) {
  const auto largest = std::ranges::max_element(ids);
  if (largest != ids.end() && *largest >= row_count) return Bad(what, *largest, uint64_t{row_count} - 1);
  return OkStatus();
}

bool IsLayout(uint32_t layout) {
  constexpr GraphLayoutKind kKnown[] = {GraphLayoutKind::kCompact5, GraphLayoutKind::kCompact8,
                                        GraphLayoutKind::kCompact12, GraphLayoutKind::kFast12};
  return std::ranges::any_of(kKnown, [&](GraphLayoutKind known) { return layout == static_cast<uint32_t>(known); });
}

// The oldest that can say it.
uint16_t VersionOf(const GraphTopology& t) {
  if (t.measured.beams.empty()) return kVersionWithoutBeams;
  return t.layout == GraphLayoutKind::kFast ? kVersionFast : kVersion;
}

Status CheckBeams(const std::vector<uint32_t>& beams) {
  if (!beams.empty() && beams.size() != std::size(kRecallLevels)) {
    return Bad("number of beams", beams.size(), std::size(kRecallLevels));
  }
  for (size_t i = 0; i < beams.size(); ++i) {
    if (beams[i] == 0 || beams[i] > kBeamMax) return Bad("a beam", beams[i], kBeamMax);
    if (i > 0 && beams[i] < beams[i - 1]) return DataLoss("graph: beams do not rise");
  }
  return OkStatus();
}

}  // namespace

Status ValidateGraphTopology(const GraphTopology& t) {
  if (t.distance != Distance::kCosine && t.distance != Distance::kEuclidean && t.distance != Distance::kDotProduct) {
    return DataLoss("graph: unknown distance " + std::to_string(static_cast<int>(t.distance)));
  }
  if (t.dim == 0 || t.dim > kDimMax) return Bad("dim", t.dim, kDimMax);
  if (t.row_count == 0 || t.row_count > kRowsMax) return Bad("number of rows", t.row_count, kRowsMax);
  if (t.entries.empty() || t.entries.size() % kGraphDegree != 0 || t.entries.size() > kEntriesMax) {
    return Bad("number of entries", t.entries.size(), kEntriesMax);
  }
  if (t.neighbours.size() != uint64_t{t.row_count} * kGraphDegree) {
    return DataLoss("graph: " + std::to_string(t.neighbours.size()) + " neighbours of " + std::to_string(t.row_count) +
                    " rows");
  }
  if (t.layout != GraphLayoutKind::kFast && !IsLayout(static_cast<uint32_t>(t.layout))) {
    return DataLoss("graph: unknown layout " + std::to_string(static_cast<uint32_t>(t.layout)));
  }
  if (t.layout != GraphLayoutKind::kFast && t.measured.beams.empty()) {
    return DataLoss("graph: layout " + std::to_string(static_cast<uint32_t>(t.layout)) + " without beams");
  }
  if (t.measured.sweeps.size() != t.measured.beams.size()) return DataLoss("graph: as many sweeps as beams are needed");
  AKI_RETURN_IF_ERROR(CheckBeams(t.measured.beams));
  AKI_RETURN_IF_ERROR(CheckBeams(t.measured.sweeps));
  if (!std::isfinite(t.measured.reach) || t.measured.reach < 0 || (t.measured.beams.empty() && t.measured.reach != 0)) {
    return DataLoss("graph: reach is " + std::to_string(t.measured.reach));
  }
  AKI_RETURN_IF_ERROR(CheckIds("an entry", t.entries, t.row_count));
  return CheckIds("a neighbour", t.neighbours, t.row_count);
}

std::string EncodeGraphTopology(const GraphTopology& t) {
  AKI_CHECK(ValidateGraphTopology(t).ok());
  std::string out;
  out.reserve(40 + (2 * t.measured.beams.size() + t.entries.size() + t.neighbours.size()) * sizeof(uint32_t));
  PutLe<uint32_t>(&out, kMagic);
  const uint16_t version = VersionOf(t);
  PutLe<uint16_t>(&out, version);
  PutLe<uint8_t>(&out, static_cast<uint8_t>(t.distance));
  PutLe<uint8_t>(&out, kGraphDegree);
  PutLe<uint32_t>(&out, t.dim);
  PutLe<uint32_t>(&out, t.row_count);
  PutLe<uint64_t>(&out, t.seed);
  PutLe<uint32_t>(&out, static_cast<uint32_t>(t.entries.size()));
  PutLe<uint32_t>(&out, static_cast<uint32_t>(t.measured.beams.size()));
  if (version == kVersion) PutLe<uint32_t>(&out, static_cast<uint32_t>(t.layout));
  PutIds(t.measured.beams, &out);
  PutIds(t.measured.sweeps, &out);
  if (!t.measured.beams.empty()) PutLe<float>(&out, t.measured.reach);
  PutIds(t.entries, &out);
  PutIds(t.neighbours, &out);
  return out;
}

Result<GraphTopology> DecodeGraphTopology(std::string_view bytes) {
  ByteReader in(bytes);
  const auto magic = in.Read<uint32_t>();
  const auto version = in.Read<uint16_t>();
  GraphTopology t;
  t.distance = static_cast<Distance>(in.Read<uint8_t>());
  const auto degree = in.Read<uint8_t>();
  t.dim = in.Read<uint32_t>();
  t.row_count = in.Read<uint32_t>();
  t.seed = in.Read<uint64_t>();
  const auto entries = in.Read<uint32_t>();
  const auto beams = in.Read<uint32_t>();
  const uint32_t layout = version == kVersion ? in.Read<uint32_t>() : 0;
  if (!in.ok() || magic != kMagic) return std::unexpected(DataLoss("graph: no header"));
  if (version < kVersionWithoutBeams || version > kVersion) {
    return std::unexpected(Unimplemented("graph: version " + std::to_string(version) + ", known are 1 to 3"));
  }
  if (version == kVersion && !IsLayout(layout)) {
    return std::unexpected(DataLoss("graph: unknown layout " + std::to_string(layout)));
  }
  t.layout = static_cast<GraphLayoutKind>(layout);
  if (degree != kGraphDegree) return std::unexpected(Bad("degree", degree, kGraphDegree));
  const uint32_t beams_expected = version == kVersionWithoutBeams ? 0 : static_cast<uint32_t>(std::size(kRecallLevels));
  if (beams != beams_expected) {
    return std::unexpected(DataLoss("graph: " + std::to_string(beams) + " beams, version " + std::to_string(version) +
                                    " has " + std::to_string(beams_expected)));
  }
  // Sizes first, so that nothing is allocated on the word of a number that the bytes do not bear out.
  const uint64_t measured = beams == 0 ? 0 : 2 * uint64_t{beams} + 1;
  if (in.remaining() != (measured + uint64_t{entries} + uint64_t{t.row_count} * kGraphDegree) * sizeof(uint32_t)) {
    return std::unexpected(DataLoss("graph: " + std::to_string(in.remaining()) + " bytes for " +
                                    std::to_string(t.row_count) + " rows and " + std::to_string(entries) + " entries"));
  }
  t.measured.beams = ReadIds(in, beams);
  t.measured.sweeps = ReadIds(in, beams);
  if (beams > 0) t.measured.reach = in.Read<float>();
  t.entries = ReadIds(in, entries);
  t.neighbours = ReadIds(in, size_t{t.row_count} * kGraphDegree);
  AKI_RETURN_IF_ERROR(ValidateGraphTopology(t));
  return t;
}

}  // namespace akidb
