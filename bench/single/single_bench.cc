// Latency of one durable row a request against what the disk itself takes, in turns within one run.
//
//   single_bench PORT COLLECTION DIM ROWS FILE
//
// Sends ROWS upserts of one row each over one connection to 127.0.0.1:PORT, and between every few hundred writes as
// many 4-KiB chunks with an fdatasync each: `overwrite` into a file that was written with zeros before, `append` at the
// end of one that grows, and `overwrite_paced`, `append_paced`: the same with the disk left alone between two of them
// for as long as the server leaves it alone between two requests. Disks answer later after a pause, virtual ones most
// of all: what the host puts to sleep must wake. FILE.a and FILE.b are made and removed; they belong on the server's
// disk. The client is as lean as it can be (blocking sockets, requests made before), so that what is measured is the
// server and the kernel. Prints one JSON object with p50_us and p99_us of each of the five.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

namespace {

using SteadyClock = std::chrono::steady_clock;
// Long enough that the first request after a pause, when the server has cooled down, is no hundredth of all.
constexpr size_t kTurn = 400;
constexpr size_t kChunkBytes = 4096;

[[noreturn]] void Fail(const std::string& message) {
  std::fprintf(stderr, "single_bench: %s\n", message.c_str());
  std::exit(1);
}

int Connect(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 ||
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
    Fail("cannot connect to port " + std::to_string(port));
  }
  return fd;
}

std::string VectorJson(size_t dim) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::string out = "[";
  for (size_t i = 0; i < dim; ++i) {
    char number[32];
    std::snprintf(number, sizeof number, "%s%.8g", i == 0 ? "" : ",", static_cast<double>(normal(random)));
    out += number;
  }
  return out + "]";
}

std::string Request(const std::string& collection, size_t row, const std::string& vector) {
  const std::string body =
      R"({"vectors":[{"id":")" + std::to_string(row) + R"(","vector":)" + vector + R"(,"payload":{"text":"x"}}]})";
  return "POST /collections/" + collection +
         "/vectors HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

void Upsert(int fd, const std::string& request) {
  for (size_t sent = 0; sent < request.size();) {
    const ssize_t n = send(fd, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) Fail("the server hung up");
    sent += static_cast<size_t>(n);
  }
  std::string answer;
  char buffer[4096];
  // An answer ends with its JSON object.
  while (!answer.ends_with('}')) {
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) Fail("the server hung up");
    answer.append(buffer, static_cast<size_t>(n));
  }
  if (!answer.starts_with("HTTP/1.1 200")) Fail(answer);
}

void WriteAndSync(int fd, const std::string& chunk, size_t number) {
  if (pwrite(fd, chunk.data(), chunk.size(), static_cast<off_t>(number * chunk.size())) !=
          static_cast<ssize_t>(chunk.size()) ||
      fdatasync(fd) != 0) {
    Fail("write or fdatasync failed");
  }
}

int OpenNew(const std::string& path, size_t zeros) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) Fail("cannot create " + path);
  unlink(path.c_str());
  const std::string chunk(kChunkBytes, '\0');
  for (size_t i = 0; i < zeros; ++i) {
    if (pwrite(fd, chunk.data(), chunk.size(), static_cast<off_t>(i * kChunkBytes)) < 0) Fail("cannot fill " + path);
  }
  if (fsync(fd) != 0) Fail("cannot sync " + path);
  return fd;
}

double Median(std::vector<double> us) {
  std::ranges::nth_element(us, us.begin() + static_cast<ptrdiff_t>(us.size() / 2));
  return us[us.size() / 2];
}

std::string Percentiles(std::vector<double>& us) {
  std::ranges::sort(us);
  char text[80];
  std::snprintf(text, sizeof text, "{\"p50_us\":%.1f,\"p99_us\":%.1f}", us[us.size() / 2], us[us.size() * 99 / 100]);
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) Fail("usage: single_bench PORT COLLECTION DIM ROWS FILE");
  const std::string collection = argv[2], path = argv[5];
  const size_t rows = std::max<size_t>(std::strtoull(argv[4], nullptr, 10) / kTurn, 1) * kTurn;
  const std::string vector = VectorJson(std::strtoull(argv[3], nullptr, 10));
  const int server = Connect(static_cast<uint16_t>(std::strtoul(argv[1], nullptr, 10)));
  const int overwritten = OpenNew(path + ".a", rows), appended = OpenNew(path + ".b", 0);
  const std::string chunk(kChunkBytes, 'x');
  std::vector<double> upserts, overwrites, appends, paced_overwrites, paced_appends;
  const auto timed = [](std::vector<double>& into, auto run) {
    const auto start = SteadyClock::now();
    run();
    into.push_back(std::chrono::duration<double, std::micro>(SteadyClock::now() - start).count());
  };
  const auto last_turn = [](const std::vector<double>& us) { return Median({us.end() - kTurn, us.end()}); };
  for (size_t turn = 0; turn < rows; turn += kTurn) {
    std::vector<std::string> requests;
    for (size_t i = turn; i < turn + kTurn; ++i) requests.push_back(Request(collection, i, vector));
    for (const std::string& request : requests) timed(upserts, [&] { Upsert(server, request); });
    for (size_t i = turn; i < turn + kTurn; ++i) timed(overwrites, [&] { WriteAndSync(overwritten, chunk, i); });
    for (size_t i = turn; i < turn + kTurn; ++i) timed(appends, [&] { WriteAndSync(appended, chunk, turn + i); });
    const std::chrono::duration<double, std::micro> pause(std::max(last_turn(upserts) - last_turn(overwrites), 0.0));
    const auto paced = [&](std::vector<double>& into, auto run) {
      // Awake, so that only the disk gets the chance to fall asleep.
      for (const auto start = SteadyClock::now(); SteadyClock::now() - start < pause;) {
      }
      timed(into, run);
    };
    for (size_t i = turn; i < turn + kTurn; ++i) paced(paced_overwrites, [&] { WriteAndSync(overwritten, chunk, i); });
    for (size_t i = turn; i < turn + kTurn; ++i) {
      paced(paced_appends, [&] { WriteAndSync(appended, chunk, turn + kTurn + i); });
    }
  }
  std::printf("{\"upsert\":%s,\"overwrite\":%s,\"append\":%s,\"overwrite_paced\":%s,\"append_paced\":%s}\n",
              Percentiles(upserts).c_str(), Percentiles(overwrites).c_str(), Percentiles(appends).c_str(),
              Percentiles(paced_overwrites).c_str(), Percentiles(paced_appends).c_str());
  return 0;
}
