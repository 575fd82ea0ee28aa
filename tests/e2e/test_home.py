"""Collections with ack=local on a bucket: bound to their node, lost only by a rebind, and never without saying so."""

import threading
import time

import pytest
import requests
from akidb import assert_problem, run_cli
from test_crash import survive_kills
from test_minio import DIM, make_node, row, start_empty, stored, until  # noqa: F401  (make_node is a fixture)

# Nothing is flushed unless a test says so, and a rebind waits for 3.3 s.
BOUND = ["--set", "engine.seal_age=1h", "--set", "engine.home_confirm=3s"]


@pytest.fixture
def nodes(make_node, minio, bucket):  # noqa: F811
    first = make_node(minio, bucket, *BOUND, name="first").start()
    first.create("docs", DIM, ack="local")
    return [first, make_node(minio, bucket, *BOUND, name="second").start()]


def write(server, *rows):
    return server.request("POST", "/collections/docs/vectors", {"vectors": list(rows)}, timeout=60)


def write_to(server, collection, *rows):
    return server.request("POST", f"/collections/{collection}/vectors", {"vectors": list(rows)}, timeout=60)


def rebind(server):
    return server.ok("POST", "/collections/docs/rebind", {"discard_local": True})


def test_kills_of_the_home_lose_nothing_and_the_bucket_has_no_log(make_node, minio, bucket, request):  # noqa: F811
    home = make_node(minio, bucket).start()
    rounds = 50 if request.config.getoption("--slow") else 4
    survive_kills(home, rounds, 300, lambda server: server.start(), ack="local")
    assert not [key for key in minio.client().keys(bucket) if "/wal/" in key]
    before = home.count("docs")
    assert home.stop() == 0
    assert home.start().count("docs") == before


def test_the_other_node_forwards_to_the_home_and_waits_for_it_when_it_is_away(nodes):
    home, other = nodes
    name = home.ok("GET", "/collections/docs")["home"]
    assert other.ok("GET", "/collections/docs")["home"] == name
    commit = other.upsert("docs", [row(1)])["commit"]
    assert stored(home) == {"d1": 0}
    assert stored(other) == {}, "not published yet"
    got = other.ok("POST", "/collections/docs/vectors/get", {"ids": ["d1"], "min_commit": commit})
    assert [each["id"] for each in got["vectors"]] == ["d1"], "a read that asks for it is forwarded"

    home.kill()
    until(lambda: write(other, row(2)).json()["code"] == "home_unreachable", "the home is missed")
    end = time.monotonic() + 3
    while time.monotonic() < end:
        problem = assert_problem(write(other, row(2)), 503, "home_unreachable")
        assert problem["retryable"] and "effect" not in problem and name in problem["detail"], problem
    read = other.request("POST", "/collections/docs/vectors/get", {"ids": ["d1"], "min_commit": commit})
    assert_problem(read, 503, "home_unreachable")
    assert stored(other) == {}
    home.start()
    until(lambda: write(other, row(2)).status_code == 200, "the home is back")
    assert stored(home) == {"d1": 0, "d2": 0}


def test_a_rebind_says_what_is_lost_and_the_home_that_comes_back_puts_it_aside(nodes):
    home, other = nodes
    home.upsert("docs", [row(1)])
    home.ok("POST", "/collections/docs/flush", {})
    lost = home.upsert("docs", [row(2), row(1, 7)])["commit"]
    home.kill()

    assert_problem(other.request("POST", "/collections/docs/rebind", {}), 400, "discard_not_confirmed")
    began = time.monotonic()
    answer = rebind(other)
    assert answer["previous_home"] != answer["home"] == other.ok("GET", "/collections/docs")["home"]
    assert 0 < answer["writes_in_ms"] <= 3301 and answer["published_at"]
    assert_problem(write(other, row(3)), 503, "home_waiting")
    until(lambda: write(other, row(3)).status_code == 200, "the wait is over", 20)
    assert time.monotonic() - began >= 3
    assert stored(other) == {"d1": 0, "d3": 0}
    asked = {"ids": ["d2"], "min_commit": lost}
    assert_problem(other.request("POST", "/collections/docs/vectors/get", asked), 410, "commit_lost")

    home.start()
    until(lambda: home.metric("akidb_local_records_discarded_total") == 1, "what was lost is put aside")
    asides = list((home.data_dir / "wal-discarded").iterdir())
    assert len(asides) == 1
    assert '"records": 1' in run_cli("wal", "inspect", str(asides[0]), "--json").stdout.replace('"records":1', '"records": 1')
    assert "acknowledged writes are lost" in home.log()
    assert_problem(home.request("POST", "/collections/docs/vectors/get", asked), 410, "commit_lost")
    assert write(home, row(4)).status_code == 200, "as any other node: forwarded"
    assert stored(other) == {"d1": 0, "d3": 0, "d4": 0}
    home.kill()
    home.start()
    assert home.metric("akidb_local_records_discarded_total") == 0
    assert_problem(home.request("POST", "/collections/docs/vectors/get", asked), 410, "commit_lost")


