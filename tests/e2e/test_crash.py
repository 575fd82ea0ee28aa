"""SIGKILL at random moments of a mixed workload: what was acknowledged is there, what was not is whole or absent (I1-I3)."""

import random
import threading

import pytest
import requests
from akidb import run_cli

DIM = 8
WRITERS = 4
IDS_EACH = 400
ROUNDS, ROUNDS_SLOW = 3, 30
# Small and early, so that flushes, merges, trims and collections happen between the kills.
FLAGS = ["--set", "engine.seal_bytes=256KiB", "--set", "engine.seal_age=1s", "--set", "engine.trim_delay=1s",
         "--set", "engine.gc_grace=1s", "--set", "engine.gc_interval=1s", "--set", "engine.wal_file_bytes=2MiB",
         "--set", "limits.request_bytes_max=1MiB"]


def vector_of(number, version):
    return [float(number + 1), float(version % 1000 + 1), *([1.0] * (DIM - 2))]


class Writer(threading.Thread):
    """One client with ids of its own. After the crash `rows` is what it was told is stored, and `doubtful` is the write
    whose answer never came: id -> version or None for a delete."""

    def __init__(self, index, url, rows, seed):
        super().__init__()
        self.index, self.url, self.rows = index, url, rows
        self.random = random.Random(seed)
        self.doubtful = {}
        self.acknowledged = 0
        self.refused = []

    def run(self):
        session = requests.Session()
        session.trust_env = False
        base = self.url + "/collections/docs/vectors"
        version = max([v for v in self.rows.values() if v], default=0)
        while True:
            version += 1
            numbers = self.random.sample(range(IDS_EACH), self.random.choice([1, 10, 50]))
            deleting = self.random.random() < 0.2
            self.doubtful = {f"w{self.index}-{n}": None if deleting else version for n in numbers}
            try:
                if deleting:
                    answer = session.post(base + "/delete", json={"ids": list(self.doubtful)}, timeout=60)
                else:
                    vectors = [{"id": f"w{self.index}-{n}", "vector": vector_of(n, version), "payload": {"v": version, "text": "x" * 200}}
                               for n in numbers]
                    answer = session.post(base, json={"vectors": vectors}, timeout=60)
            except requests.RequestException:
                return
            if answer.status_code == 429:
                self.doubtful = {}
                continue
            if answer.status_code != 200:
                self.refused.append(answer.text)
                return
            self.rows.update(self.doubtful)
            self.doubtful = {}
            self.acknowledged += 1


def settle(writer, stored):
    """Compares and adopts what one writer's crash left; returns the violations."""
    problems = []
    outcomes = set()
    for n in range(IDS_EACH):
        key = f"w{writer.index}-{n}"
        old, now = writer.rows.get(key), stored.get(key)
        if key in writer.doubtful and writer.doubtful[key] != old:
            new = writer.doubtful[key]
            if now not in (old, new):
                problems.append(f"{key}: stored {now}, acknowledged {old}, in doubt {new}")
            else:
                outcomes.add("new" if now == new else "old")
        elif now != old:
            problems.append(f"{key}: stored {now}, acknowledged {old}")
        writer.rows[key] = now
    if len(outcomes) > 1:
        problems.append(f"writer {writer.index}: half of a batch was applied")
    return problems


@pytest.fixture
def rounds(request):
    return ROUNDS_SLOW if request.config.getoption("--slow") else ROUNDS


def survive_kills(server, rounds, acknowledged_max, start, **settings):
    """Kills the server under load again and again; start(server) is how it comes back."""
    server.create("docs", DIM, "Euclidean", **settings)
    chance = random.Random(20240501)
    rows = [{} for _ in range(WRITERS)]
    for round_number in range(rounds):
        writers = [Writer(i, server.url, rows[i], chance.random()) for i in range(WRITERS)]
        for writer in writers:
            writer.start()
        # The moment is a count of acknowledged writes, not a time, so that every round has work behind it.
        wanted = chance.randrange(20, acknowledged_max)
        watch = requests.Session()
        watch.trust_env = False
        while sum(w.acknowledged for w in writers) < wanted and any(w.is_alive() for w in writers):
            if chance.random() < 0.05:
                watch.post(server.url + "/collections/docs/flush", json={}, timeout=60)
            else:
                watch.get(server.url + "/health/live", timeout=60)
        server.kill()
        for writer in writers:
            writer.join()
        assert [w.refused for w in writers] == [[]] * WRITERS
        for _ in range(chance.choice([0, 0, 1, 2])):
            server.launch().kill()  # a crash of the recovery, at whatever point it has come to
        start(server)
        stored = {}
        for row in server.scroll("docs", with_vector=True):
            assert row["id"] not in stored, f"{row['id']} twice"
            stored[row["id"]] = row["payload"]["v"]
            assert row["vector"] == vector_of(int(row["id"].split("-")[1]), row["payload"]["v"]), row
        problems = [problem for writer in writers for problem in settle(writer, stored)]
        assert problems == [], f"round {round_number}: {problems[:10]}"
        assert server.count("docs") == len(stored) == server.ok("GET", "/collections/docs")["vector_count"]
        # A search sees the same versions as the scroll.
        found = server.ok("POST", "/collections/docs/search", {"vector": [0.0] * DIM, "top_k": 5000})["results"]
        assert {row["id"]: row["payload"]["v"] for row in found} == stored


def test_nothing_acknowledged_is_lost_over_kills(make_server, rounds):
    server = make_server(*FLAGS).start()
    survive_kills(server, rounds, 3000, lambda server: server.start())
    # The kills had flushes and merges to hit, not only the log.
    assert "flushed" in server.log() and (rounds < ROUNDS_SLOW or "merged" in server.log() and "collected" in server.log())
    assert server.stop() == 0


def test_kill_during_an_ingest_and_resume(make_server, tmp_path):
    """The command line's own loader: every row it was told is written survives, and --resume completes the file."""
    import json
    import subprocess

    from akidb import BINARY

    path, state = tmp_path / "rows.jsonl", tmp_path / "state.json"
    count = 30000
    with open(path, "w") as out:
        for n in range(count):
            out.write(json.dumps({"id": f"r{n}", "vector": vector_of(n, n), "n": n}) + "\n")
    server = make_server(*FLAGS).start()
    arguments = ["ingest", path, "--collection", "docs", "--create", "--distance", "Euclidean", "--state", state, "--batch-rows", 50,
                 "--retry-for", 0]
    loader = subprocess.Popen([str(a) for a in [BINARY, *arguments, "--server", server.url]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while server.request("GET", "/collections/docs").status_code == 404 or server.count("docs") < count // 5:
        assert loader.poll() is None, "the load ended before the kill"
    server.kill()
    assert loader.wait(120) != 0
    acknowledged = json.loads(state.read_text())["rows_acknowledged"]
    server.start()
    stored = {row["id"] for row in server.scroll("docs")}
    assert {f"r{n}" for n in range(acknowledged)} <= stored
    # The new process listens on another port, which is another server to the state file.
    state.write_text(state.read_text().replace(json.loads(state.read_text())["server"], server.url))
    result = run_cli(*arguments, "--server", server.url, "--resume")
    assert result.returncode == 0, result.stderr
    assert {row["id"]: row["payload"] for row in server.scroll("docs")} == {f"r{n}": {"n": n} for n in range(count)}
