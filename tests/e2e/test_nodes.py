"""Two nodes on one bucket: writes go to the one that is the writer, and whoever is killed is missed by nobody."""

import os
import random
import signal
import threading
import time

import pytest
import requests
from akidb import assert_problem
from fault_proxy import FaultProxy
from test_minio import DIM, make_node, row, start_empty, stored, until  # noqa: F401  (make_node is a fixture)

# Of a write: documented as worth repeating.
REPEATABLE = {429, 503}


def write(server, rows):
    """True: acknowledged; None: in doubt. Repeats what the answer says may be repeated because nothing was changed."""
    def once():
        try:
            answer = server.request("POST", "/collections/docs/vectors", {"vectors": rows}, timeout=60)
        except requests.RequestException:
            return "doubt"
        if answer.status_code == 200:
            return "done"
        problem = answer.json()
        assert answer.status_code in REPEATABLE and problem["retryable"], problem
        return "doubt" if problem.get("effect") == "unknown" else None
    return until(once, "the write") == "done" or None


def everything(server):
    """Id -> version of all that any node acknowledged."""
    def read():
        """Nothing if the node is just finding out that it writes no more, or that this collection was dropped elsewhere."""
        nothing = server.request("POST", "/collections/docs/vectors/delete", {"ids": ["absent"]})
        if nothing.status_code != 200:
            assert nothing.json()["retryable"] or nothing.json()["code"] == "collection_dropped", nothing.text
            return None
        try:
            return [list(server.scroll("docs", min_commit=nothing.json()["commit"]))]
        except AssertionError as error:
            assert '"retryable":true' in str(error) or '"code":"collection_dropped"' in str(error), error
            return None
    rows = {}
    for each in until(read, "a node that reads")[0]:
        assert each["id"] not in rows, f"{each['id']} twice"
        rows[each["id"]] = each["payload"]["v"]
    return rows


def epoch(answer):
    """Of the writer that gave this commit token."""
    return int(answer["commit"].split(".")[1])


def write_until_it_works(server, rows, seconds_max):
    """Writes again and again, each request at once and with others under way, as clients do; the seconds until the first
    was acknowledged. Every other answer must be one that is documented."""
    begin = time.monotonic()
    done = threading.Event()
    wrong = []

    def client():
        while not done.is_set() and time.monotonic() < begin + seconds_max:
            answer = requests.post(server.url + "/collections/docs/vectors", json={"vectors": rows}, timeout=60)
            if answer.status_code == 200:
                done.set()
            elif answer.status_code not in REPEATABLE or not answer.json()["retryable"]:
                wrong.append(answer.text)
            time.sleep(0.1)
    clients = [threading.Thread(target=client) for _ in range(4)]
    for each in clients:
        each.start()
        time.sleep(0.05)
    assert done.wait(seconds_max), f"no write was acknowledged in {seconds_max} s"
    took = time.monotonic() - begin
    for each in clients:
        each.join()
    assert not wrong
    return took


@pytest.fixture
def nodes(make_node, minio, bucket):  # noqa: F811
    first = make_node(minio, bucket, name="first").start()
    first.create("docs", DIM)
    return [first, make_node(minio, bucket, name="second").start()]


def test_nodes_take_over_from_each_other_and_nothing_is_lost(nodes):
    chance = random.Random(5)
    certain, doubtful = {}, {}
    for version in range(1, 120 + 1):
        server = chance.choice(nodes)
        rows = [row(n, version) for n in chance.sample(range(200), 20)]
        acknowledged = write(server, rows)
        for each in rows:
            if acknowledged:
                certain[each["id"]] = version
                doubtful.pop(each["id"], None)
            else:
                doubtful.setdefault(each["id"], set()).add(version)
        if version % 20 == 0:
            victim = chance.choice(nodes)
            victim.kill()
            start_empty(victim)
    assert len(certain) > 100
    for server in nodes:
        rows = everything(server)
        for key, version in certain.items():
            assert rows.get(key) in {version, *doubtful.get(key, ())}, key
        assert rows.keys() <= certain.keys() | doubtful.keys()


def test_a_read_with_the_commit_token_of_another_node_sees_the_write(nodes):
    first, second = nodes
    for version in range(1, 11):
        written = first.upsert("docs", [row(1, version)])
        found = second.ok("POST", "/collections/docs/vectors/get", {"ids": ["d1"], "min_commit": written["commit"]})["vectors"]
        assert [each["payload"]["v"] for each in found] == [version]


