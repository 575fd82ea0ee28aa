// `akidb bench ann --churn ROUNDS`: the index of growing rows while a tenth of its rows leaves and another comes, round
// after round: what recall is lost at one beam, and what coming, leaving and searching cost. One thread.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "ann/flat_index.h"
#include "ann/growing_index.h"
#include "base/json_writer.h"
#include "base/random.h"
#include "cli/ann_vectors.h"
#include "cli/bench_time.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/table.h"

namespace akidb {
namespace {

constexpr uint32_t kChangedOneIn = 10;
constexpr uint32_t kQueriesMax = 500;  // their true nearest are found anew every round
constexpr uint32_t kRowsAStep = 1024;
constexpr double kRecall = 0.95;  // the first beam that reaches it is used throughout
constexpr uint32_t kChurnBeams[] = {10,  12,  16,  20,  24,  32,  40,  48,  64,  80,
                                    100, 128, 160, 200, 256, 320, 400, 512, 800, 1200};

struct Round {
  uint32_t number = 0;
  double recall = 0;
  double search_qps = 0;
  double insert_rows_s = 0;
  double delete_rows_s = 0;  // mending included
};

class ChurnBench {
 public:
  ChurnBench(const AnnBenchOptions& options, const Console& console)
      : options_(options), console_(console), random_(NewSeededRandom(options.seed)) {}

  Status Run() {
    AKI_RETURN_IF_ERROR(Load());
    const uint32_t all = base_.view.row_count;
    changed_ = all / kChangedOneIn;
    const uint32_t first = all - changed_;
    live_.emplace(all);
    index_ = NewIndex();
    Round round;
    AKI_ASSIGN_OR_RETURN(const Duration filled, Insert(first));
    round.insert_rows_s = first / Seconds(filled);
    for (RowIndex row = 0; row < first; ++row) live_->Add(row);
    bytes_per_row_ = static_cast<double>(index_->memory_bytes()) / first;
    AKI_RETURN_IF_ERROR(FindTruth());
    AKI_RETURN_IF_ERROR(ChooseBeam(&round));
    rounds_.push_back(round);
    while (rounds_.size() <= options_.churn_rounds) {
      AKI_RETURN_IF_ERROR(Churn());
      if (!console_.json()) Show(rounds_.back());
    }
    index_ = NewIndex();
    OpContext ctx(RealClock());
    const auto absent = [&](RowIndex row) { return !live_->Contains(row); };
    AKI_RETURN_IF_ERROR(index_->Advance(ctx, all, all, absent));
    AKI_RETURN_IF_ERROR(Search(ef_, &rebuilt_));
    Print();
    return OkStatus();
  }

 private:
  Status Load() {
    AKI_ASSIGN_OR_RETURN(AnnVectors read, ReadAnnVectors(options_, 100));
    base_ = std::move(read.base);
    queries_ = std::move(read.queries);
    queries_.rows = std::min(queries_.rows, kQueriesMax);
    distance_ = DistanceOfMetric(options_.metric);
    return OkStatus();
  }

  std::unique_ptr<GrowingIndex> NewIndex() const {
    return std::make_unique<GrowingIndex>(
        base_.view, distance_,
        GrowingOptions{.rows_min = 1000, .ef_construction = options_.ef_construction, .seed = options_.seed});
  }

  // The first `count` rows.
  Result<Duration> Insert(uint32_t count) {
    OpContext ctx(RealClock());
    const MonotonicTime began = RealClock().Now();
    for (uint32_t more = 1; more > 0;) {
      AKI_ASSIGN_OR_RETURN(more, index_->Advance(ctx, count, kRowsAStep));
      AKI_RETURN_IF_ERROR(CheckInterrupt());
    }
    return RealClock().Now() - began;
  }

  IndexQuery QueryOf(uint32_t i, uint32_t ef) const {
    return {.vector = {queries_.Row(i), queries_.columns}, .k = options_.k, .eligible = &*live_, .ef_search = ef};
  }

  // For each query the score of the last of its true best k.
  Status FindTruth() {
    OpContext ctx(RealClock());
    const auto flat = NewFlatIndex(base_.view, distance_);
    worst_.resize(queries_.rows);
    std::vector<Candidate> found;
    for (uint32_t i = 0; i < queries_.rows; ++i) {
      AKI_RETURN_IF_ERROR(CheckInterrupt());
      AKI_RETURN_IF_ERROR(flat->Search(ctx, QueryOf(i, 0), &found));
      worst_[i] = found.at(std::min<size_t>(options_.k, found.size()) - 1).score;
    }
    return OkStatus();
  }

  Status Search(uint32_t ef, Round* round) {
    OpContext ctx(RealClock());
    const auto view = index_->View(base_.view.row_count);
    std::vector<Candidate> found;
    uint64_t hits = 0;
    const MonotonicTime began = RealClock().Now();
    for (uint32_t i = 0; i < queries_.rows; ++i) {
      AKI_RETURN_IF_ERROR(view->Search(ctx, QueryOf(i, ef), &found));
      const auto right = std::ranges::count_if(found, [&](const Candidate& c) {
        return LargerIsNearer(distance_) ? c.score >= worst_[i] : c.score <= worst_[i];
      });
      hits += std::min<uint64_t>(static_cast<uint64_t>(right), options_.k);
    }
    round->search_qps = queries_.rows / Seconds(RealClock().Now() - began);
    round->recall = static_cast<double>(hits) / (static_cast<double>(options_.k) * queries_.rows);
    return CheckInterrupt();
  }