def test_a_home_with_an_empty_disk_is_another_node(nodes):
    home, other = nodes
    home.upsert("docs", [row(1)])
    home.kill()
    start_empty(home)
    assert_problem(write(home, row(2)), 503, "home_unreachable")
    rebind(home)
    until(lambda: write(other, row(2)).status_code == 200, "the wait is over", 20)
    assert stored(home) == {"d2": 0}


def test_the_command_line_rebinds(nodes):
    home, other = nodes
    home.kill()
    told = run_cli("collection", "rebind", "docs", "--discard-local", "--yes", "--server", other.url)
    assert told.returncode == 0 and "takes writes in" in told.stdout, told.stdout + told.stderr
    until(lambda: write(other, row(1)).status_code == 200, "the wait is over", 20)
    refused = run_cli("collection", "rebind", "docs", "--discard-local", "--yes", "--server", other.url)
    assert refused.returncode == 0, "asked again it says the same"


def test_altering_ack_binds_and_releases_under_load(nodes, minio, bucket):  # noqa: F811
    home, other = nodes
    home.create("free", DIM)
    name = home.ok("GET", "/collections/docs")["home"]
    expected, over = {}, threading.Event()

    def client(server, collection, first):
        n = first
        while not over.is_set():
            n += 2
            answer = server.request("POST", f"/collections/{collection}/vectors", {"vectors": [row(n)]}, timeout=60)
            if answer.status_code == 200:
                expected[collection, f"d{n}"] = 0
                continue
            problem = assert_problem(answer, 503)
            assert problem["retryable"] and "effect" not in problem, problem
            assert problem["code"] in ("home_changing", "not_the_writer"), problem
    threads = [threading.Thread(target=client, args=(server, collection, first))
               for collection in ("docs", "free") for server, first in ((home, 0), (other, 1))]
    for thread in threads:
        thread.start()
    def writes_went_on():
        before = {of: sum(each == of for each, _ in list(expected)) for of in ("docs", "free")}
        until(lambda: all(sum(each == of for each, _ in list(expected)) >= before[of] + 20 for of in before), "writes to both")
    try:
        for _ in range(2):
            writes_went_on()
            until(lambda: other.request("PATCH", "/collections/docs", {"ack": "object"}).ok, "a release, by its home")
            until(lambda: home.request("PATCH", "/collections/free", {"ack": "local"}).ok, "a binding")
            assert "home" not in home.ok("GET", "/collections/docs")
            assert home.ok("GET", "/collections/free")["home"] == name
            writes_went_on()
            until(lambda: other.request("PATCH", "/collections/free", {"ack": "committed"}).ok, "a release")
            until(lambda: other.request("PATCH", "/collections/docs", {"ack": "local"}).ok, "a binding, by the writer")
            assert home.ok("GET", "/collections/docs")["home"] == name
            assert "home" not in home.ok("GET", "/collections/free")
    finally:
        over.set()
        for thread in threads:
            thread.join()
    home.kill()
    until(lambda: write_to(other, "free", row(1)).status_code == 200, "free is taken over")
    until(lambda: write(other, row(1)).json()["code"] == "home_unreachable", "docs is not")
    home.start()
    until(lambda: write(other, row(1)).status_code == 200, "the home is back")
    for collection in ("docs", "free"):
        wanted = {id for of, id in expected if of == collection} | {"d1"}
        server = home if collection == "docs" else other
        assert sorted(each["id"] for each in server.scroll(collection)) == sorted(wanted), collection