def test_a_reader_follows_without_being_asked_to(nodes):
    first, second = nodes
    assert stored(second) == {}
    first.upsert("docs", [row(n) for n in range(5)])
    until(lambda: len(stored(second)) == 5, "the reader sees the log of the writer")
    first.ok("POST", "/collections/docs/flush", {})
    first.ok("POST", "/collections/docs/vectors/delete", {"ids": ["d0"]})
    until(lambda: len(stored(second)) == 4, "the reader sees the delete")


def test_a_collection_dropped_on_one_node_is_gone_on_the_other(nodes):
    first, second = nodes
    first.upsert("docs", [row(1)])
    second.ok("DELETE", "/collections/docs")
    until(lambda: first.request("POST", "/collections/docs/vectors", {"vectors": [row(2)]}).status_code == 404, "the drop is seen")


def test_a_drop_elsewhere_under_load_leaves_no_write_acknowledged_into_nothing(nodes):
    """Writers on both nodes, while the one that is not the collection's writer drops it and makes another of that name."""
    first, second = nodes
    until(lambda: first.upsert("docs", [row(0)]), "a writer")
    end = threading.Event()
    told = []  # when the request began, its id, whether it was acknowledged

    def client(server, number):
        n = number
        while not end.is_set():
            n += 100
            begin = time.monotonic()
            answer = requests.post(server.url + "/collections/docs/vectors", json={"vectors": [row(n)]}, timeout=60)
            assert answer.status_code in (200, 404, *REPEATABLE), answer.text
            told.append((begin, f"d{n}", answer.status_code == 200))
    clients = [threading.Thread(target=client, args=(nodes[n % 2], n)) for n in range(4)]
    for each in clients:
        each.start()
    for _ in range(3):
        before = len(told)
        until(lambda: sum(done for _, _, done in told[before:]) > 20, "writes on both nodes")
        second.ok("DELETE", "/collections/docs")
        dropped = time.monotonic()
        time.sleep(random.random() / 5)
        second.create("docs", DIM)
        created = time.monotonic()
    until(lambda: sum(done and begin > created for begin, _, done in told) > 20, "writes to the new collection")
    end.set()
    for each in clients:
        each.join()
    acknowledged = {key for begin, key, done in told if done and begin > dropped}
    assert acknowledged <= everything(first).keys() == everything(second).keys()
    until(lambda: first.metric("akidb_collections_loaded") == second.metric("akidb_collections_loaded") == 1, "the old ones are forgotten")


def test_what_is_altered_on_one_node_holds_on_both(nodes):
    first, second = nodes
    first.upsert("docs", [row(0)])
    second.ok("PATCH", "/collections/docs", {"ack": "committed"})
    second.upsert("docs", [row(1)])
    assert first.ok("GET", "/collections/docs")["growing_count"] == 0, "answered when it was published, though its writer knew of no such thing"
    until(lambda: first.ok("GET", "/collections/docs")["ack"] == "committed", "the writer hears of it")
    first.ok("PATCH", "/collections/docs", {"index": {"kind": "flat"}})
    assert first.ok("GET", "/collections/docs")["ack"] == "committed"


def test_writes_through_both_nodes_in_turn_move_nothing(nodes):
    epochs = set()
    for n in range(40):
        epochs.add(epoch(nodes[n % 2].upsert("docs", [row(n)])))
        assert len(stored(nodes[n % 2])) == n + 1, "a node shows what was written through it"
    assert epochs == {1}
    first, second = nodes
    assert second.metric("akidb_takeovers_total") == 0
    assert second.metric("akidb_forwarded_requests_total") == first.metric("akidb_forwards_received_total") == 20
    assert second.metric("akidb_peer_lease_age_seconds") < 5
    assert 0 < first.metric("akidb_lease_age_seconds") < 5


def test_every_verb_on_another_node_leaves_the_writer_in_place(nodes):
    first, second = nodes
    first.upsert("docs", [row(n) for n in range(10)])
    second.ok("POST", "/collections/docs/snapshots", {"name": "ten"})
    second.ok("PATCH", "/collections/docs/vectors/d0/payload", {"v": 7})
    second.ok("DELETE", "/collections/docs/vectors/d1")
    second.ok("POST", "/collections/docs/vectors/delete", {"filter": {"has_id": ["d2"]}})
    assert stored(second) == {"d0": 7, **{f"d{n}": 0 for n in range(3, 10)}}
    second.ok("POST", "/collections/docs/flush", {})
    job = second.ok("POST", "/collections/docs/merge", {"full": True})
    until(lambda: second.ok("GET", f"/jobs/{job['id']}")["state"] == "succeeded", "the merge")
    second.ok("POST", "/collections/docs/clone", {"name": "copy", "at": {"snapshot": "ten"}})
    second.ok("POST", "/collections/docs/snapshots/ten/revert", {})
    assert len(stored(second)) == 10, "the snapshot has the rows that were only in the log"
    second.ok("DELETE", "/collections/docs/snapshots/ten")
    assert second.count("copy") == 10
    assert second.metric("akidb_takeovers_total") == 0
    assert epoch(second.upsert("docs", [row(1)])) == 1


