#include "store_sim.h"

#include <functional>

#include "model.h"
#include "objstore/localfs/localfs_store.h"
#include "sim_disk.h"

namespace akidb::sim {

namespace {

constexpr char kDir[] = "/store";
constexpr uint64_t kSizeMax = 1 << 20;

// What a key may hold: one body (or nothing) when certain, several after a request whose outcome is not known.
using Bodies = std::set<std::optional<std::string>>;

class StoreSim {
 public:
  StoreSim(const RunOptions& run, Lie lie) : world_(run.seed), disk_(world_, 11), dice_(run.seed, 61) {
    world_.trace().set_printing(run.trace);
    Lying(&fair_, lie);
    foul_ = fair_;
    const auto maybe = [&](uint32_t* ppm) {
      if (dice_.Chance(300'000)) *ppm = static_cast<uint32_t>(dice_.Between(1, 30'000));
    };
    maybe(&foul_.sync_error_ppm);
    maybe(&foul_.dir_sync_error_ppm);
    maybe(&foul_.short_write_ppm);
    maybe(&foul_.write_error_ppm);
    maybe(&foul_.read_error_ppm);
    if (dice_.Chance(300'000)) foul_.capacity_bytes = dice_.Between(8, 64) << 10;
  }

  RunResult Run() {
    RunResult result;
    try {
      for (uint64_t steps = dice_.Between(60, 250); steps > 0; --steps) Guarded([this] { Step(); });
      calm_ = true;
      disk_.faults() = fair_;
      world_.CancelCrash();
      for (int i = 0; i < 2; ++i) {
        Guarded([this] { CompareAll(); });
        EndLife();
        Guarded([this] { CompareAll(); });
      }
    } catch (const Violation& violation) {
      result.violation = violation.what;
    }
    TearDown();
    if (!result.violation && !world_.io_in_destructor().empty()) {
      result.violation = "a destructor does I/O: " + world_.io_in_destructor();
    }
    result.trace_hash = world_.trace().hash();
    result.coverage = world_.coverage();
    return result;
  }

 private:
  void Guarded(const std::function<void()>& body) {
    try {
      if (store_ == nullptr) Recover();
      body();
      world_.ThrowIfCrashed();
    } catch (const SimCrash&) {
      world_.coverage().Count("crash.scheduled");
      EndLife();
    } catch (const SimDied& died) {
      world_.coverage().Count("crash.died");
      if (disk_.faults_injected() == faults_before_) throw Violation{"I4: died without a fault: " + died.why};
      EndLife();
    }
  }

  void TearDown() {
    life_->alive = false;
    life_->torn_down = true;
    store_.reset();
    fs_.reset();
  }

  void EndLife() {
    TearDown();
    world_.CancelCrash();
    if (dice_.Chance(700'000)) {
      world_.trace().Line("power lost");
      disk_.LosePower();
    } else {
      world_.trace().Line("process killed");
      disk_.EndProcess();
    }
  }

  void Recover() {
    faults_before_ = disk_.faults_injected();
    if (!calm_ && crashes_in_recovery_++ < 3 && dice_.Chance(200'000))
      world_.ScheduleCrash(dice_.Between(1, 20), RandomPhase());
    disk_.faults() = fair_;
    life_ = std::make_shared<Life>();
    fs_ = disk_.Mount(life_);
    world_.trace().Line("open");
    OpContext ctx(world_.clock());
    auto store = OpenLocalFsStore(ctx, *fs_, dice_, world_.clock(), kDir, [life = life_](const Status& status) {
      life->alive = false;
      throw SimDied{status.ToString()};
    });
    if (!store) world_.ThrowIfCrashed();
    if (!store) throw Violation{"I5: the store does not open: " + store.error().ToString()};
    store_ = *std::move(store);
    CompareAll();
    world_.coverage().Count("recovery");
    crashes_in_recovery_ = 0;
    if (!calm_) disk_.faults() = foul_;
  }

  std::string RandomKey() {
    static const char* const kKeys[] = {"a", "b/1", "b/2", "c/d/1", "c/d/2", "c/d/e/f/g"};
    return kKeys[dice_.Below(std::size(kKeys))];
  }
  std::string RandomBody() {
    std::string body = "#" + std::to_string(++bodies_) + ":";
    body.append(dice_.Below(dice_.Chance(100'000) ? 9000 : 900), static_cast<char>('a' + dice_.Below(26)));
    return body;
  }
  CrashPhase RandomPhase() { return static_cast<CrashPhase>(dice_.Between(1, 3)); }

  // Reads `key`, which settles what it holds.
  void CompareKey(const std::string& key) {
    OpContext ctx(world_.clock());
    const auto body = store_->Get(ctx, key, kSizeMax);
    std::optional<std::string> actual;
    if (body) {
      actual = body->bytes;
      if (body->meta.size_bytes != body->bytes.size()) throw Violation{"get of " + key + " reports a wrong size"};
    } else if (body.error().code() != StatusCode::kNotFound) {
      return Accept(body.error());
    }
    Bodies& expected = keys_[key];
    if (expected.empty()) expected.insert(std::nullopt);
    if (!expected.contains(actual)) {
      throw Violation{"I1, I2: " + key + " holds " + (actual ? actual->substr(0, 12) : "nothing") + ", not one of " +
                      std::to_string(expected.size()) + " possible bodies such as " +
                      (expected.rbegin()->has_value() ? (*expected.rbegin())->substr(0, 12) : "none")};
    }
    if (expected.size() > 1) world_.coverage().Count("store.open_outcome_settled");
    expected = {actual};
    if (body) etags_[key] = body->meta.etag;
  }

  void CompareAll() {
    for (const char* key : {"a", "b/1", "b/2", "c/d/1", "c/d/2", "c/d/e/f/g"}) CompareKey(key);
    OpContext ctx(world_.clock());
    std::set<std::string> listed;
    std::string after;
    while (true) {
      const auto page = store_->List(ctx, "", after, static_cast<uint32_t>(dice_.Between(1, 4)));
      if (!page) return Accept(page.error());
      for (const ObjectMeta& object : page->objects) {
        if (object.key <= after) throw Violation{"the listing is out of order at " + object.key};
        after = object.key;
        listed.insert(object.key);
      }
      if (!page->truncated) break;
    }
    for (const auto& [key, bodies] : keys_) {
      if (bodies.size() == 1 && bodies.begin()->has_value() != listed.contains(key))
        throw Violation{"the listing is wrong about " + key};
      listed.erase(key);
    }
    if (!listed.empty()) throw Violation{"the listing shows " + *listed.begin() + ", which nobody wrote"};
  }

  void Step() {
    OpContext ctx(world_.clock());
    const uint64_t action = dice_.Below(100);
    const std::string key = RandomKey();
    if (action < 50) {
      Put(ctx, key);
    } else if (action < 62) {
      Delete(ctx, key);
    } else if (action < 80) {
      CompareKey(key);
    } else if (action < 85) {
      CompareAll();
    } else if (action < 95) {
      if (!world_.crash_scheduled()) world_.ScheduleCrash(dice_.Between(1, 25), RandomPhase());
    } else if (action < 98) {
      world_.coverage().Count("crash.idle");
      EndLife();
    }
  }

  void Put(OpContext& ctx, const std::string& key) {
    Bodies& possible = keys_[key];
    if (possible.empty()) possible.insert(std::nullopt);
    PutCondition condition;
    const uint64_t kind = dice_.Below(3);
    if (kind == 1) condition = PutCondition::IfAbsent();
    if (kind == 2 && etags_.contains(key)) condition = PutCondition::IfEtagIs(etags_[key]);
    const Bodies before = possible;
    const std::string body = RandomBody();
    possible.insert(body);
    const Result<ObjectMeta> done = Send(ctx, key, body, condition);
    if (done) {
      const bool held = condition.kind == PutCondition::Kind::kNone ||
                        (condition.kind == PutCondition::Kind::kIfAbsent && before.contains(std::nullopt)) ||
                        (condition.kind == PutCondition::Kind::kIfEtagIs && etags_[key] == condition.etag);
      if (!held) throw Violation{"put of " + key + " went through although its condition did not hold"};
      keys_[key] = {body};
      etags_[key] = done->etag;
      world_.coverage().Count("store.put");
      return;
    }
    const Status& status = done.error();
    world_.trace().Line("put " + key + ": " + status.ToString());
    if (status.effect() == Effect::kNone) keys_[key] = before;
    if (condition.kind != PutCondition::Kind::kNone &&
        (status.reason() == "condition_lost" || status.code() == StatusCode::kNotFound)) {
      if (condition.kind == PutCondition::Kind::kIfAbsent && before == Bodies{std::nullopt}) {
        throw Violation{"create of " + key + " lost its condition although the key was absent"};
      }
      world_.coverage().Count("store.condition_lost");
      return;
    }
    Accept(status);
  }

  Result<ObjectMeta> Send(OpContext& ctx, const std::string& key, const std::string& body,
                          const PutCondition& condition) {
    if (dice_.Coin()) return store_->Put(ctx, key, body, condition);
    AKI_ASSIGN_OR_RETURN(const std::unique_ptr<ObjectWriter> writer, store_->OpenWriter(ctx, key));
    const size_t half = dice_.Below(body.size() + 1);
    AKI_RETURN_IF_ERROR(writer->Append(ctx, std::string_view(body).substr(0, half)));
    AKI_RETURN_IF_ERROR(writer->Append(ctx, std::string_view(body).substr(half)));
    return writer->Commit(ctx, condition);
  }

  void Delete(OpContext& ctx, const std::string& key) {
    Bodies& possible = keys_[key];
    if (possible.empty()) possible.insert(std::nullopt);
    const Bodies before = possible;
    possible.insert(std::nullopt);
    const Status status = store_->Delete(ctx, key);
    if (status.ok()) {
      keys_[key] = {std::nullopt};
      etags_.erase(key);
      world_.coverage().Count("store.delete");
      return;
    }
    if (status.effect() == Effect::kNone) keys_[key] = before;
    Accept(status);
  }

  void Accept(const Status& status) {
    world_.ThrowIfCrashed();
    world_.trace().Line(status.ToString());
    world_.coverage().Count("refused." + std::string(StatusCodeName(status.code())));
    const bool environment =
        status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kResourceExhausted;
    if (!environment || disk_.faults_injected() == faults_before_)
      throw Violation{"unexpected error: " + status.ToString()};
  }

  World world_;
  SimDisk disk_;
  Dice dice_;
  DiskFaults fair_;
  DiskFaults foul_;
  std::shared_ptr<Life> life_ = std::make_shared<Life>();
  std::unique_ptr<FileSystem> fs_;
  std::shared_ptr<ObjectStore> store_;
  std::map<std::string, Bodies> keys_;
  std::map<std::string, std::string> etags_;
  uint64_t bodies_ = 0;
  uint64_t faults_before_ = 0;
  int crashes_in_recovery_ = 0;
  bool calm_ = false;
};

}  // namespace

RunResult RunStore(const RunOptions& options, Lie lie) { return StoreSim(options, lie).Run(); }

}  // namespace akidb::sim
