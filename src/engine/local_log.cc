#include "engine/collection_log.h"

namespace akidb {
namespace {

class LocalLog final : public CollectionLog {
 public:
  LocalLog(Wal& wal, CollectionId collection, Epoch epoch) : wal_(wal), collection_(collection), epoch_(epoch) {}

  AckLevel ack() const override { return AckLevel::kLocal; }
  Result<Lsn> Append(OpContext& ctx, WalRecordType type, std::string_view body) override {
    return wal_.Append(ctx, collection_, epoch_, type, body);
  }
  Lsn durable_lsn() const override { return wal_.durable_lsn(); }
  Lsn last_lsn() const override { return Lsn(wal_.stats().next.value() - 1); }
  void NotifyDurable(OpContext& ctx, Lsn lsn, Done done) override {
    wal_.NotifyDurable(lsn, [done = std::move(done)]() mutable { done(OkStatus()); });
    while (wal_.CommitStep(ctx)) {
    }
  }
  Status WaitDurable(OpContext& ctx, Lsn lsn) override { return wal_.WaitDurable(ctx, lsn); }
  // The node's log is one for all collections, and synced as a whole.
  Status PrepareToPublish(OpContext& ctx, Lsn lsn) override { return wal_.WaitDurable(ctx, lsn); }
  void NotePublished(Lsn /*lsn*/) override {}
  void AdvanceLsn(Lsn lsn) override { wal_.AdvanceLsn(lsn); }
  // The node's log is trimmed as a whole (Database).
  WalSequence SequenceAt(Lsn /*lsn*/) const override { return WalSequence(0); }
  Status TrimTo(OpContext& /*ctx*/, WalSequence /*sequence*/) override { return OkStatus(); }
  bool fenced() const override { return false; }

 private:
  Wal& wal_;
  const CollectionId collection_;
  const Epoch epoch_;
};

}  // namespace

std::unique_ptr<CollectionLog> NewLocalLog(Wal& wal, CollectionId collection, Epoch epoch) {
  return std::make_unique<LocalLog>(wal, collection, epoch);
}

}  // namespace akidb
