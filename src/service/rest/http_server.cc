#include "service/rest/http_server.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/mutex.h"
#include "base/thread_priority.h"
#include "service/rest/http_session.h"

namespace akidb {
namespace rest {
namespace {

class BeastServer final : public HttpServer {
 public:
  BeastServer(Service& service, const HttpServerOptions& options)
      : state_(std::make_shared<ServerState>(service, options)),
        acceptor_(state_->accepting),
        retry_(acceptor_.get_executor()) {}

  ~BeastServer() override { Shutdown(Duration::zero()).IgnoreError("nobody is left to hear of requests cut off"); }

  Status Listen() {
    const HttpServerOptions& options = state_->options;
    AKI_RETURN_IF_ERROR(CheckListenAddress(options.address));
    error_code error;
    const tcp::endpoint endpoint(asio::ip::make_address(options.address == "localhost" ? "127.0.0.1" : options.address),
                                 options.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) acceptor_.non_blocking(true, error);
    if (!error) acceptor_.set_option(asio::socket_base::enable_connection_aborted(true), error);
    if (error)
      return Unavailable("cannot listen on " + options.address + ":" + std::to_string(options.port) + ": " +
                         error.message());
    port_ = acceptor_.local_endpoint().port();
    asio::post(acceptor_.get_executor(), [this] { Accept(); });
    const auto run = [this](asio::io_context& io) {
      threads_.emplace_back([state = state_, &io] {
        PreferShortSlices();
        RunLoop(*state, io);
      });
    };
    run(state_->accepting);
    for (const auto& loop : state_->loops) run(loop->io);
    return OkStatus();
  }

  uint16_t port() const override { return port_; }

  Status Shutdown(Duration grace) override {
    if (state_->stopped.load()) return OkStatus();
    state_->draining.store(true);
    asio::post(acceptor_.get_executor(), [this] {
      error_code ignored;
      acceptor_.close(ignored);
      retry_.cancel();
    });
    ForEachSession([](Session& session) { session.Drain(); });
    const bool drained = WaitForSessions(grace);
    if (!drained) {
      ForEachSession([](Session& session) { session.Close(); });
      WaitForSessions(std::min<Duration>(grace, std::chrono::seconds(1)));
    }
    state_->stopped.store(true);
    state_->accepting.stop();
    for (const auto& loop : state_->loops) loop->io.stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    // Runs what the stopped loop still holds, so that no handler keeps the loop it waits in alive.
    const auto finish = [](asio::io_context& io) {
      io.restart();
      io.poll();
    };
    finish(state_->accepting);
    for (const auto& loop : state_->loops) finish(loop->io);
    return drained ? OkStatus()
                   : DeadlineExceeded("requests were still in flight after the grace time and were cut off");
  }

 private:
  static void RunLoop(ServerState& state, asio::io_context& io) {
    while (!state.stopped.load()) {
      try {
        const auto work = asio::make_work_guard(io);
        io.run();
        return;
      } catch (const std::exception& e) {
        Log(LogLevel::kError, "connection handler failed", {{"error", e.what()}});
      }
    }
  }

  void Accept() {
    acceptor_.async_wait(tcp::acceptor::wait_read, [this](error_code error) {
      if (state_->draining.load()) return;
      try {
        if (!error) error = AcceptWaiting();
      } catch (const std::exception&) {
        error = asio::error::no_memory;
      }
      if (error) return AcceptLater(error);
      Accept();
    });
  }

  // One connection, if it is still there.
  error_code AcceptWaiting() {
    EventLoop& loop = IdlestLoop();
    error_code error;
    Socket socket = acceptor_.accept(loop.io, error);
    if (error == asio::error::would_block || error == asio::error::connection_aborted) return {};
    if (error) return error;
    const auto session = std::make_shared<Session>(std::move(socket), loop, state_);
    size_t count = 0;
    {
      MutexLock lock(state_->mutex);
      state_->sessions[session.get()] = session;
      count = state_->sessions.size();
    }
    const bool room = count <= state_->options.connections_max;
    asio::post(session->executor(), [session, room, max = state_->options.connections_max] {
      if (room) return session->Start();
      session->Turn(
          Unavailable("the server has " + std::to_string(max) + " connections open; connections_max is reached")
              .WithReason("too_many_connections"));
    });
    return {};
  }

  EventLoop& IdlestLoop() {
    MutexLock lock(state_->mutex);
    return **std::ranges::min_element(state_->loops, {}, [](const auto& loop) { return loop->connections; });
  }

  // Out of file descriptors, mostly: a short rest instead of a busy loop.
  void AcceptLater(error_code error) {
    Log(LogLevel::kWarn, "accept failed", {{"error", error.message()}});
    retry_.expires_after(std::chrono::milliseconds(100));
    retry_.async_wait([this](error_code cancelled) {
      if (!cancelled && !state_->draining.load()) Accept();
    });
  }

  template <class F>
  void ForEachSession(F f) {
    std::vector<std::shared_ptr<Session>> sessions;
    {
      MutexLock lock(state_->mutex);
      for (const auto& [key, weak] : state_->sessions) {
        if (auto session = weak.lock()) sessions.push_back(std::move(session));
      }
    }
    for (auto& session : sessions) {
      const auto executor = session->executor();
      asio::post(executor, [session = std::move(session), f] { f(*session); });
    }
  }

  bool WaitForSessions(Duration limit) {
    Clock& clock = *state_->service.env().clock;
    const MonotonicTime deadline = clock.Now() + limit;
    MutexLock lock(state_->mutex);
    while (!state_->sessions.empty()) {
      const Duration left = deadline - clock.Now();
      if (left <= Duration::zero()) return false;
      state_->changed.WaitFor(state_->mutex, left);
    }
    return true;
  }

  std::shared_ptr<ServerState> state_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::vector<std::thread> threads_;
  uint16_t port_ = 0;
};

}  // namespace
}  // namespace rest

Result<std::unique_ptr<HttpServer>> HttpServer::Start(Service& service, const HttpServerOptions& options) {
  auto server = std::make_unique<rest::BeastServer>(service, options);
  AKI_RETURN_IF_ERROR(server->Listen());
  return server;
}

}  // namespace akidb
