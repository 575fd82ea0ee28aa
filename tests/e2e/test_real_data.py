"""Real documents and embeddings: exact search against the truth that came with them, filters against brute force.

Reads data/packages.parquet and its queries below AKIDB_SHARED (default: ../shared beside the repository).
"""

import json
import os
import pathlib
import time

import numpy
import pyarrow.parquet
import pytest
from akidb import ROOT, Server, run_cli

SHARED = pathlib.Path(os.environ.get("AKIDB_SHARED", ROOT.parent / "shared")) / "data"
TOLERANCE = 1e-6
TOP = 10
SETS = ["in", "short", "ood"]

pytestmark = pytest.mark.skipif(not (SHARED / "packages.parquet").exists(),
                                reason=f"{SHARED} has no packages.parquet; set AKIDB_SHARED to the folder above data/")


@pytest.fixture(scope="module")
def table():
    return pyarrow.parquet.read_table(SHARED / "packages.parquet")


@pytest.fixture(scope="module")
def ids(table):
    return table["id"].to_pylist()


@pytest.fixture(scope="module")
def unit_vectors(table):
    flat = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors = flat.reshape(len(table), -1).astype(numpy.float64)
    return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory, table):
    folder = tmp_path_factory.mktemp("real")
    server = Server(folder / "data").start()
    result = run_cli("--json", "ingest", SHARED / "packages.parquet", "--collection", "packages", "--create", "--server", server.url,
                     "--state", folder / "state.json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["rows_upserted"] == len(table)
    yield server
    server.kill()


def queries_of(name):
    return numpy.load(SHARED / f"queries_{name}.f16.npy").astype(numpy.float32)


def batch_search(server, bodies):
    """Answers in order, a hundred a request. How long they take is for the benchmarks to judge."""
    results = []
    for begin in range(0, len(bodies), 100):
        queries = [{**body, "timeout_ms": 300000} for body in bodies[begin:begin + 100]]
        for each in server.ok("POST", "/collections/packages/batch-search", {"queries": queries}, timeout=600)["results"]:
            assert "error" not in each, each
            results.append(each["results"])
    return results


def assert_is_top(found, ids, rows, scores, context):
    """`rows` and `scores`: more of the true ranking than was asked for. Rows whose scores tie may stand in any order."""
    assert len(found) == min(TOP, len(rows)), f"{context}: {len(found)} results of {min(TOP, len(rows))}"
    true_score = {ids[row]: score for row, score in zip(rows, scores)}
    for rank, hit in enumerate(found):
        assert abs(hit["score"] - scores[rank]) <= TOLERANCE, f"{context}: rank {rank} has {hit}, the truth {scores[rank]}"
        assert abs(true_score.get(hit["id"], -9) - scores[rank]) <= TOLERANCE, f"{context}: rank {rank}: {hit} is not the truth"
    assert len({hit["id"] for hit in found}) == len(found)


def check_truth(server, ids, name, count):
    rows = numpy.load(SHARED / f"queries_{name}.truth100.u32.npy")
    scores = numpy.load(SHARED / f"queries_{name}.truth100_score.f32.npy")
    bodies = [{"vector": vector.tolist(), "top_k": TOP, "with_payload": False, "exact": True} for vector in queries_of(name)[:count]]
    for number, found in enumerate(batch_search(server, bodies)):
        assert_is_top(found, ids, rows[number], scores[number], f"queries_{name} {number}")
    return len(bodies)


@pytest.mark.parametrize("name", SETS)
def test_every_querys_exact_top_10_is_the_truth(loaded, ids, name):
    assert check_truth(loaded, ids, name, 1000) == 1000


FILTERS = {
    "lang": {"key": "lang", "match": {"value": "fr"}},
    "section": {"key": "section", "match": {"any": ["python", "science"]}},
    "size range": {"key": "installed_size_kib", "range": {"gte": 100, "lt": 300}},
    "tags": {"key": "tags", "match": {"value": "role::program"}},
    "narrow": {"must": [{"key": "lang", "match": {"value": "ja"}}, {"key": "section", "match": {"value": "games"}},
                        {"key": "installed_size_kib", "range": {"gt": 5000}}]},
    "either and not": {"should": [{"key": "lang", "match": {"value": "es"}}, {"key": "section", "match": {"value": "libs"}}],
                       "must_not": [{"key": "installed_size_kib", "range": {"lt": 1000}}]},
}


def masks_of(table):
    lang = numpy.array(table["lang"].to_pylist())
    section = numpy.array(table["section"].to_pylist())
    size = table["installed_size_kib"].to_numpy()
    tagged = numpy.array([tags is not None and "role::program" in tags for tags in table["tags"].to_pylist()])
    return {
        "lang": lang == "fr",
        "section": numpy.isin(section, ["python", "science"]),
        "size range": (size >= 100) & (size < 300),
        "tags": tagged,
        "narrow": (lang == "ja") & (section == "games") & (size > 5000),
        "either and not": ((lang == "es") | (section == "libs")) & ~(size < 1000),
    }


@pytest.mark.parametrize("name", FILTERS)
def test_filtered_search_equals_brute_force(loaded, ids, table, unit_vectors, name):
    rows = numpy.flatnonzero(masks_of(table)[name])
    assert len(rows) > 0, "the filter must match something to be a test"
    assert loaded.ok("POST", "/collections/packages/vectors/count", {"filter": FILTERS[name]})["count"] == len(rows)
    queries = queries_of("in")[:20]
    bodies = [{"vector": q.tolist(), "top_k": TOP, "filter": FILTERS[name], "with_payload": False, "exact": True} for q in queries]
    for number, (query, found) in enumerate(zip(queries.astype(numpy.float64), batch_search(loaded, bodies))):
        scores = unit_vectors[rows] @ (query / numpy.linalg.norm(query))
        order = numpy.argsort(-scores, kind="stable")[:100]
        assert_is_top(found, ids, rows[order], scores[order], f"{name}, query {number}")


def test_payloads_are_those_of_the_file(loaded, ids, table):
    picked = list(range(0, len(ids), 997))
    got = loaded.ok("POST", "/collections/packages/vectors/get", {"ids": [ids[i] for i in picked], "with_vector": True})["vectors"]
    for i, row in zip(picked, got, strict=True):
        expected = table.slice(i, 1).to_pylist()[0]
        assert row["id"] == expected.pop("id")
        assert numpy.array_equal(numpy.float32(row["vector"]), numpy.float32(expected.pop("vector")))
        assert row["payload"] == {key: value for key, value in expected.items() if value is not None or key in row["payload"]}


def test_all_is_found_again_after_a_kill_and_after_a_stop(loaded, ids):
    loaded.kill()
    loaded.start()
    assert loaded.count("packages") == len(ids)
    check_truth(loaded, ids, "in", 100)
    assert loaded.stop() == 0
    loaded.start()
    assert loaded.count("packages") == len(ids)
    check_truth(loaded, ids, "short", 100)


def until_indexed(server, rows):
    deadline = time.monotonic() + 600
    while server.ok("GET", "/collections/packages")["indexed_count"] < rows:
        assert time.monotonic() < deadline, server.ok("GET", "/collections/packages")
        time.sleep(0.2)


def recall_of(server, ids, name, count, **settings):
    scores = numpy.load(SHARED / f"queries_{name}.truth100_score.f32.npy")
    bodies = [{"vector": vector.tolist(), "top_k": TOP, "with_payload": False, **settings} for vector in queries_of(name)[:count]]
    answers = batch_search(server, bodies)
    assert all(len(found) == TOP for found in answers)
    return sum(hit["score"] >= scores[number][TOP - 1] - TOLERANCE for number, found in enumerate(answers) for hit in found) / (TOP * len(answers))


def test_searches_reach_the_recall_asked_for_and_the_index_survives_kills(loaded, ids, table, unit_vectors):
    loaded.ok("POST", "/collections/packages/flush", {})
    loaded.ok("POST", "/collections/packages/merge", {"wait": True, "full": True})
    until_indexed(loaded, len(ids))
    assert recall_of(loaded, ids, "in", 30, recall=1.0) == 1
    # 300 queries: what was measured with rows of the collection holds for queries up to two points.
    for name in SETS:
        for wanted in (0.9, 0.95, 0.99):
            assert recall_of(loaded, ids, name, 300, recall=wanted) >= wanted - 0.02, (name, wanted)
    assert recall_of(loaded, ids, "in", 300) >= 0.93, "the collection's own 0.95"
    for name, ef_search, least in (("in", 128, 0.95), ("short", 128, 0.95), ("ood", 1024, 0.9)):
        assert recall_of(loaded, ids, name, 300, ef_search=ef_search) >= least, name
    check = masks_of(table)
    for name in FILTERS:
        rows = numpy.flatnonzero(check[name])
        queries = queries_of("in")[:100]
        bodies = [{"vector": q.tolist(), "top_k": TOP, "filter": FILTERS[name], "with_payload": False} for q in queries]
        hits = total = 0
        for query, found in zip(queries.astype(numpy.float64), batch_search(loaded, bodies)):
            scores = numpy.sort(unit_vectors[rows] @ (query / numpy.linalg.norm(query)))[::-1][:TOP]
            assert len({hit["id"] for hit in found}) == len(scores), name
            total += len(scores)
            hits += sum(hit["score"] >= scores[-1] - TOLERANCE for hit in found)
        assert hits / total >= 0.95, f"{name}: {hits} of {total}"
    built = loaded.log().count('"msg":"indexed"')
    assert built > 0
    loaded.kill()
    loaded.start()
    assert recall_of(loaded, ids, "in", 10, exact=True) == 1
    until_indexed(loaded, len(ids))
    assert recall_of(loaded, ids, "in", 300) >= 0.93
    assert loaded.log().count('"msg":"indexed"') == built, "opened, not built again"