  Status ChooseBeam(Round* round) {
    const double wanted = options_.recalls.empty() ? kRecall : options_.recalls.front();
    for (const uint32_t ef : kChurnBeams) {
      ef_ = options_.beams.empty() ? std::max(ef, options_.k) : options_.beams.front();
      AKI_RETURN_IF_ERROR(Search(ef_, round));
      if (round->recall >= wanted || !options_.beams.empty()) break;
    }
    return OkStatus();
  }

  Status Churn() {
    OpContext ctx(RealClock());
    Round round;
    round.number = static_cast<uint32_t>(rounds_.size());
    std::vector<RowIndex> leaving;
    while (leaving.size() < changed_) {
      const auto row = static_cast<RowIndex>(random_->Below(base_.view.row_count));
      if (!live_->Contains(row) || !index_->IsLinked(row)) continue;
      live_->Remove(row);
      leaving.push_back(row);
    }
    MonotonicTime began = RealClock().Now();
    for (const RowIndex row : leaving) index_->Remove(row);
    for (bool more = true; more;) {
      AKI_ASSIGN_OR_RETURN(more, index_->Mend(ctx, kRowsAStep));
      AKI_RETURN_IF_ERROR(CheckInterrupt());
    }
    round.delete_rows_s = changed_ / Seconds(RealClock().Now() - began);
    began = RealClock().Now();
    if (round.number == 1) {
      AKI_RETURN_IF_ERROR(Insert(base_.view.row_count));
      for (RowIndex row = base_.view.row_count - changed_; row < base_.view.row_count; ++row) live_->Add(row);
    }
    for (const RowIndex row : absent_) {
      index_->Restore(row);
      live_->Add(row);
    }
    round.insert_rows_s = changed_ / Seconds(RealClock().Now() - began);
    absent_ = std::move(leaving);
    AKI_RETURN_IF_ERROR(FindTruth());
    AKI_RETURN_IF_ERROR(Search(ef_, &round));
    rounds_.push_back(round);
    return OkStatus();
  }

  void Show(const Round& r) const {
    console_.Print("round " + std::to_string(r.number) + ": recall " + Fixed(r.recall, 4) + ", " +
                   HumanCount(static_cast<uint64_t>(r.search_qps)) + " searches/s, " +
                   HumanCount(static_cast<uint64_t>(r.insert_rows_s)) + " inserts/s, " +
                   HumanCount(static_cast<uint64_t>(r.delete_rows_s)) + " deletes/s\n");
  }

  double LostPoints() const { return 100 * (rounds_.front().recall - rounds_.back().recall); }

  void Print() const {
    if (!console_.json()) {
      Show(rounds_.front());
      console_.Print("ef_search " + std::to_string(ef_) + ", " + Fixed(bytes_per_row_, 0) +
                     " bytes of index a row; lost " + Fixed(LostPoints(), 2) +
                     " points of recall; the same rows linked anew: " + Fixed(rebuilt_.recall, 4) + "\n");
      return;
    }
    std::string out;
    JsonWriter w(&out);
    w.BeginObject().Key("n").Value(base_.view.row_count).Key("dim").Value(base_.view.dim);
    w.Key("metric").Value(options_.metric).Key("k").Value(options_.k).Key("vector_type").Value(options_.vector_type);
    w.Key("index").Value("growing").Key("changed_rows_a_round").Value(changed_).Key("ef_search").Value(ef_);
    w.Key("ef_construction").Value(options_.ef_construction).Key("kernel").Value(Kernels().name);
    w.Key("index_bytes_per_vector").Value(bytes_per_row_).Key("rounds").BeginArray();
    for (const Round& r : rounds_) {
      w.BeginObject().Key("round").Value(r.number).Key("recall").Value(r.recall).Key("qps").Value(r.search_qps);
      w.Key("insert_rows_s").Value(r.insert_rows_s);
      if (r.number > 0) w.Key("delete_rows_s").Value(r.delete_rows_s);
      w.EndObject();
    }
    w.EndArray().Key("recall_lost_points").Value(LostPoints()).Key("recall_linked_anew").Value(rebuilt_.recall);
    w.Key("qps_linked_anew").Value(rebuilt_.search_qps).EndObject();
    console_.PrintJson(out);
  }

  const AnnBenchOptions& options_;
  const Console& console_;
  const std::unique_ptr<Random> random_;
  StoredVectors base_;
  FloatMatrix queries_;
  Distance distance_ = Distance::kCosine;
  std::unique_ptr<GrowingIndex> index_;
  std::optional<RowSet> live_;
  std::vector<RowIndex> absent_;
  std::vector<double> worst_;
  std::vector<Round> rounds_;
  Round rebuilt_;
  uint32_t changed_ = 0;
  uint32_t ef_ = 0;
  double bytes_per_row_ = 0;
};

}  // namespace

Status RunChurnBench(const AnnBenchOptions& options, const Console& console) {
  return ChurnBench(options, console).Run();
}

}  // namespace akidb
