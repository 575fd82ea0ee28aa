"""The proxy that other tests put before a store does to a connection what it says, and nothing else."""

import contextlib
import http.client
import http.server
import socket
import threading
import time

import pytest
from fault_proxy import FaultProxy
from faults import Answered, FlippedByte, Late, LostAnswer, Reset, Rule, Silence, TruncatedBody, slow_down

BODY = bytes(range(256)) * 1024


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, b"" if self.path == "/empty" else BODY)

    def do_HEAD(self):
        self.answer(200, BODY, send=False)

    def do_PUT(self):
        if self.path == "/early":
            self.answer(412, b"no")
            self.close_connection = True
            self.server.answer_arrived.wait(20)
            return
        length = int(self.headers["Content-Length"])
        try:
            body = self.rfile.read(length)
        except ConnectionError:
            body = b""
        if len(body) != length:
            self.close_connection = True
            return
        self.server.stored.append((self.path, body))
        self.answer(200, b"stored")

    def answer(self, status, body, send=True):
        self.send_response(status)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            body = b"5\r\nhello\r\n0\r\n\r\n"
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if send:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """Connections that break are what these tests are about."""


@pytest.fixture(scope="module")
def store():
    server = Server(("127.0.0.1", 0), Handler)
    server.stored, server.answer_arrived = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def proxy(store):
    store.stored.clear()
    with FaultProxy(*store.server_address) as proxy:
        yield proxy


@pytest.fixture
def connect(proxy):
    made = []

    def make(timeout=20):
        made.append(http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=timeout))
        return made[-1]

    yield make
    for connection in made:
        connection.close()


@contextlib.contextmanager
def was_reset():
    """A RST: http.client calls an orderly end before any answer a reset too, but with a class of its own."""
    with pytest.raises(ConnectionResetError) as caught:
        yield
    assert caught.type is ConnectionResetError


def ask(connection, method="GET", target="/x", body=None):
    connection.request(method, target, body)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_without_rules_everything_passes_on_one_connection(proxy, store, connect):
    connection = connect()
    assert ask(connection) == (200, BODY)
    assert ask(connection, "PUT", "/a?b=c", b"0123456789") == (200, b"stored")
    assert ask(connection, "HEAD") == (200, b"")
    assert ask(connection, "GET", "/empty") == (200, b"")
    assert ask(connection, "GET", "/chunked") == (200, b"hello")
    assert store.stored == [("/a?b=c", b"0123456789")]
    assert proxy.connections == 1
    assert [(e.method, e.status, e.answer_bytes) for e in proxy.exchanges] == [
        ("GET", 200, len(BODY)), ("PUT", 200, 6), ("HEAD", 200, 0), ("GET", 200, 0), ("GET", 200, 15)]


def test_a_rule_strikes_the_requests_it_counts(proxy, connect):
    proxy.add(Rule(Answered(503), method="GET", target="^/b", skip=1, count=2))
    connection = connect()
    seen = [ask(connection, method, target, b"" if method == "PUT" else None)[0]
            for method, target in [("GET", "/b1"), ("GET", "/a"), ("GET", "/b2"), ("PUT", "/b3"), ("GET", "/b4"), ("GET", "/b5")]]
    assert seen == [200, 200, 503, 200, 503, 200]
    assert proxy.counted("GET", "/b") == 4


def test_a_rule_may_strike_one_in_so_many(proxy, connect):
    rule = proxy.add(Rule(Answered(503), skip=1, count=2, every=3))
    connection = connect()
    assert [ask(connection)[0] for _ in range(10)] == [200, 503, 200, 200, 503, 200, 200, 200, 200, 200]
    assert rule.struck == 2


def test_a_rule_without_count_strikes_until_it_is_cleared(proxy, connect):
    proxy.add(Rule(slow_down(retry_after=7), count=None))
    connection = connect()
    for _ in range(3):
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Retry-After"), b"SlowDown" in answer.read()) == (503, "7", True)
    proxy.clear()
    assert ask(connection) == (200, BODY)


def test_a_reset_before_the_request_reaches_nobody(proxy, store, connect):
    proxy.add(Rule(Reset(after_request_bytes=0)))
    with was_reset():
        ask(connect(), "PUT", "/x", b"body")
    assert store.stored == []
    assert ask(connect(), "PUT", "/x", b"body") == (200, b"stored")


def test_a_reset_inside_the_request_stores_nothing(proxy, store, connect):
    proxy.add(Rule(Reset(after_request_bytes=300)))
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        ask(connect(), "PUT", "/x", b"z" * 1000)
    assert ask(connect(), "PUT", "/y", b"body") == (200, b"stored")
    assert store.stored == [("/y", b"body")]