def test_a_released_collection_needs_no_disk(nodes):
    home, other = nodes
    home.upsert("docs", [row(1), row(2)])
    altered = run_cli("collection", "alter", "docs", "--ack", "object", "--server", other.url)
    assert altered.returncode == 0, altered.stdout + altered.stderr
    home.upsert("docs", [row(3)])
    assert_problem(home.request("POST", "/collections/docs/vectors?ack=local", {"vectors": [row(4)]}), 400, "ack_not_available")
    home.kill()
    start_empty(home)
    until(lambda: write(home, row(5)).status_code == 200, "anybody takes over")
    assert stored(home) == {"d1": 0, "d2": 0, "d3": 0, "d5": 0}


def test_a_home_that_is_cut_off_stops_before_the_new_one_begins(make_node, minio, bucket, proxy):  # noqa: F811
    home = make_node(minio, bucket, *BOUND, name="first", endpoint=proxy.endpoint).start()
    home.create("docs", DIM, ack="local")
    other = make_node(minio, bucket, *BOUND, name="second").start()
    acknowledged = []
    over = threading.Event()

    def client():
        n = 0
        while not over.is_set():
            n += 1
            answer = write(home, row(n))
            if answer.status_code == 200:
                acknowledged.append(time.monotonic())
            else:
                assert answer.status_code in (429, 503, 504), answer.text
    thread = threading.Thread(target=client)
    thread.start()
    until(lambda: len(acknowledged) > 20, "writes")
    proxy.black_hole()
    rebind(other)
    until(lambda: write(other, row(0, 1)).status_code == 200, "the wait is over", 30)
    began = time.monotonic()
    time.sleep(1)
    over.set()
    proxy.heal()
    thread.join()
    assert max(acknowledged) < began, "the old home acknowledged after the new one did"
    until(lambda: home.metric("akidb_local_records_discarded_total") > 20, "the leftovers are put aside")
    assert stored(other) == {"d0": 1}
    other.ok("POST", "/collections/docs/flush", {})
    until(lambda: stored(home) == {"d0": 1}, "the old home follows the new one")


def test_the_bucket_is_away_and_writes_go_on_up_to_the_cap(make_node, minio, bucket, proxy, request):  # noqa: F811
    seconds = 60 if request.config.getoption("--slow") else 6
    home = make_node(minio, bucket, "--set", "limits.at_risk_bytes_max=2MiB", endpoint=proxy.endpoint).start()
    home.create("docs", DIM, ack="local")
    session = requests.Session()
    session.trust_env = False
    expected, told, latest = {}, set(), 0

    def load(end):
        nonlocal latest
        n = 0
        while time.monotonic() < end:
            n += 1
            rows = [{**row(n * 100 + k), "payload": {"v": n, "text": "x" * 200}} for k in range(100)]
            answer = session.post(f"{home.url}/collections/docs/vectors", json={"vectors": rows}, timeout=60)
            if answer.status_code == 200:
                expected.update({each["id"]: n for each in rows})
                latest = time.monotonic()
                continue
            problem = assert_problem(answer, 429)
            assert problem["retryable"] and "effect" not in problem and answer.headers["Retry-After"], problem
            told.add(problem["code"])
            time.sleep(0.1)
    home.upsert("docs", [row(0)])
    expected["d0"] = 0
    before = len(expected)
    proxy.refuse()
    away = time.monotonic()
    load(away + seconds)
    assert len(expected) > before + 1000, "writes were acknowledged meanwhile"
    assert told == {"at_risk_full"}, "up to the cap"
    assert home.metric("akidb_at_risk_bytes") < 4 << 20
    proxy.heal()
    answer = until(lambda: (lambda a: a if a.status_code == 200 else None)(write(home, row(1, 9))), "writes again")
    assert answer.json()["upserted"] == 1
    expected["d1"] = 9
    until(lambda: home.request("POST", "/collections/docs/flush", {}).ok, "a flush, once the breaker lets it through")
    until(lambda: home.metric("akidb_at_risk_bytes") == 0, "everything drains")
    home.kill()
    assert stored(home.start()) == expected
