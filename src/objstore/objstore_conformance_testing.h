// One suite that every object store and every decorator passes, so that code above needs to know only the interface.
// A test executable names its stores: INSTANTIATE_TEST_SUITE_P(Memory, ObjectStoreConformanceTest, Values(...)).
//
// Threads: test code; the suite starts threads of its own.
// Errors:  reported through gtest.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "objstore/object_store.h"

namespace akidb {

// Makes an empty store; the pointer keeps alive whatever the store stands on.
struct StoreFactory {
  std::string name;
  std::function<std::shared_ptr<ObjectStore>()> make;
};
void PrintTo(const StoreFactory& factory, std::ostream* os);

class ObjectStoreConformanceTest : public testing::TestWithParam<StoreFactory> {
 protected:
  ObjectStoreConformanceTest();

  // Put that must succeed.
  ObjectMeta PutOk(const std::string& key, std::string_view body, const PutCondition& condition = {});
  // The whole object, or the error as text.
  std::string GetText(const std::string& key);
  StatusCode PutCode(const std::string& key, std::string_view body, const PutCondition& condition);

  OpContext ctx_;
  std::shared_ptr<ObjectStore> store_;
};

}  // namespace akidb
