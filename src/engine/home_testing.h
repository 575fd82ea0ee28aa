// Nodes that share a bucket, for tests of collections that are bound to one of them.
//
// Threads: one test, one thread.
// Errors:  helpers fail the test.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine_testing.h"
#include "format/manifest_format.h"
#include "format/object_keys.h"
#include "objstore/memory/memory_store.h"

namespace akidb {

// What homes promise here, and what a rebind therefore waits for.
inline constexpr Duration kHomeConfirm = std::chrono::seconds(10);
inline constexpr Duration kHomeWait = std::chrono::milliseconds(11'001);

class HomeTest : public testing::Test {
 protected:
  static EngineOptions Options(const std::string& name) {
    EngineOptions options = TestDatabase::SmallOptions();
    options.shared_store = options.leases = true;
    options.node = name;
    options.store_name = "s3://bucket";
    options.home_confirm = kHomeConfirm;
    return options;
  }
  std::unique_ptr<TestDatabase> Node(const EngineOptions& options) {
    auto node = std::make_unique<TestDatabase>(options, bucket_, ++seed_);
    Address(*node);
    return node;
  }
  std::unique_ptr<TestDatabase> Node(const std::string& name) { return Node(Options(name)); }
  static void Address(TestDatabase& node) { node.db().nodes()->SetAddress("http://127.0.0.1:1"); }
  // As kill -9 and a start.
  static void Restart(TestDatabase& node) {
    node.Crash();
    Address(node);
  }
  static std::shared_ptr<Collection> Create(TestDatabase& node, const std::string& name = "docs") {
    CollectionSpec spec;
    spec.name = name;
    spec.dim = 2;
    spec.distance = Distance::kEuclidean;
    spec.ack = AckLevel::kLocal;
    auto created = node.db().Create(node.ctx(), spec);
    EXPECT_TRUE(created) << created.error().ToString();
    return created ? *created : nullptr;
  }
  static Status TryWrite(TestDatabase& node, const std::string& id, const std::string& name = "docs") {
    auto collection = node.db().Get(node.ctx(), name);
    if (!collection) return collection.error();
    return internal::ToStatus(node.Write(**collection, {{id, {1, 0}}}));
  }
  static RebindReport Rebind(TestDatabase& node) {
    const auto report = node.db().Rebind(node.ctx(), "docs");
    EXPECT_TRUE(report) << report.error().ToString();
    return report ? *report : RebindReport();
  }
  // A node whose process is gone, with its disk, and whose lease is, too.
  void Lose(std::unique_ptr<TestDatabase>& node) {
    lost_.push_back(std::move(node));
    CutOff(*lost_.back());
  }
  // Others take a node for dead, which goes on all the same.
  void CutOff(TestDatabase& node) {
    OpContext ctx(clock_);
    const auto leases = bucket_->List(ctx, "nodes/" + node.db().nodes()->process(), "", 100);
    for (const ObjectMeta& lease : leases.value().objects) EXPECT_TRUE(bucket_->Delete(ctx, lease.key).ok());
  }
  std::vector<std::string> Keys(const std::string& text) {
    OpContext ctx(clock_);
    std::vector<std::string> keys;
    for (const ObjectMeta& object : bucket_->List(ctx, "", "", 1000).value().objects) {
      if (object.key.find(text) != std::string::npos) keys.push_back(object.key);
    }
    return keys;
  }
  Manifest Head(CollectionId id) {
    OpContext ctx(clock_);
    const auto page = bucket_->List(ctx, CollectionPrefix(id) + "manifest/", "", 1000).value();
    return DecodeManifest(bucket_->Get(ctx, page.objects.back().key, 1 << 20).value().bytes).value();
  }
  static std::vector<std::string> Discarded(TestDatabase& node) {
    std::vector<std::string> dirs;
    const std::string parent = node.data_dir() + "/wal-discarded";
    if (!std::filesystem::exists(parent)) return dirs;
    for (const auto& entry : std::filesystem::directory_iterator(parent)) dirs.push_back(entry.path());
    return dirs;
  }
  static std::string Visible(TestDatabase& node, const Position& position) {
    std::string reason = "waits";
    OpContext ctx(node.clock());
    ctx.set_deadline(node.clock().Now());
    node.Get("docs")->NotifyVisible(
        ctx, position, [&](const Status& status) { reason = status.ok() ? "yes" : std::string(status.reason()); });
    node.executor().Step("follow");
    return reason;
  }

  ManualClock clock_;
  uint64_t seed_ = 100;
  std::shared_ptr<ObjectStore> bucket_ = NewMemoryStore(clock_);
  std::vector<std::unique_ptr<TestDatabase>> lost_;
};

}  // namespace akidb
