"""The store goes away and comes back, whole or in part: reads of what is cached go on, writes are told the truth, nothing is lost."""

import threading
import time

import pytest
import requests
from akidb import assert_problem
from test_minio import (DIM, acknowledged_count, assert_kept, make_node, row, settled, start_empty, stored, try_upsert,  # noqa: F401
                        until, writers)

SEARCH = {"vector": [1, 1, 0, 1], "top_k": 3}
REFUSALS = (429, 503, 504)


@pytest.fixture
def seconds(request):
    return 60 if request.config.getoption("--slow") else 6


@pytest.fixture
def filled(make_node, minio, bucket, proxy):  # noqa: F811
    """A server behind the proxy with rows in a segment and in the log, all of them read once."""
    node = make_node(minio, bucket, endpoint=proxy.endpoint).start()
    node.create("docs", DIM)
    node.upsert("docs", [{**row(n), "id": f"s{n}"} for n in range(500)])
    node.ok("POST", "/collections/docs/flush", {})
    node.upsert("docs", [{**row(n), "id": f"l{n}"} for n in range(100)])
    assert len(stored(node)) == 600
    return node


class Outage:
    """Asks and writes while the store is away, and notes what it was told."""

    def __init__(self, node, acks):
        self.node, self.acks = node, acks
        self.refusals, self.written, self.unexpected = [], [], []

    def write(self, ack, number):
        session = requests.Session()
        session.trust_env = False
        while not self.over.is_set():
            key = f"{ack}-{number}-{len(self.written) + len(self.refusals)}-{time.monotonic_ns()}"
            answer = session.post(f"{self.node.url}/collections/docs/vectors?ack={ack}",
                                  json={"vectors": [{**row(number), "id": key}]}, timeout=120)
            if answer.status_code == 200:
                self.written.append(key)
            elif answer.status_code in REFUSALS:
                self.refusals.append((key, ack, assert_problem(answer, answer.status_code)))
                time.sleep(0.05)
            else:
                self.unexpected.append(answer.text)

    def run(self, seconds, found):
        self.over = threading.Event()
        threads = [threading.Thread(target=self.write, args=(ack, number)) for ack in self.acks for number in range(2)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        reads = 0
        while time.monotonic() < end:
            assert self.node.ok("POST", "/collections/docs/search", SEARCH)["results"] == found
            reads += 1
        self.over.set()
        return reads, threads


@pytest.mark.parametrize("how", ["refuse", "black_hole", "half_open"])
def test_a_store_that_is_away_for_a_while(filled, proxy, seconds, how):
    found = filled.ok("POST", "/collections/docs/search", SEARCH)["results"]
    getattr(proxy, how)()
    outage = Outage(filled, ["object", "committed"])
    reads, threads = outage.run(seconds, found)
    assert reads > 10 * seconds, "what was read before is served as fast as ever"
    proxy.heal()
    for thread in threads:
        thread.join()
    assert outage.unexpected == []
    for _, _, problem in outage.refusals:
        assert problem["retryable"], problem
    # Whoever was written to the log, and not heard of again, must know that it may be there.
    assert {ack for _, ack, problem in outage.refusals if problem.get("effect") == "unknown"} or outage.written, outage.refusals
    until(lambda: try_upsert(filled, [row(0)]) == 200, "writes go on")
    assert filled.ok("POST", "/collections/docs/flush", {})["state"] == "succeeded", "everything drains"
    filled.kill()
    rows = stored(start_empty(filled))
    doubtful = {key for key, _, problem in outage.refusals if problem.get("effect") == "unknown"}
    certain = {f"s{n}" for n in range(500)} | {f"l{n}" for n in range(100)} | {"d0"} | set(outage.written)
    assert certain <= rows.keys(), "acknowledged, and lost"
    assert rows.keys() <= certain | doubtful, "refused with effect none, and there"


def test_minio_killed_for_a_while(own_minio, make_node, seconds):  # noqa: F811
    minio = own_minio()
    node = make_node(minio, minio.bucket()).start()
    node.create("docs", DIM)
    node.upsert("docs", [row(n) for n in range(100)])
    assert len(stored(node)) == 100
    found = node.ok("POST", "/collections/docs/search", SEARCH)["results"]
    minio.kill()
    outage = Outage(node, ["object", "committed"])
    _, threads = outage.run(seconds, found)
    minio.start()
    for thread in threads:
        thread.join()
    assert outage.unexpected == []
    until(lambda: try_upsert(node, [row(100)]) == 200, "writes go on")
    node.kill()
    rows = stored(start_empty(node))
    doubtful = {key for key, _, problem in outage.refusals if problem.get("effect") == "unknown"}
    certain = {f"d{n}" for n in range(101)} | set(outage.written)
    assert certain <= rows.keys() <= certain | doubtful


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_store_that_half_fails_under_load(own_minio, make_node, writers, seconds, lost):  # noqa: F811
    """Four drives, of which some go away while rows are written, flushed, merged and collected (I11): no absence is concluded, nothing
    is deleted that is named, and all heals."""
    minio = own_minio(drives=4)
    bucket = minio.bucket()
    node = make_node(minio, bucket, "--set", "engine.gc_grace=1s", "--set", "engine.gc_interval=500ms", "--set", "engine.trim_delay=500ms",
                     "--set", "engine.retain_age=1s", "--set", "engine.merge_fanout=2", "--set", "engine.seal_age=300ms").start()
    node.create("docs", DIM)
    node.create("quiet", DIM)
    node.upsert("quiet", [row(n) for n in range(50)])
    node.ok("POST", "/collections/quiet/flush", {})
    found = node.ok("POST", "/collections/quiet/search", SEARCH)["results"]
    told = writers(node)
    until(lambda: acknowledged_count(told) > 100, "writes")
    for number in range(1, lost + 1):
        minio.lose_drive(number)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert node.ok("POST", "/collections/quiet/search", SEARCH)["results"] == found, "what was read before is served"
        # Payloads of what was flushed a moment ago have to be read.
        answer = node.request("POST", "/collections/docs/search", SEARCH, timeout=120)
        assert answer.status_code in (200, *REFUSALS), answer.text
        assert answer.status_code != 200 or len(answer.json()["results"]) == 3
        names = node.request("GET", "/collections", timeout=120)
        assert names.status_code in REFUSALS or [c["name"] for c in names.json()["collections"]] == ["docs", "quiet"]
        unknown = node.request("GET", "/collections/absent", timeout=120)
        assert unknown.status_code in (REFUSALS if lost == 3 else (404, *REFUSALS)), unknown.text
    for number in range(1, lost + 1):
        minio.return_drive(number)
    before = settled(told)[0]
    until(lambda: settled(told)[0] != before, "writes when the drives are back")
    writers.end()
    assert_kept(stored(node), *settled(told))
    assert node.count("quiet") == 50
    node.kill()
    # A node that has never seen any of it.
    start_empty(node)
    assert_kept(stored(node), *settled(told))
    assert node.count("quiet") == 50


def test_a_node_that_starts_while_drives_are_lost_concludes_nothing(own_minio, make_node):  # noqa: F811
    """Three of four: "no such bucket", "no such key" and empty answers come before the store admits that it has no quorum."""
    minio = own_minio(drives=4)
    bucket = minio.bucket()
    node = make_node(minio, bucket).start()
    node.create("docs", DIM)
    node.upsert("docs", [row(n) for n in range(100)])
    node.kill()
    keys = set(minio.client().keys(bucket))
    for number in (1, 2, 3):
        minio.lose_drive(number)
    for _ in range(2):
        try:
            node.start()
        except AssertionError:
            assert f"S3 store s3://{bucket}/db at {minio.endpoint}" in node.log()
            continue
        names = node.request("GET", "/collections", timeout=120)
        assert names.status_code in REFUSALS or [c["name"] for c in names.json()["collections"]] == ["docs"]
        node.kill()
    for number in (1, 2, 3):
        minio.return_drive(number)
    until(minio.healthy, "the drives are back")
    assert keys <= set(minio.client().keys(bucket))
    assert len(stored(start_empty(node))) == 100
