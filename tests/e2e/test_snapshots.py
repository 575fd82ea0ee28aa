"""Snapshots, reads of the past, reverts and clones on a real server, also when it is killed in between."""

import json
import time

import pytest
from akidb import assert_problem, run_cli

# Early, so that flushes, merges and collections happen while the tests look on.
FLAGS = ["--set", "engine.seal_age=200ms", "--set", "engine.trim_delay=200ms", "--set", "engine.gc_grace=2s",
         "--set", "engine.gc_interval=200ms", "--set", "engine.retain_age=0s", "--set", "engine.merge_fanout=2"]
DOCS = "/collections/docs"
COLLECT_SECONDS_MAX = 60


def rows(numbers, tag):
    return [{"id": f"r{n:02}", "vector": [float(n), 1.0], "payload": {"tag": tag}} for n in numbers]


def contents(server, collection="docs", **options):
    return {row["id"]: row["payload"]["tag"] for row in server.scroll(collection, limit=7, **options)}


@pytest.fixture
def docs(make_server):
    """A server whose collection has twenty good rows, and those rows."""
    server = make_server(*FLAGS).start()
    server.create("docs", 2, "Euclidean")
    server.upsert("docs", rows(range(20), "good"))
    return server, contents(server)


def spoil(server):
    server.ok("POST", DOCS + "/vectors/delete", {"ids": [f"r{n:02}" for n in range(5)]})
    server.upsert("docs", rows(range(10, 30), "bad"))


def await_collected(server, version):
    """Until the collector has given up every version up to `version` that has no snapshot."""
    server.upsert("docs", rows([99], "again"))
    # One merge: the grace of what it replaced would start again with the next.
    server.ok("POST", DOCS + "/merge", {"wait": True, "full": True})
    deadline = time.monotonic() + COLLECT_SECONDS_MAX
    while server.ok("GET", DOCS)["oldest_version"] <= version:
        assert time.monotonic() < deadline, "nothing was collected"
        time.sleep(0.05)


def test_a_snapshot_survives_merges_collection_and_kills(docs):
    server, good = docs
    taken = server.ok("POST", DOCS + "/snapshots", {"name": "good"})
    spoil(server)
    await_collected(server, taken["version"] + 1)
    for _ in range(2):
        assert contents(server, at="good") == good
        assert server.ok("GET", DOCS + "/snapshots")["snapshots"] == [taken]
        hit = server.ok("POST", DOCS + "/search", {"vector": [3, 1], "top_k": 1, "at": {"version": taken["version"]}})["results"][0]
        assert (hit["id"], hit["score"]) == ("r03", 0)
        assert server.ok("GET", DOCS + "/vectors/r03?at=good")["payload"] == {"tag": "good"}
        assert_problem(server.request("GET", DOCS + "/vectors/r03"), 404, "id_not_found")
        retired = server.request("POST", DOCS + "/vectors/count", {"at": {"version": taken["version"] + 1}})
        assert f"good ({taken['version']})" in assert_problem(retired, 410, "version_retired")["detail"]
        server.kill()
        server.start()


def test_killed_between_snapshot_and_revert_and_after_it(docs):
    server, good = docs
    server.ok("POST", DOCS + "/snapshots", {"name": "good"})
    spoil(server)
    bad = contents(server)
    server.kill()
    server.start()
    assert contents(server) == bad
    assert contents(server, at="good") == good
    reverted = server.ok("POST", DOCS + "/snapshots/good/revert", {})
    assert reverted["manifest_version"] > reverted["version"]
    # What was reverted may still be in the log.
    for _ in range(3):
        server.kill()
        server.start()
        assert contents(server) == good
    server.upsert("docs", rows([5], "after"))
    server.kill()
    server.start()
    assert contents(server) == good | {"r05": "after"}


def test_a_clone_outlives_its_source(docs):
    server, good = docs
    server.ok("POST", DOCS + "/snapshots", {"name": "good"})
    spoil(server)
    clone = server.ok("POST", DOCS + "/clone", {"name": "copy", "at": "good"})
    assert clone["vector_count"] == len(good) and clone["name"] == "copy"
    assert_problem(server.request("POST", DOCS + "/clone", {"name": "copy"}), 409, "collection_exists")
    server.upsert("copy", rows([0], "mine"))
    segments = server.data_dir / "store/t/default/c/1/segments"
    server.ok("DELETE", DOCS)
    deadline = time.monotonic() + COLLECT_SECONDS_MAX
    while len(list(segments.iterdir())) > 1:
        assert time.monotonic() < deadline, "what only the source needed is still there"
        time.sleep(0.1)
    server.kill()
    server.start()
    assert contents(server, "copy") == good | {"r00": "mine"}
    # Once a merge has made it independent, nothing of the source is left but the object that keeps its id taken.
    server.ok("POST", "/collections/copy/merge", {"wait": True, "full": True})
    deadline = time.monotonic() + COLLECT_SECONDS_MAX
    while len([p for p in (server.data_dir / "store/t/default/c/1").rglob("*") if p.is_file()]) > 1:
        assert time.monotonic() < deadline, "the source is still there"
        time.sleep(0.1)
    assert contents(server, "copy") == good | {"r00": "mine"}


def test_the_command_line_keeps_and_brings_back(docs):
    server, good = docs

    def cli(*arguments, code=0):
        done = run_cli(*arguments, "--server", server.url)
        assert done.returncode == code, done
        return done.stdout

    assert "created 'good'" in cli("snapshot", "create", "docs", "good")
    cli("snapshot", "create", "docs", "good", code=4)
    spoil(server)
    listed = json.loads(cli("snapshot", "list", "docs", "--json"))["snapshots"]
    assert [s["name"] for s in listed] == ["good"]
    assert listed[0]["created_at"] in cli("snapshot", "list", "docs")
    found = json.loads(cli("search", "docs", "--vector", "3,1", "-k", "1", "--at", "good", "--json"))
    assert found["results"][0]["id"] == "r03"
    assert "r03" in cli("search", "docs", "--like", "r03", "-k", "1", "--at", "good")
    cli("collection", "clone", "docs", "copy", "--at", f"version:{listed[0]['version']}")
    assert contents(server, "copy") == good
    cli("snapshot", "revert", "docs", "good", code=2)
    assert "is as in 'good'" in cli("snapshot", "revert", "docs", "good", "--yes")
    assert contents(server) == good
    assert "deleted 'good'" in cli("snapshot", "delete", "docs", "good")
    cli("snapshot", "delete", "docs", "good", code=3)


@pytest.mark.parametrize("at", [{}, {"version": 0}, {"time": "noon"}, 7, "a/b", {"version": 1, "snapshot": "x"}])
def test_a_bad_point_is_named(shared_server, at):
    shared_server.request("POST", "/collections", {"name": "points", "vector_dim": 2, "distance": "Euclidean"})
    answer = shared_server.request("POST", "/collections/points/search", {"vector": [0, 0], "at": at})
    assert '"at' in assert_problem(answer, 400, "invalid_field")["detail"]