def test_heartbeats_leave_no_versions_behind(nodes, minio, bucket):
    first, second = nodes
    first.upsert("docs", [row(0)])

    def beats():
        first.upsert("docs", [row(1)])
        return max(int(key.rsplit("/", 1)[1].split(".")[0]) for key in minio.client().keys(bucket, "db/nodes/")) >= 5
    until(beats, "the fifth heartbeat")
    assert len(minio.client().versions(bucket, "db/nodes/")) <= 3, "two that count, and one that goes just now"
    first.kill()
    start_empty(first)
    first.upsert("docs", [row(2)])
    assert first.stop() == second.stop() == 0
    left = minio.client().versions(bucket, "db/nodes/")
    assert len(left) <= 3, "of the process that was killed; its successor sweeps ten minutes later"


def test_a_killed_writer_is_replaced_within_five_seconds(nodes):
    first, second = nodes
    for n in range(20):
        nodes[n % 2].upsert("docs", [row(n)])
    first.kill()
    took = write_until_it_works(second, [row(100)], 20)
    print(f"hand-over after kill -9: {took:.2f} s")
    assert took <= 5
    assert everything(second).keys() == {f"d{n}" for n in range(20)} | {"d100"}
    start_empty(first)
    assert epoch(first.upsert("docs", [row(101)])) == 2, "who comes back finds the new writer"


def test_a_writer_that_stops_is_replaced_at_once(nodes):
    first, second = nodes
    second.upsert("docs", [row(1)])
    assert first.stop() == 0
    assert write_until_it_works(second, [row(2)], 20) <= 2
    assert everything(second).keys() == {"d1", "d2"}


def test_a_stalled_writer_is_replaced_and_finds_itself_deposed(nodes):
    first, second = nodes
    second.upsert("docs", [row(1)])
    os.kill(first.process.pid, signal.SIGSTOP)
    try:
        took = write_until_it_works(second, [row(2)], 60)
    finally:
        os.kill(first.process.pid, signal.SIGCONT)
    print(f"hand-over from a stalled writer: {took:.2f} s")
    assert took <= 8
    until(lambda: first.request("POST", "/collections/docs/vectors", {"vectors": [row(3)]}).status_code == 200, "it forwards")
    assert first.metric("akidb_forwarded_requests_total") >= 1
    assert everything(first).keys() == everything(second).keys() == {"d1", "d2", "d3"}


def test_a_path_that_is_cut_is_given_up_within_the_stated_time(make_node, minio, bucket):  # noqa: F811
    with FaultProxy("127.0.0.1", 0) as path:
        first = make_node(minio, bucket, "--advertise", path.endpoint, name="first").start()
        path.upstream = ("127.0.0.1", first.port)
        first.create("docs", DIM)
        second = make_node(minio, bucket, name="second").start()
        second.upsert("docs", [row(1)])
        assert path.counted("POST", "/collections/docs/vectors") == 1
        path.black_hole()
        took = write_until_it_works(second, [row(2)], 60)
        print(f"hand-over over a path that was cut: {took:.2f} s")
        assert 10 < took <= 20, "the writer lives, so it is not deposed at once"
        until(lambda: first.request("POST", "/collections/docs/vectors", {"vectors": [row(3)]}).status_code == 200, "it forwards")
        assert everything(first).keys() == {"d1", "d2", "d3"}


def test_a_forwarded_request_without_the_secret_is_refused(make_node, minio, bucket, tmp_path):  # noqa: F811
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef0123456789abcdef\n")
    flags = ["--set", f"server.forward_secret_file={secret}"]
    first = make_node(minio, bucket, *flags, name="first").start()
    first.create("docs", DIM)
    second = make_node(minio, bucket, *flags, name="second").start()
    second.upsert("docs", [row(1)])
    stranger = make_node(minio, bucket, name="stranger").start()
    assert_problem(stranger.request("POST", "/collections/docs/vectors", {"vectors": [row(2)]}), 403, "wrong_secret")
    assert stored(first).keys() == {"d1"}
