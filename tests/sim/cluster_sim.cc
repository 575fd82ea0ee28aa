#include "cluster_sim.h"

#include <algorithm>
#include <optional>

#include "base/log.h"
#include "cluster_workload.h"
#include "db_sim.h"
#include "fiber.h"

namespace akidb::sim {

namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// A node and what it is in the middle of.
struct Seat {
  std::unique_ptr<Node> node;
  std::unique_ptr<Fiber> fiber;
  std::function<void()> task;  // null between tasks
  bool died = false;           // in its last task
  bool closed = false;         // its last task closed the database
  MonotonicTime wake{};        // of the world: asleep, paused or down until then
  const BucketWrite* about_to_send = nullptr;
  Fate fate = Fate::kSend;  // of the request it is about to send
};

class ClusterSim {
 public:
  ClusterSim(const RunOptions& run, Lie lie)
      : lie_(lie),
        world_(run.seed),
        bucket_(world_, 12),
        truth_(&world_),
        dice_(run.seed, 81),
        options_(OptionsOf(dice_)),
        workload_(&world_, &truth_, run.seed, [this](Node& node, Duration by) { Sleep(node, by); }) {
    world_.trace().set_printing(run.trace);
    truth_.Watch(&bucket_);
    truth_.set_store_lies(lie == Lie::kIgnoreConditions || lie == Lie::kForgetObjects || lie == Lie::kHideObjects);
    DrawWeather();
    for (uint64_t i = dice_.Between(2, 3); i > 0; --i) AddSeat();
  }

