#include "service/core/router.h"

#include <algorithm>
#include <array>

namespace akidb {
namespace {

// "/a/{b}" as {"a", "{b}"}.
std::vector<std::string_view> SplitPattern(std::string_view pattern) {
  std::vector<std::string_view> out;
  pattern.remove_prefix(1);
  while (true) {
    const size_t slash = pattern.find('/');
    out.push_back(pattern.substr(0, slash));
    if (slash == std::string_view::npos) return out;
    pattern.remove_prefix(slash + 1);
  }
}

const std::vector<std::vector<std::string_view>>& Patterns() {
  static const auto patterns = [] {
    std::vector<std::vector<std::string_view>> out;
    for (const Route& route : Routes()) out.push_back(SplitPattern(route.pattern));
    return out;
  }();
  return patterns;
}

bool Matches(const std::vector<std::string_view>& pattern, const std::vector<std::string>& segments) {
  return std::equal(pattern.begin(), pattern.end(), segments.begin(), segments.end(),
                    [](std::string_view want, const std::string& have) {
                      return want.starts_with('{') ? !have.empty() : want == have;
                    });
}

}  // namespace

const std::vector<Route>& Routes() {
  static const std::vector<Route> routes = {
      {"POST", "/collections", "createCollection", CreateCollection, {}},
      {"GET", "/collections", "listCollections", ListCollections, {}},
      {"GET", "/collections/{collection}", "describeCollection", DescribeCollection, {}},
      {"PATCH", "/collections/{collection}", "alterCollection", AlterCollection, {}, Place::kAckWriter},
      {"DELETE", "/collections/{collection}", "dropCollection", DropCollection, {}},
      {"GET", "/aliases", "listAliases", ListAliases, {}},
      {"PUT", "/aliases/{alias}", "setAlias", SetAlias, {}},
      {"DELETE", "/aliases/{alias}", "dropAlias", DropAlias, {}},
      {"POST", "/aliases:switch", "switchAlias", SwitchAlias, {}},
      {"POST",
       "/collections/{collection}/vectors",
       "writeVectors",
       WriteVectors,
       {"ack", "partial", "mode"},
       Place::kWriter},
      {"POST", "/collections/{collection}/vectors/get", "getVectors", GetVectors, {}},
      {"POST", "/collections/{collection}/vectors/delete", "deleteVectors", DeleteVectors, {"ack"}, Place::kWriter},
      {"POST", "/collections/{collection}/vectors/scroll", "scrollVectors", ScrollVectors, {}},
      {"POST", "/collections/{collection}/vectors/count", "countVectors", CountVectors, {}},
      {"GET",
       "/collections/{collection}/vectors/{id}",
       "getVector",
       GetVector,
       {"with_payload", "with_vector", "min_commit", "timeout_ms", "at"}},
      {"DELETE", "/collections/{collection}/vectors/{id}", "deleteVector", DeleteVector, {"ack"}, Place::kWriter},
      {"PATCH",
       "/collections/{collection}/vectors/{id}/payload",
       "mergePayload",
       MergePayload,
       {"ack"},
       Place::kWriter},
      {"POST", "/collections/{collection}/search", "search", SearchVectors, {}},
      {"POST", "/collections/{collection}/batch-search", "batchSearch", BatchSearch, {}},
      {"POST", "/collections/{collection}/snapshots", "createSnapshot", CreateSnapshot, {}, Place::kWriterSlow},
      {"GET", "/collections/{collection}/snapshots", "listSnapshots", ListSnapshots, {}},
      {"GET", "/collections/{collection}/snapshots/{snapshot}", "describeSnapshot", DescribeSnapshot, {}},
      {"DELETE",
       "/collections/{collection}/snapshots/{snapshot}",
       "deleteSnapshot",
       DeleteSnapshot,
       {},
       Place::kWriterSlow},
      {"POST",
       "/collections/{collection}/snapshots/{snapshot}/revert",
       "revertToSnapshot",
       RevertToSnapshot,
       {},
       Place::kWriterSlow},
      {"POST", "/collections/{collection}/clone", "cloneCollection", CloneCollection, {}, Place::kWriterSlow},
      {"POST", "/collections/{collection}/rebind", "rebindCollection", RebindCollection, {}},
      {"POST", "/collections/{collection}/flush", "flush", FlushCollection, {}, Place::kWriterSlow},
      {"POST", "/collections/{collection}/merge", "merge", MergeCollection, {}, Place::kWriterSlow},
      {"GET", "/jobs", "listJobs", ListJobs, {}},
      {"GET", "/jobs/{id}", "getJob", GetJob, {}, Place::kJob},
      {"DELETE", "/jobs/{id}", "cancelJob", CancelJob, {}, Place::kJob},
      {"GET", "/health/live", "healthLive", HealthLive, {}},
      {"GET", "/health/ready", "healthReady", HealthReady, {}},
      {"GET", "/limits", "limits", ShowLimits, {}},
      {"GET", "/metrics", "metrics", ShowMetrics, {}},
      {"GET", "/version", "version", ShowVersion, {}},
      {"GET", "/openapi.json", "openapi", ShowOpenApi, {}},
  };
  return routes;
}

Priority PriorityOf(const Route& route) {
  // These are POST because a question may not fit into a path.
  constexpr std::array<std::string_view, 5> kQuestions = {"search", "batchSearch", "getVectors", "scrollVectors",
                                                          "countVectors"};
  const bool asks = route.method == "GET" || std::ranges::find(kQuestions, route.operation) != kQuestions.end();
  return asks ? Priority::kQuery : Priority::kWrite;
}

RouteMatch MatchRoute(std::string_view method, const std::vector<std::string>& segments) {
  RouteMatch match;
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  for (size_t i = 0; i < Routes().size(); ++i) {
    if (!Matches(Patterns()[i], segments)) continue;
    const Route& route = Routes()[i];
    if (match.route == nullptr && route.method == wanted) {
      match.route = &route;
      match.index = i;
      for (size_t k = 0; k < segments.size(); ++k) {
        if (Patterns()[i][k].starts_with('{')) match.params.push_back(segments[k]);
      }
    }
    if (!match.allow.empty()) match.allow += ", ";
    match.allow += route.method;
    if (route.method == "GET") match.allow += ", HEAD";
  }
  return match;
}

}  // namespace akidb
