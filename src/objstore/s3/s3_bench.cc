// Reads and uploads against a real store, beside a bare client that sends the same signed bytes over one socket.
// Takes AKIDB_TEST_S3_ENDPOINT (http only), AKIDB_TEST_S3_ACCESS_KEY and AKIDB_TEST_S3_SECRET_KEY; prints JSON.
//
// s3_bench [SECONDS a measurement, 3] [MIB to upload, 1024] [BUCKET]
//
// BUCKET has the objects that bench/s3 prepares, so that two clients that are compared read the same ones. Without it a
// bucket is made.
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/json_writer.h"
#include "base/random.h"
#include "objstore/s3/http_date.h"
#include "objstore/s3/s3_admin.h"
#include "objstore/s3/s3_store.h"
#include "objstore/s3/uri.h"

namespace akidb::s3 {
namespace {

constexpr uint64_t kObjectBytes = 64u << 20;
constexpr uint64_t kRangeBytes = 64u << 10;
constexpr const char* kSmallKey = "bench-4k";
constexpr const char* kLargeKey = "bench-64m";
constexpr size_t kThreads = 16;

std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) {
    std::fprintf(stderr, "%s is not set\n", name);
    std::exit(2);
  }
  return value;
}

void CheckOk(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

double CpuSeconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// What no client can be faster than: signed once, sent again and again, the answer read and not looked at.
class BareClient {
 public:
  BareClient(const S3Options& options, const std::string& key, ByteRange range) : size_(range.size()) {
    const Endpoint endpoint = *ParseEndpoint(options.endpoints.front());
    const std::vector<SocketAddress> addresses = *SystemResolver()(endpoint.host, endpoint.port);
    const SocketAddress& address = addresses.front();
    const auto* const target = reinterpret_cast<const sockaddr*>(address.bytes.data());
    fd_ = ::socket(target->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    AKI_CHECK(::connect(fd_, target, static_cast<socklen_t>(address.bytes.size())) == 0);
    Credentials credentials;
    credentials.access_key = options.credentials.access_key;
    credentials.secret_key = options.credentials.secret_key;
    const std::string date = FormatAmzDate(RealClock().WallNow());
    const std::string path = "/" + options.bucket + "/" + key;
    const NameValues headers = {{"host", endpoint.HostHeader()},
                                {"range", "bytes=" + std::to_string(range.begin) + "-" + std::to_string(range.end - 1)},
                                {"x-amz-content-sha256", std::string(kEmptySha256)},
                                {"x-amz-date", date}};
    request_ = "GET " + path + " HTTP/1.1\r\n";
    for (const auto& [name, value] : headers) request_ += name + ": " + value + "\r\n";
    Signer signer(options.region, "s3");
    request_ +=
        "authorization: " + signer.Sign(credentials, date, {"GET", path, "", headers, kEmptySha256}) + "\r\n\r\n";
    buffer_.resize(size_ + (64u << 10));
  }
  ~BareClient() { ::close(fd_); }
  BareClient(const BareClient&) = delete;
  BareClient& operator=(const BareClient&) = delete;

  void Get() {
    AKI_CHECK(::send(fd_, request_.data(), request_.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request_.size()));
    size_t received = 0;
    size_t total = SIZE_MAX;
    while (received < total) {
      const ssize_t size = ::recv(fd_, buffer_.data() + received, buffer_.size() - received, 0);
      AKI_CHECK(size > 0);
      received += static_cast<size_t>(size);
      const size_t end =
          total == SIZE_MAX ? std::string_view(buffer_.data(), received).find("\r\n\r\n") : std::string_view::npos;
      if (end != std::string_view::npos) total = end + 4 + size_;
    }
    AKI_CHECK(buffer_.compare(9, 3, "206") == 0);
  }

 private:
  const size_t size_;
  int fd_ = -1;
  std::string request_;
  std::string buffer_;
};

struct Latencies {
  std::vector<double> micros;
  double Percentile(double p) {
    std::ranges::sort(micros);
    return micros[static_cast<size_t>(p * static_cast<double>(micros.size() - 1))];
  }
};

class Bench {
 public:
  Bench(double seconds, uint64_t upload_mib, const char* prepared_bucket)
      : seconds_(seconds), upload_mib_(upload_mib), prepared_(prepared_bucket != nullptr) {
    options_.endpoints = {Variable("AKIDB_TEST_S3_ENDPOINT")};
    options_.credentials.access_key = Variable("AKIDB_TEST_S3_ACCESS_KEY");
    options_.credentials.secret_key = Variable("AKIDB_TEST_S3_SECRET_KEY");
    options_.bucket = prepared_ ? prepared_bucket : "akidb-bench-" + NewSystemRandom()->Hex(12);
    auto bucket = S3Bucket::Open(PosixFileSystem(), options_, nullptr);
    CheckOk(internal::ToStatus(Result<std::shared_ptr<S3Bucket>>(bucket)));
    if (!prepared_) CheckOk(CreateBucket(ctx_, **bucket, {}));
    store_ = NewS3Store(*bucket, [](Duration pause) { std::this_thread::sleep_for(pause); });
  }

  void Run() {
    if (!prepared_) {
      CheckOk(internal::ToStatus(store_->Put(ctx_, kSmallKey, std::string(4096, 'x'), PutCondition::IfAbsent())));
      CheckOk(Upload(kLargeKey, kObjectBytes));
    }
    std::string json;
    JsonWriter writer(&json);
    writer.BeginObject();
    OneConnection(writer, "get_4k", kSmallKey, 4096);
    OneConnection(writer, "range_64k", kLargeKey, kRangeBytes);
    InFlight(writer);
    const MonotonicTime start = RealClock().Now();
    const double cpu = CpuSeconds();
    CheckOk(Upload("upload", upload_mib_ << 20));
    const double took = Seconds(RealClock().Now() - start);
    writer.Key("upload")
        .BeginObject()
        .Key("mib")
        .Value(upload_mib_)
        .Key("mib_per_s")
        .Value(static_cast<double>(upload_mib_) / took);
    writer.Key("cpu_s").Value(CpuSeconds() - cpu).EndObject().EndObject();
    std::printf("%s\n", json.c_str());
    CheckOk(store_->Delete(ctx_, "upload"));
    if (prepared_) return;
    for (const char* key : {kSmallKey, kLargeKey}) CheckOk(store_->Delete(ctx_, key));
  }

 private:
  Status Upload(const std::string& key, uint64_t size) {
    const std::string block(1u << 20, 'b');
    AKI_ASSIGN_OR_RETURN(const std::unique_ptr<ObjectWriter> object, store_->OpenWriter(ctx_, key));
    for (uint64_t done = 0; done < size; done += block.size()) AKI_RETURN_IF_ERROR(object->Append(ctx_, block));
    return internal::ToStatus(object->Commit(ctx_, PutCondition::None()));
  }

  // Ours and the bare client in turns, so that both see the same machine.
  void OneConnection(JsonWriter& writer, const char* name, const std::string& key, uint64_t size) {
    BareClient bare(options_, key, {0, size});
    std::string out(size, '\0');
    Latencies ours;
    Latencies theirs;
    const MonotonicTime end =
        RealClock().Now() + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds_));
    const auto timed = [](Latencies& into, const auto& call) {
      const MonotonicTime start = RealClock().Now();
      call();
      into.micros.push_back(Seconds(RealClock().Now() - start) * 1e6);
    };
    const auto our_get = [&] { CheckOk(store_->GetRange(ctx_, key, {0, size}, "", out.data())); };
    const auto bare_get = [&] { bare.Get(); };
    while (RealClock().Now() < end) {
      // Who comes second finds a warmer machine.
      timed(ours, our_get);
      timed(theirs, bare_get);
      timed(theirs, bare_get);
      timed(ours, our_get);
    }
    writer.Key(name).BeginObject().Key("requests").Value(static_cast<uint64_t>(ours.micros.size()));
    writer.Key("p50_us").Value(ours.Percentile(0.5)).Key("p99_us").Value(ours.Percentile(0.99));
    writer.Key("bare_p50_us").Value(theirs.Percentile(0.5)).Key("bare_p99_us").Value(theirs.Percentile(0.99));
    writer.Key("p50_ratio").Value(ours.Percentile(0.5) / theirs.Percentile(0.5)).EndObject();
  }

  // As the other clients: every piece once before one comes again, neighbours far apart; the first tenth of the time is
  // not counted.
  void InFlight(JsonWriter& writer) {
    constexpr uint64_t kPieces = kObjectBytes / kRangeBytes;
    std::atomic<uint64_t> requests = 0;
    std::atomic<bool> stop = false;
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        OpContext ctx(RealClock());
        std::string out(kRangeBytes, '\0');
        while (!stop) {
          const uint64_t begin = requests.fetch_add(1, std::memory_order_relaxed) * 617 % kPieces * kRangeBytes;
          CheckOk(store_->GetRange(ctx, kLargeKey, {begin, begin + kRangeBytes}, "", out.data()));
        }
      });
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds_ / 10));
    const uint64_t before = requests.load();
    const double cpu = CpuSeconds();
    const MonotonicTime start = RealClock().Now();
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds_));
    const auto count = static_cast<double>(requests.load() - before);
    const double took = Seconds(RealClock().Now() - start);
    const double used = CpuSeconds() - cpu;
    stop = true;
    for (std::thread& thread : threads) thread.join();
    writer.Key("range_64k_16_in_flight").BeginObject().Key("requests_per_s").Value(count / took);
    writer.Key("cpu_us_per_request").Value(used * 1e6 / count).EndObject();
  }

  const double seconds_;
  const uint64_t upload_mib_;
  const bool prepared_;
  S3Options options_;
  OpContext ctx_{RealClock()};
  std::unique_ptr<ObjectStore> store_;
};

}  // namespace
}  // namespace akidb::s3

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 3;
  const uint64_t upload_mib = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1024;
  akidb::s3::Bench(seconds, upload_mib, argc > 3 ? argv[3] : nullptr).Run();
  return 0;
}
