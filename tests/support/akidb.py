"""The akidb binary as tests drive it: a server process on a free loopback port, and requests to it."""

import http.client
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = pathlib.Path(os.environ.get("AKIDB_BINARY", ROOT / "build" / "release" / "bin" / "akidb"))
START_SECONDS_MAX = 60


def run_cli(*arguments, timeout=600, **environment):
    """A finished `akidb ARGUMENTS`."""
    return subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=timeout, cwd=ROOT,
                          env={**os.environ, **environment}, stdin=subprocess.DEVNULL)


class Server:
    """One data directory and the process that serves it, which may be started and killed many times."""

    def __init__(self, data_dir, *flags, environment=None):
        self.data_dir = pathlib.Path(data_dir)
        self.log_path = self.data_dir.with_name(self.data_dir.name + ".log")
        self.flags = [str(flag) for flag in flags]
        self.environment = {**os.environ, **(environment or {})}
        self.process = None
        self.url = None
        self.session = None

    def launch(self):
        """Starts the process and returns at once."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(BINARY), "serve", "--data-dir", str(self.data_dir), "--listen", "127.0.0.1:0", *self.flags],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=self.environment)
        return self

    def start(self):
        self.launch()
        deadline = time.monotonic() + START_SECONDS_MAX
        said = b""
        while b"\n" not in said:
            readable, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            chunk = os.read(self.process.stdout.fileno(), 4096) if readable else b""
            if not chunk:
                self.kill()
                raise AssertionError(f"the server did not start within {START_SECONDS_MAX} s:\n{self.log()[-2000:]}")
            said += chunk
        self.url = re.search(rb"is ready on (\S+)", said)[1].decode()
        # Proxies of the environment are not for loopback.
        self.session = requests.Session()
        self.session.trust_env = False
        return self

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def _reap(self, number, timeout):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout)
        self.process.stdout.close()
        self.process = None
        if self.session:
            self.session.close()
        return code

    def kill(self):
        """As rude as it gets."""
        return self._reap(signal.SIGKILL, 30)

    def stop(self):
        """The exit code of a clean stop."""
        return self._reap(signal.SIGTERM, 120)

    def request(self, method, path, body=None, **arguments):
        arguments.setdefault("timeout", 60)
        return self.session.request(method, self.url + path, json=body, **arguments)

    def ok(self, method, path, body=None, **arguments):
        """The JSON of an answer that must be a success."""
        answer = self.request(method, path, body, **arguments)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def raw(self, method, target, body=b"", headers=None):
        """Status, headers and body of a request whose target is sent byte by byte as given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection._validate_path = lambda url: None  # the very point is to send what no client should
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in {"Content-Length": str(len(body)), "Content-Type": "application/json", **(headers or {})}.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def create(self, name, dim, distance="Cosine", **settings):
        return self.ok("POST", "/collections", {"name": name, "vector_dim": dim, "distance": distance, **settings})

    def upsert(self, name, vectors, **options):
        return self.ok("POST", f"/collections/{name}/vectors", {"vectors": vectors, **options})

    def count(self, name):
        return self.ok("POST", f"/collections/{name}/vectors/count", {})["count"]

    def scroll(self, name, **options):
        """Every row, page by page."""
        token = None
        while True:
            page = self.ok("POST", f"/collections/{name}/vectors/scroll",
                           {"limit": 1000, **options, **({"page_token": token} if token else {})})
            yield from page["vectors"]
            token = page.get("next_page_token")
            if not token:
                return

    def metric(self, name):
        """Sum of a metric over its labels."""
        text = self.request("GET", "/metrics").text
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(rf"{name}(\{{| )", line))


def assert_problem(answer, status, code=None):
    """An error as every route gives it."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:300]}"
    assert answer.headers["Content-Type"].startswith("application/problem+json"), answer.headers
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"] and problem["request_id"] == answer.headers["X-Request-Id"]
    assert isinstance(problem["retryable"], bool)
    if code is not None:
        assert problem["code"] == code, problem
    return problem


def json_lines(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]