def test_an_answer_that_comes_before_the_body_was_read_is_passed_on(store, connect):
    assert ask(connect(), "PUT", "/early", b"z" * (32 << 20)) == (412, b"no")
    store.answer_arrived.set()


@pytest.mark.parametrize("fault", [LostAnswer(), Reset(after_answer_bytes=0)])
def test_a_lost_answer_was_carried_out(proxy, store, connect, fault):
    proxy.add(Rule(fault, method="PUT"))
    with was_reset():
        ask(connect(), "PUT", "/x", b"body")
    assert store.stored == [("/x", b"body")]


def test_a_reset_inside_the_answer_comes_after_that_many_bytes(proxy, connect):
    proxy.add(Rule(Reset(after_answer_bytes=5000)))
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        ask(connect())
    assert 0 < proxy.exchanges[0].answer_bytes < 5000


def test_silence_after_a_request_that_was_carried_out(proxy, store, connect):
    proxy.add(Rule(Silence()))
    with pytest.raises(TimeoutError):
        ask(connect(timeout=0.3), "PUT", "/x", b"body")
    assert store.stored == [("/x", b"body")]


def test_a_truncated_body_is_shorter_than_its_head_says(proxy, connect):
    proxy.add(Rule(TruncatedBody(1000)))
    with pytest.raises(http.client.IncompleteRead) as error:
        ask(connect())
    assert error.value.partial == BODY[:1000]


def test_a_flipped_byte_is_the_only_difference(proxy, connect):
    proxy.add(Rule(FlippedByte(70000)))
    _, body = ask(connect())
    assert [i for i, (a, b) in enumerate(zip(body, BODY, strict=True)) if a != b] == [70000]


def test_a_late_request_lands_when_the_test_says(proxy, store, connect):
    late = proxy.add(Rule(Late(), method="PUT")).fault
    with was_reset():
        ask(connect(), "PUT", "/x", b"old")
    assert ask(connect(), "PUT", "/x", b"new") == (200, b"stored")
    late.release()
    assert store.stored == [("/x", b"new"), ("/x", b"old")]


def test_somebody_else_may_answer(proxy, connect):
    proxy.add(Rule(Answered(200, "<html>Welcome to the hotel</html>", Content_Type="text/html")))
    connection = connect()
    connection.request("GET", "/x")
    answer = connection.getresponse()
    assert (answer.getheader("Content-Type"), answer.read()) == ("text/html", b"<html>Welcome to the hotel</html>")


def test_latency_is_added_once_a_direction(proxy, connect):
    connection = connect()
    ask(connection)
    proxy.latency(request_s=0.15, answer_s=0.1)
    begin = time.monotonic()
    ask(connection)
    assert time.monotonic() - begin >= 0.25


def test_bandwidth_is_a_limit(proxy, connect):
    proxy.bandwidth(answer_bytes_per_s=1 << 20)
    begin = time.monotonic()
    assert ask(connect()) == (200, BODY)
    assert time.monotonic() - begin >= len(BODY) / (1 << 20)


def test_refused_connections_come_back(proxy, connect):
    connection = connect()
    ask(connection)
    proxy.refuse()
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        ask(connection)
    with pytest.raises(ConnectionRefusedError):
        ask(connect())
    proxy.heal()
    assert ask(connect()) == (200, BODY)


def test_a_half_open_server_accepts_and_says_nothing(proxy, connect):
    old = connect(timeout=0.3)
    ask(old)
    proxy.half_open()
    for connection in (old, connect(timeout=0.3)):
        with pytest.raises(TimeoutError):
            ask(connection)
    assert connection.sock is not None, "it was accepted"
    proxy.heal()
    assert ask(connect()) == (200, BODY)


def test_a_black_hole_does_not_even_accept(proxy, connect):
    old = connect(timeout=0.3)
    ask(old)
    proxy.black_hole()
    with pytest.raises(TimeoutError):
        ask(old)
    with pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=0.3)
    proxy.heal()
    assert ask(connect()) == (200, BODY)
    assert proxy.connections == 2


def test_what_a_black_hole_swallowed_never_arrives(proxy, store, connect):
    old = connect(timeout=0.3)
    ask(old)
    proxy.black_hole()
    with pytest.raises(TimeoutError):
        ask(old, "PUT", "/x", b"body")
    proxy.heal()
    assert ask(connect(), "PUT", "/y", b"other") == (200, b"stored")
    assert store.stored == [("/y", b"other")]


def test_passthrough_knows_the_modes_only(store):
    with FaultProxy(*store.server_address, passthrough=True) as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
        assert ask(connection) == (200, BODY)
        proxy.reset_all()
        with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected, BrokenPipeError)):
            ask(connection)
        connection.close()
        assert ask(connection) == (200, BODY)
        connection.close()
        assert proxy.exchanges == []
