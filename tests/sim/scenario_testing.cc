#include "scenario_testing.h"

#include "check.h"

namespace akidb::sim {

using std::chrono::seconds;

namespace {

// Hours pass inside a request.
constexpr Duration kPatience = std::chrono::hours(5);

}  // namespace

void ScenarioTest::Reporter::Putting(const std::string& key, const std::string* old, const std::string& body) {
  try {
    truth_->Putting(key, old, body);
  } catch (const Violation& violation) {
    ADD_FAILURE() << violation.what;
  }
}

void ScenarioTest::Reporter::Deleting(const std::string& key, const std::string& old) {
  try {
    truth_->Deleting(key, old);
  } catch (const Violation& violation) {
    ADD_FAILURE() << violation.what;
  }
}

ScenarioTest::ScenarioTest() {
  truth_.Watch(&bucket_);
  bucket_.set_watcher(&reporter_);
  options_.seal_bytes = 1 << 20;
  options_.seal_age = std::chrono::minutes(30);
  options_.trim_delay = seconds(60);
  options_.gc_grace = seconds(120);
  options_.gc_interval = seconds(30);
  options_.merge_fanout = 4;
  options_.retain_versions = 1;
  options_.retain_age = Duration();
}

std::optional<Fate> ScenarioTest::Spring(std::list<Trap>* traps, const WireRequest& request) {
  for (auto it = traps->begin(); it != traps->end(); ++it) {
    if (it->op != request.op || request.key.find(it->text) == std::string::npos) continue;
    if (!it->once) return it->then();
    const std::function<Fate()> then = std::move(it->then);
    traps->erase(it);
    return then();
  }
  return std::nullopt;
}

std::unique_ptr<Node> ScenarioTest::StartNode(const std::string& name) {
  auto node = std::make_unique<Node>(world_, bucket_, name, options_, ++seed_);
  const auto line = std::make_shared<Line>();
  lines_[node.get()] = line;
  node->set_outbound([line, node = node.get()](const WireRequest& request) {
    const Fate fate = Spring(&line->sending, request).value_or(Fate::kSend);
    if (node->doomed()) throw SimCrash{};
    return fate;
  });
  node->set_inbound([line](const WireRequest& request) { Spring(&line->answered, request); });
  Restart(*node);
  return node;
}

void ScenarioTest::Restart(Node& node) {
  const Status started = node.Start();
  ASSERT_TRUE(started.ok()) << started.ToString();
}

void ScenarioTest::WhenSending(Node& node, StoreOp op, std::string text, std::function<Fate()> then) {
  lines_.at(&node)->sending.push_back({op, std::move(text), std::move(then)});
}

void ScenarioTest::WhenAnswered(Node& node, StoreOp op, std::string text, std::function<void()> then) {
  lines_.at(&node)->answered.push_back({op, std::move(text), [then = std::move(then)] {
                                          then();
                                          return Fate::kSend;
                                        }});
}

void ScenarioTest::Always(Node& node, StoreOp op, std::string text, Fate fate) {
  lines_.at(&node)->sending.push_back({op, std::move(text), [fate] { return fate; }, false});
}

void ScenarioTest::Clear(Node& node) { *lines_.at(&node) = {}; }

void ScenarioTest::DieAtRequest(Node& node, int nth) {
  const auto left = std::make_shared<int>(nth);
  for (size_t op = 0; op < kStoreOpCount; ++op) {
    lines_.at(&node)->sending.push_back({static_cast<StoreOp>(op), "",
                                         [left, &node] {
                                           if (--*left == 0) node.Doom();
                                           return Fate::kSend;
                                         },
                                         false});
  }
}

std::shared_ptr<Collection> ScenarioTest::Create(Node& node, const std::string& name) {
  return Create(node, name, node.db().default_ack());
}

std::shared_ptr<Collection> ScenarioTest::Create(Node& node, const std::string& name, AckLevel ack) {
  CollectionSpec spec;
  spec.name = name;
  spec.dim = 2;
  spec.distance = Distance::kEuclidean;
  spec.ack = ack;
  NodeContext ctx = node.Context(kPatience);
  const auto created = node.db().Create(ctx, spec);
  EXPECT_TRUE(created) << (created ? "" : created.error().ToString());
  return created ? *created : nullptr;
}

std::shared_ptr<Collection> ScenarioTest::Get(Node& node, const std::string& name) {
  NodeContext ctx = node.Context(kPatience);
  const auto found = node.db().Get(ctx, name);
  EXPECT_TRUE(found) << (found ? "" : found.error().ToString());
  return found ? *found : nullptr;
}

Status ScenarioTest::TryWrite(Node& node, const std::string& id, int value, const std::string& name) {
  NodeContext ctx = node.Context(kPatience);
  AKI_ASSIGN_OR_RETURN(const auto collection, node.db().Get(ctx, name));
  const float vector[] = {static_cast<float>(value), 1};
  const std::string payload = R"({"v":)" + std::to_string(value) + "}";
  WriteRows rows;
  rows.ids = {id};
  rows.payloads = {payload};
  rows.vectors = vector;
  rows.dim = 2;
  AKI_ASSIGN_OR_RETURN(const WriteReceipt receipt,
                       collection->Write(ctx, rows, WriteMode::kUpsert, BatchPolicy::kAllOrNothing));
  return collection->WaitDurable(ctx, receipt.position.lsn);
}

void ScenarioTest::Write(Node& node, const std::string& id, int value, const std::string& name) {
  const Status written = TryWrite(node, id, value, name);
  ASSERT_TRUE(written.ok()) << node.name() << ": " << written.ToString();
}

void ScenarioTest::WriteInSomeTries(Node& node, const std::string& id, int value) {
  Status written;
  for (int i = 0; i < 5; ++i) {
    written = TryWrite(node, id, value);
    if (written.ok()) return;
    RunFor(node, seconds(6));
  }
  FAIL() << node.name() << ": " << written.ToString();
}

void ScenarioTest::Delete(Node& node, const std::string& id) {
  const auto collection = Get(node);
  NodeContext ctx = node.Context(kPatience);
  const auto deleted = collection->DeleteIds(ctx, {id});
  ASSERT_TRUE(deleted) << deleted.error().ToString();
  ASSERT_TRUE(collection->WaitDurable(ctx, deleted->position.lsn).ok());
}

void ScenarioTest::Flush(Node& node, const std::string& name) {
  NodeContext ctx = node.Context(kPatience);
  const Status flushed = Get(node, name)->Flush(ctx);
  ASSERT_TRUE(flushed.ok()) << flushed.ToString();
}

void ScenarioTest::Merge(Node& node, const std::string& name) {
  NodeContext ctx = node.Context(kPatience);
  const Status merged = Get(node, name)->Merge(ctx, Collection::MergeScope::kFull);
  ASSERT_TRUE(merged.ok()) << merged.ToString();
}

std::string ScenarioTest::Rows(const Snapshot& snapshot, Node& node) {
  NodeContext ctx = node.Context(kPatience);
  const auto rows = ReadAll(ctx, snapshot, 10);
  EXPECT_TRUE(rows) << (rows ? "" : rows.error().ToString());
  std::string out;
  if (!rows) return out;
  for (const auto& [id, row] : *rows) out += (out.empty() ? "" : " ") + id + "=" + row->payload.at("v");
  return out;
}

std::string ScenarioTest::Rows(Node& node, const std::string& name) {
  const auto collection = Get(node, name);
  if (!collection) return "";
  NodeContext ctx = node.Context(kPatience);
  const auto snapshot = collection->Read(ctx);
  EXPECT_TRUE(snapshot) << (snapshot ? "" : snapshot.error().ToString());
  return snapshot ? Rows(**snapshot, node) : "";
}

void ScenarioTest::RunFor(Node& node, Duration time) {
  const MonotonicTime end = world_.clock().Now() + time;
  while (world_.clock().Now() < end) {
    for (int steps = 0; steps < 1'000 && node.executor().StepOne(dice_); ++steps) {
    }
    world_.clock().Advance(std::min<Duration>(seconds(5), end - world_.clock().Now()));
  }
}

std::vector<std::string> ScenarioTest::Keys(const std::string& text) const {
  std::vector<std::string> keys;
  bucket_.ForEach([&](const std::string& key, const std::string&) {
    if (key.find(text) != std::string::npos) keys.push_back(key);
  });
  return keys;
}

}  // namespace akidb::sim
