"""Two nodes on one bucket: whoever is written to takes over, whoever is killed is missed by nobody."""

import random

import pytest
import requests
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
        # A write that changes nothing makes the node the writer: it has seen everything then.
        server.ok("POST", "/collections/docs/vectors/delete", {"ids": ["absent"]})
        rows = stored(server)
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
