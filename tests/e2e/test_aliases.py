"""Aliases over REST and from the shell, across a restart and under readers."""

import concurrent.futures
import json
import threading

from akidb import assert_problem, run_cli


def fill(server, name):
    server.create(name, 2)
    server.upsert(name, [{"id": f"{name}-{i}", "vector": [1, i]} for i in range(3)])


def test_aliases_survive_a_restart(server):
    for name in ("blue", "green"):
        fill(server, name)
    assert server.ok("PUT", "/aliases/live", {"collection": "blue"}) == {"alias": "live", "collection": "blue"}
    server.ok("PUT", "/aliases/test", {"collection": "green"})
    server.kill()
    server.start()
    assert server.ok("GET", "/aliases")["aliases"] == [{"alias": "live", "collection": "blue"},
                                                       {"alias": "test", "collection": "green"}]
    assert server.ok("GET", "/collections/live")["name"] == "blue"
    assert {row["id"] for row in server.scroll("live")} == {"blue-0", "blue-1", "blue-2"}
    assert_problem(server.request("DELETE", "/collections/blue"), 409, "collection_has_aliases")
    assert_problem(server.request("POST", "/collections", {"name": "live", "vector_dim": 2, "distance": "Cosine"}),
                   409, "alias_exists")
    server.ok("POST", "/aliases:switch", {"alias": "live", "from": "blue", "to": "green"})
    server.ok("DELETE", "/collections/blue")
    server.stop()
    server.start()
    assert server.ok("GET", "/collections/live")["name"] == "green"


def test_a_switch_leaves_no_reader_without_an_answer(server):
    for name in ("blue", "green"):
        fill(server, name)
    server.ok("PUT", "/aliases/live", {"collection": "blue"})
    done = threading.Event()
    seen = set()

    def read():
        while not done.is_set():
            hits = server.ok("POST", "/collections/live/search", {"vector": [1, 0], "top_k": 3})["results"]
            names = {hit["id"].split("-")[0] for hit in hits}
            assert len(hits) == 3 and len(names) == 1, "an answer is of one collection"
            seen.update(names)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        try:
            for _ in range(20):
                server.ok("POST", "/aliases:switch", {"alias": "live", "from": "blue", "to": "green"})
                server.ok("POST", "/aliases:switch", {"alias": "live", "from": "green", "to": "blue"})
        finally:
            done.set()
        reader.result(60)
    assert seen


def test_the_command_line(server):
    for name in ("blue", "green"):
        fill(server, name)

    def alias(*arguments):
        return run_cli("alias", *arguments, AKIDB_SERVER=server.url)

    assert alias("set", "live", "blue").returncode == 0
    listed = alias("list")
    assert listed.returncode == 0 and "live" in listed.stdout and "blue" in listed.stdout
    assert alias("switch", "live", "blue", "green").stdout == "alias 'live' points to 'green'\n"
    refused = alias("switch", "live", "blue", "green")
    assert refused.returncode == 4 and "points to green" in refused.stderr
    assert json.loads(alias("list", "--json").stdout) == {"aliases": [{"alias": "live", "collection": "green"}]}
    assert alias("set", "green", "blue").returncode == 4
    assert alias("set", "live", "nothing").returncode == 3
    assert alias("delete", "live").returncode == 0
    assert alias("delete", "live").returncode == 3
