// A bucket with several nodes for one interleaving at a time: a test says at which request of which node something
// else happens. What happens in between runs to its end inside that request.
//
// Threads: one.
// Errors:  helpers fail the test; so does every change of the bucket that breaks a rule (Truth).
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim_node.h"
#include "truth.h"

namespace akidb::sim {

class ScenarioTest : public ::testing::Test {
 protected:
  ScenarioTest();

  // A machine with an empty disk, its process running.
  std::unique_ptr<Node> StartNode(const std::string& name);
  void Restart(Node& node);

  // Once: when `node` is about to send a request of this kind whose key contains `text`.
  void WhenSending(Node& node, StoreOp op, std::string text, std::function<Fate()> then);
  // Once: when the answer of such a request is there and `node` does not have it yet.
  void WhenAnswered(Node& node, StoreOp op, std::string text, std::function<void()> then);
  // From now on what `node` sends of this kind meets `fate`; ends with Clear.
  void Always(Node& node, StoreOp op, std::string text, Fate fate);
  void Clear(Node& node);

  // `node` dies when it is about to send its `nth` request from now on (1 is the very next).
  void DieAtRequest(Node& node, int nth);

  std::shared_ptr<Collection> Create(Node& node, const std::string& name);
  std::shared_ptr<Collection> Create(Node& node, const std::string& name, AckLevel ack);
  std::shared_ptr<Collection> Get(Node& node, const std::string& name = "docs");
  // Writes row `id` with `value`, and waits until it is acknowledged.
  Status TryWrite(Node& node, const std::string& id, int value, const std::string& name = "docs");
  void Write(Node& node, const std::string& id, int value, const std::string& name = "docs");
  // As clients do when they are told to try again.
  void WriteInSomeTries(Node& node, const std::string& id, int value);
  void Delete(Node& node, const std::string& id);
  void Flush(Node& node, const std::string& name = "docs");
  void Merge(Node& node, const std::string& name = "docs");

  // "1=10 2=20": what `node` shows.
  std::string Rows(Node& node, const std::string& name = "docs");
  std::string Rows(const Snapshot& snapshot, Node& node);
  // Lets time pass while the background of `node` works.
  void RunFor(Node& node, Duration time);

  std::vector<std::string> Keys(const std::string& text) const;
  std::shared_ptr<const Manifest> Head(CollectionId id) const { return truth_.HeadOf(id); }

  World world_{1};
  SimBucket bucket_{world_, 1};
  Truth truth_{&world_};
  EngineOptions options_;

 private:
  // Turns a broken rule into a failure of the test.
  class Reporter final : public BucketWatcher {
   public:
    explicit Reporter(Truth* truth) : truth_(truth) {}
    void Putting(const std::string& key, const std::string* old, const std::string& body) override;
    void Deleting(const std::string& key, const std::string& old) override;

   private:
    Truth* truth_;
  };
  struct Trap {
    StoreOp op;
    std::string text;
    std::function<Fate()> then;
    bool once = true;
  };
  struct Line {
    std::list<Trap> sending;
    std::list<Trap> answered;
  };
  static std::optional<Fate> Spring(std::list<Trap>* traps, const WireRequest& request);

  Reporter reporter_{&truth_};
  Dice dice_{1, 2};
  uint64_t seed_ = 100;
  std::map<const Node*, std::shared_ptr<Line>> lines_;
};

}  // namespace akidb::sim
