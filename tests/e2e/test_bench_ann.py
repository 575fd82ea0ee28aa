"""`akidb bench ann`: the index alone, on vectors of one's own."""

import json

import akidb
import numpy
import pytest

ROWS, DIM, QUERIES = 4000, 96, 50
# Rows are f16 and cosine keeps a norm.
ROW_BYTES = 2 * DIM + 4


def make(folder, row_count, query_count):
    """Files of clustered vectors, their queries, and a mask that a third of the rows pass."""
    draw = numpy.random.default_rng(7)
    centres = draw.standard_normal((100, DIM))
    for name, count in (("base", row_count), ("queries", query_count)):
        rows = centres[draw.integers(0, 100, count)] + 0.7 * draw.standard_normal((count, DIM))
        numpy.save(folder / f"{name}.npy", rows.astype("<f2"))
    numpy.save(folder / "mask.npy", (draw.random(row_count) < 1 / 3).astype("u1"))
    return folder


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    return make(tmp_path_factory.mktemp("ann"), ROWS, QUERIES)


def bench(vectors, *flags):
    return akidb.run_cli("bench", "ann", "--base", vectors / "base.npy", "--queries", vectors / "queries.npy", *flags, "--json")


def measured(vectors, *flags):
    result = bench(vectors, *flags)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_a_sweep_ends_with_nearly_all_found(vectors):
    found = measured(vectors)
    assert (found["n"], found["dim"], found["k"], found["metric"], found["index"], found["layout"]) == (ROWS, DIM, 10, "cosine", "hnsw", "fast")
    assert found["bytes_per_vector"] == pytest.approx(found["index_bytes_per_vector"] + ROW_BYTES, abs=2)
    recalls = [point["recall"] for point in found["points"]]
    assert len(recalls) > 3 and recalls[-1] > 0.99 and recalls[-1] >= recalls[0]
    assert all(point["qps"] > 0 and point["p99_us"] >= point["p50_us"] > 0 for point in found["points"])


def test_the_recall_asked_for_is_reached(vectors):
    for layout in ("fast", "compact"):
        for point in measured(vectors, "--layout", layout, "--recall", "0.9,0.99")["points"]:
            assert point["recall"] >= point["recall_wanted"] - 0.03, layout


def test_masked_rows_are_not_found(vectors):
    found = measured(vectors, "--mask", vectors / "mask.npy", "--recall", "0.95")
    assert found["passing"] == int(numpy.load(vectors / "mask.npy").sum())
    assert found["points"][0]["recall"] >= 0.95


def test_a_limit_of_memory_chooses_the_layout(vectors):
    taken = {}
    for limit in (0, 1600, 700, 450, 300):
        found = measured(vectors, "--max-bytes-per-vector", limit, "--ef-search", 200)
        assert limit == 0 or found["bytes_per_vector"] <= limit
        taken[limit] = (found["layout"], found["from_codes"])
        assert found["points"][0]["recall"] > (0.8 if found["from_codes"] else 0.97)
    assert taken == {0: ("fast", False), 1600: ("fast, 12 bits", True), 700: ("compact, 5 bits", False), 450: ("compact, 12 bits", True),
                     300: ("compact, 5 bits", True)}
    none = bench(vectors, "--max-bytes-per-vector", 100)
    assert none.returncode != 0
    assert "--max-bytes-per-vector: 100 is less than any layout takes" in none.stderr


def test_a_merged_graph_finds_as_much_as_one_built_anew(tmp_path):
    # So many that graphs are walked through; fewer are swept, which finds as much whatever the graph is.
    found = measured(make(tmp_path, 4 * ROWS, 4 * QUERIES), "--merge", 4, "--ef-search", "16,64")
    assert (found["n"], found["dim"], found["segments"]) == (4 * ROWS, DIM, 4)
    assert found["merge_cpu_s"] > 0 and found["build_cpu_s"] > 0
    assert [point["ef_search"] for point in found["points"]] == [16, 64]
    for point in found["points"]:
        assert point["recall_merged"] >= point["recall_built"] - 0.02


def test_a_kept_graph_is_opened_again(vectors, tmp_path):
    flags = ["--index-file", tmp_path / "graph", "--layout", "compact", "--ef-search", "40"]
    built, opened = measured(vectors, *flags), measured(vectors, *flags)
    assert opened["build_s"] < built["build_s"]
    assert opened["points"][0]["recall"] == built["points"][0]["recall"]
    assert opened["layout"] == built["layout"] == "compact, 5 bits"