  RunResult Run() {
    RunResult result;
    try {
      for (uint64_t steps = dice_.Between(400, 3'000); steps > 0; --steps) Step();
      Finish();
    } catch (const Violation& violation) {
      result.violation = violation.what;
    }
    TearDown();
    if (!result.violation && !world_.io_in_destructor().empty()) {
      result.violation = "a destructor does I/O: " + world_.io_in_destructor();
    }
    result.trace_hash = world_.trace().hash();
    result.coverage = world_.coverage();
    result.coverage.Count("io", world_.io_count());
    return result;
  }

 private:
  static EngineOptions OptionsOf(Dice& dice) {
    EngineOptions options = RandomEngineOptions(dice);
    options.home_confirm = milliseconds(dice.Between(100, 8'000));
    options.limits.at_risk_bytes_max = dice.Between(16, 256) << 10;
    return options;
  }

  void DrawWeather() {
    for (uint32_t* ppm : {&foul_.unavailable_ppm, &foul_.lost_request_ppm, &foul_.lost_answer_ppm,
                          &foul_.late_request_ppm, &foul_.twice_ppm, &foul_.broken_body_ppm, &foul_.slow_ppm}) {
      if (dice_.Coin()) *ppm = static_cast<uint32_t>(dice_.Between(1, 80'000));
    }
    foul_.silence_ppm = SilencePpm(world_.seed());
    foul_.late_max = dice_.Coin() ? minutes(1) : minutes(90);
    // What is older than the grace is in every listing: the collector's listings may miss the rest.
    if (dice_.Coin()) foul_.list_lag_max = std::min<Duration>(seconds(dice_.Between(1, 120)), options_.gc_grace);
    if (lie_ == Lie::kIgnoreConditions) foul_.ignore_condition_ppm = fair_.ignore_condition_ppm = 1'000'000;
    if (lie_ == Lie::kForgetObjects) foul_.forget_ppm = fair_.forget_ppm = 5'000;
    if (lie_ == Lie::kHideObjects) foul_.hide_ppm = fair_.hide_ppm = 300'000;
    pause_ppm_ = dice_.Coin() ? 0 : static_cast<uint32_t>(dice_.Between(500, 6'000));
    kill_ppm_ = dice_.Coin() ? 0 : static_cast<uint32_t>(dice_.Between(500, 6'000));
    if (lie_ == Lie::kStoppedClocks) {
      pause_ppm_ = 6'000;
      workload_.RebindOften();
    }
    bucket_.faults() = fair_;
  }

  void AddSeat() {
    const size_t number = seats_.size();
    auto seat = std::make_unique<Seat>();
    Seat* const raw = seat.get();
    // Two nodes with one name are a mistake of whoever started them, and must not be worse than that.
    const std::string name = number > 0 && dice_.Chance(100'000) ? "n0" : "n" + std::to_string(number);
    seat->node = std::make_unique<Node>(world_, bucket_, name, options_, dice_.Next());
    Lying(&seat->node->disk().faults(), lie_);
    seat->node->set_outbound([this, raw](const WireRequest& request) {
      raw->about_to_send = request.write;
      Stop(raw);
      raw->about_to_send = nullptr;
      return std::exchange(raw->fate, Fate::kSend);
    });
    seat->node->set_inbound([this, raw](const WireRequest&) { Stop(raw); });
    seat->fiber = std::make_unique<Fiber>([this, raw] { Live(raw); });
    seats_.push_back(std::move(seat));
  }

  // In the fiber: others run, until it is this node's turn again.
  void Stop(Seat* seat) {
    Fiber::Yield();
    if (seat->node->doomed()) throw SimCrash{};
  }

  void Sleep(Node& node, Duration by) {
    const auto seat = std::ranges::find(seats_, &node, [](const auto& s) { return s->node.get(); });
    (*seat)->wake = world_.clock().Now() + by;
    Stop(seat->get());
  }

  // What a fiber does: one task after the other.
  void Live(Seat* seat) {
    while (!ending_) {
      try {
        if (seat->task) seat->task();
      } catch (const SimCrash&) {
        seat->died = true;
      } catch (const SimDied& died) {
        violation_ = "I4: the process died without a fault: " + died.why;
      } catch (const Violation& violation) {
        if (!violation_) violation_ = violation.what;
      }
      seat->task = nullptr;
      Fiber::Yield();
    }
  }

  void Resume(Seat* seat) {
    seat->node->clock().GoOn();
    seat->fiber->Resume();
    if (violation_) throw Violation{*violation_};
    if (seat->task) return;
    if (seat->died || seat->closed) Bury(seat);
  }

  // Its stack is unwound.
  void Bury(Seat* seat) {
    const bool power = !seat->closed && dice_.Coin();
    world_.trace().Line(seat->node->name() + (seat->closed ? " closed" : power ? " lost power" : " was killed"));
    world_.coverage().Count(seat->closed ? "close" : "crash.scheduled");
    seat->node->Kill(power);
    truth_.HomeEnded(seat->node->name(), seat->node->ReadLog());
    seat->died = seat->closed = false;
    seat->fate = Fate::kSend;
    seat->about_to_send = nullptr;
    seat->wake = world_.clock().Now() + milliseconds(dice_.Between(1, 20'000));
  }

  void Step() {
    bucket_.Deliver();
    world_.clock().Advance(milliseconds(dice_.Chance(50'000) ? dice_.Between(1, 3'000) : dice_.Between(0, 8)));
    if (dice_.Chance(pause_ppm_)) Pause(AnySeat());
    if (dice_.Chance(kill_ppm_)) Kill(AnySeat());
    if (dice_.Chance(4'000)) ChangeWeather();
    if (dice_.Chance(3'000)) JumpWall(AnySeat());
    PassTime();
    std::vector<Seat*> ready;
    MonotonicTime next = MonotonicTime::max();
    for (const auto& seat : seats_) {
      if (seat->wake <= world_.clock().Now()) ready.push_back(seat.get());
      next = std::min(next, seat->wake);
    }
    if (ready.empty()) return world_.clock().Advance(next - world_.clock().Now());
    // Often the same one again, so that some get far while others stand still.
    if (last_ == nullptr || dice_.Coin() || std::ranges::find(ready, last_) == ready.end())
      last_ = ready[dice_.Below(ready.size())];
    if (!last_->task) last_->task = NextTask(last_);
    Resume(last_);
  }

  Seat* AnySeat() { return seats_[dice_.Below(seats_.size())].get(); }

  std::function<void()> NextTask(Seat* seat) {
    Node& node = *seat->node;
    if (!node.up()) return [this, seat] { Start(seat); };
    if (dice_.Chance(2'000)) return [this, seat] { Close(seat); };
    if (dice_.Chance(50'000)) return [this, &node] { Idle(node); };
    if (dice_.Coin()) return [this, &node] { workload_.Any(node); };
    return [this, &node] {
      if (!node.executor().StepOne(dice_)) Idle(node);
    };
  }

  void Start(Seat* seat) {
    workload_.Started(*seat->node);
    world_.trace().Line(seat->node->name() + " opens");
    const Status status = seat->node->Start();
    world_.coverage().Count(status.ok() ? "node.started" : "node.refused");
    if (status.ok()) return;
    world_.trace().Line(seat->node->name() + " open: " + status.ToString());
    const bool network = status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kDeadlineExceeded ||
                         status.code() == StatusCode::kPermissionDenied;
    if (!network) throw Violation{"I5: " + seat->node->name() + " does not open: " + status.ToString()};
    seat->closed = true;
  }

  void Close(Seat* seat) {
    NodeContext ctx = seat->node->Context();
    const Status status = seat->node->db().Close(ctx);
    world_.trace().Line(seat->node->name() + " close " + status.ToString());
    seat->closed = true;
  }

  // Waits as long as its background tasks do.
  void Idle(Node& node) {
    const auto due = node.executor().NextDue();
    const Duration least = milliseconds(dice_.Between(1, 2'000));
    const Duration wait = due ? std::max<Duration>(*due - node.clock().Now(), milliseconds(1)) : least;
    Sleep(node, dice_.Coin() ? least : std::min<Duration>(wait, minutes(1)));
  }

  // Stops wherever it is. What it was about to send may already be on its way.
  void Pause(Seat* seat) {
    const auto ms = [&](uint64_t most) { return milliseconds(dice_.Between(1, most)); };
    const Duration pause = dice_.Coin() ? ms(90'000) : ms(2 * 3'600'000);
    if (seat->about_to_send != nullptr && dice_.Coin()) {
      bucket_.SendLate(*seat->about_to_send, std::chrono::nanoseconds(dice_.Below(2 * pause.count())));
      seat->fate = Fate::kLose;
      world_.coverage().Count("pause.with_request_on_the_wire");
    }
    if (seat->task) world_.coverage().Count("pause.in_the_middle");
    world_.trace().Line(seat->node->name() + " pauses for " + std::to_string(pause / milliseconds(1)) + " ms");
    seat->wake = std::max(seat->wake, world_.clock().Now() + pause);
    // A home that does not notice how long it stood still believes that it still is one.
    if (lie_ == Lie::kStoppedClocks) seat->node->clock().Stop();
    // Time passes, more or less of it.
    if (dice_.Coin()) jump_until_ = seat->wake;
  }

  void Kill(Seat* seat) {
    if (!seat->node->up() && !seat->task) return;
    if (seat->about_to_send != nullptr && dice_.Coin()) {
      bucket_.SendLate(*seat->about_to_send, milliseconds(dice_.Between(1, 3'600'000)));
      world_.coverage().Count("crash.with_request_on_the_wire");
    }
    seat->node->Doom();
    if (!seat->task) {
      world_.coverage().Count("crash.idle");
      return Bury(seat);
    }
    seat->wake = {};
    while (seat->task) Resume(seat);
  }

  void JumpWall(Seat* seat) {
    seat->node->clock().JumpWall(minutes(static_cast<int64_t>(dice_.Below(2 * 60 * 24)) - 60 * 24));
    world_.coverage().Count("clock.jump");
  }

  void ChangeWeather() {
    const uint64_t kind = dice_.Below(10);
    bucket_.faults() = kind < 4 ? fair_ : foul_;
    if (kind == 7) bucket_.faults().unavailable_ppm = 600'000;  // a storm of 503
    if (kind == 8) bucket_.faults().quorum = Quorum::kReadOnly;
    if (kind == 9) bucket_.faults().quorum = Quorum::kNone;
  }

  // Some of the time that a pause takes.
  void PassTime() {
    const Duration left = jump_until_ - world_.clock().Now();
    if (left <= Duration() || !dice_.Chance(10'000)) return;
    world_.clock().Advance(Duration(static_cast<int64_t>(dice_.Below(static_cast<uint64_t>(left.count())))));
  }

  // Runs a task of one node to its end, while all others stand still.
  void RunAlone(Seat* seat, std::function<void()> task) {
    seat->task = std::move(task);
    EndTask(seat);
  }
  void EndTask(Seat* seat) {
    while (seat->task) {
      bucket_.Deliver();
      world_.clock().Advance(std::max<Duration>(seat->wake - world_.clock().Now(), milliseconds(1)));
      Resume(seat);
    }
  }

  void MustStart(Seat* seat) {
    for (int tries = 0; !seat->node->up(); ++tries) {
      if (tries > 10) throw Violation{"I5: " + seat->node->name() + " does not open although nothing is broken"};
      RunAlone(seat, [&] { Start(seat); });
    }
  }
  void StartAll() {
    for (const auto& seat : seats_) MustStart(seat.get());
  }

  void MustShowAll() {
    for (const auto& seat : seats_) RunAlone(seat.get(), [&] { workload_.MustShowAll(*seat->node); });
  }

  // What is bound to a node, others see only then. Homes stay where their disks are, and no disk is ever lost here.
  void PublishBound() {
    int bound = 0;
    for (const auto& seat : seats_) RunAlone(seat.get(), [&] { bound += workload_.MustWriteBound(*seat->node); });
    if (bound != workload_.BoundCount()) throw Violation{"I1: a collection is bound to a disk that nobody has"};
  }

  void KillAll() {
    for (const auto& seat : seats_) Kill(seat.get());
  }

  // Virtual time in which nobody asks for anything.
  void RunBackground(int jumps) {
    for (int i = 0; i < jumps; ++i) {
      world_.clock().Advance(milliseconds(dice_.Between(1'000, 45'000)));
      for (const auto& seat : seats_) {
        RunAlone(seat.get(), [&] {
          int steps = 0;
          while (seat->node->executor().StepOne(dice_)) {
            if (++steps > 2'000) throw Violation{"background work of " + seat->node->name() + " never rests"};
          }
        });
      }
    }
  }

  // Good weather: whatever was in the middle of something ends it, everything on the wire arrives. Then all nodes show
  // all that was acknowledged; one takes everything over; what is garbage goes; and a node with an empty disk finds it
  // all again.
  void Finish() {
    bucket_.faults() = fair_;
    world_.trace().Line("good weather");
    for (const auto& seat : seats_) {
      seat->wake = {};
      seat->node->clock().GoOn();
      EndTask(seat.get());
    }
    world_.clock().Advance(std::chrono::hours(5));  // what a long pause left there may take four
    bucket_.Deliver();
    StartAll();
    PublishBound();
    MustShowAll();
    KillAll();
    StartAll();
    MustShowAll();
    PublishBound();
    Seat* const writer = AnySeat();
    RunAlone(writer, [&] { workload_.MustTakeOver(*writer->node); });
    MustShowAll();
    // Twice: whoever is not asked for anything does not see what other nodes unpin.
    for (int i = 0; i < 2; ++i) {
      RunBackground(35);
      MustShowAll();
    }
    RunBackground(35);
    MustShowAll();
    if (const std::vector<std::string> garbage = truth_.Garbage(); !garbage.empty()) {
      throw Violation{"I8: nobody collects " + garbage.front() + " and " + std::to_string(garbage.size() - 1) +
                      " more"};
    }
    KillAll();
    AddSeat();
    Seat* const empty = seats_.back().get();
    MustStart(empty);
    RunAlone(empty, [&] { workload_.MustShowAll(*empty->node); });
  }

  void TearDown() {
    ending_ = true;
    bucket_.set_watcher(nullptr);
    for (const auto& seat : seats_) {
      seat->node->Doom();
      while (!seat->fiber->done()) seat->fiber->Resume();
      seat->node->Kill();
    }
  }

  const Lie lie_;
  World world_;
  SimBucket bucket_;
  Truth truth_;
  Dice dice_;
  EngineOptions options_;
  ClusterWorkload workload_;
  BucketFaults fair_;
  BucketFaults foul_;
  uint32_t pause_ppm_ = 0;
  uint32_t kill_ppm_ = 0;
  MonotonicTime jump_until_{};
  std::vector<std::unique_ptr<Seat>> seats_;
  Seat* last_ = nullptr;
  std::optional<std::string> violation_;
  bool ending_ = false;
};

}  // namespace

RunResult RunCluster(const RunOptions& options, Lie lie) {
  SetLogSink([&](std::string_view line) {
    if (options.trace) std::printf("log %.*s\n", static_cast<int>(line.size()), line.data());
  });
  RunResult result = ClusterSim(options, lie).Run();
  SetLogSink({});
  return result;
}

}  // namespace akidb::sim
