"""`akidb bench search`: a running server, asked for vectors of one's own and at a rate."""

import json
import os
import pathlib
import signal
import subprocess
import time

import akidb
import numpy
import pytest

DIM = 8


@pytest.fixture(scope="module")
def docs(shared_server):
    draw = numpy.random.default_rng(3)
    shared_server.create("docs", DIM)
    shared_server.upsert("docs", [{"id": str(i), "vector": draw.standard_normal(DIM).tolist(), "payload": {"n": i % 4}} for i in range(200)])
    return shared_server


@pytest.fixture
def queries(tmp_path):
    path = tmp_path / "queries.npy"
    numpy.save(path, numpy.random.default_rng(4).standard_normal((5, DIM)).astype("<f2"))
    return path


def bench(server, *flags):
    return akidb.run_cli("bench", "search", "-c", "docs", "--server", server.url, "--json", *flags)


def test_it_asks_for_the_vectors_of_a_file_at_the_rate_that_was_wanted(docs, queries):
    before = docs.metric(r'akidb_api_requests_total\{[^}]*route="/collections/\{collection\}/search"[^}]*status="200"\}')
    result = bench(docs, "--queries", queries, "--rate", 100, "-n", 50, "--connections", 2, "--filter", '{"must":[{"key":"n","match":{"value":1}}]}',
                   "--recall", "0.9", "--no-payload")
    assert result.returncode == 0, result.stderr
    measured = json.loads(result.stdout)
    assert (measured["action"], measured["requests"], measured["rate"]) == ("search", 50, 100)
    assert measured["seconds"] >= 0.49, "the last is due 49 hundredths after the first"
    assert 0 < measured["p50_ms"] <= measured["p95_ms"] <= measured["p99_ms"] <= measured["max_ms"]
    after = docs.metric(r'akidb_api_requests_total\{[^}]*route="/collections/\{collection\}/search"[^}]*status="200"\}')
    assert after - before == 50


def test_a_server_that_stands_still_is_seen_by_all_that_were_due(docs, queries):
    running = subprocess.Popen([str(akidb.BINARY), "bench", "search", "-c", "docs", "--server", docs.url, "--json", "--queries", str(queries), "--rate", "100",
                                "-n", "200", "--connections", "1"], stdout=subprocess.PIPE, text=True)
    count = r'akidb_api_requests_total\{[^}]*route="/collections/\{collection\}/search"[^}]*status="200"\}'
    begun = docs.metric(count)
    while docs.metric(count) < begun + 10:
        pass
    docs.process.send_signal(signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(0.5)
    docs.process.send_signal(signal.SIGCONT)
    measured = json.loads(running.communicate(timeout=60)[0])
    # Without the rate one request would have waited, and p95 be that of a quiet server. Fifty were due, evenly, while it stood.
    assert measured["requests"] == 200 and measured["max_ms"] > 400 and measured["p95_ms"] > 250


def test_what_was_measured_is_printed_when_it_is_interrupted(docs, queries):
    running = subprocess.Popen([str(akidb.BINARY), "bench", "search", "-c", "docs", "--server", docs.url, "--json", "--queries", str(queries), "--rate", "50",
                                "-n", "1000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    count = r'akidb_api_requests_total\{[^}]*route="/collections/\{collection\}/search"[^}]*status="200"\}'
    begun = docs.metric(count)
    while docs.metric(count) < begun + 10:
        pass
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=30)
    assert running.returncode == 130 and json.loads(out)["requests"] >= 10


def test_threads_that_compute_or_take_bulk_writes_give_way_to_those_that_answer(docs):
    nice = [int(stat.read_text().rsplit(")", 1)[1].split()[16]) for stat in pathlib.Path(f"/proc/{docs.process.pid}/task").glob("*/stat")]
    # Merge, index, growing index, flush and upload that nobody waits for, trimming, collecting; and two at least for writes and comparisons.
    assert nice.count(min(nice) + 10) >= 8 and nice.count(min(nice)) >= 5, nice


def test_files_and_filters_that_do_not_fit_are_refused_by_name(docs, tmp_path):
    numpy.save(tmp_path / "wide.npy", numpy.zeros((3, DIM + 1), dtype="<f4"))
    wide = bench(docs, "--queries", tmp_path / "wide.npy")
    assert wide.returncode == 2 and "wide.npy" in wide.stderr and f"{DIM + 1} elements" in wide.stderr, wide.stderr
    assert bench(docs, "--queries", tmp_path / "none.npy").returncode == 3
    filtered = bench(docs, "--filter", "{")
    assert filtered.returncode == 2 and "--filter is not valid JSON" in filtered.stderr


def test_requests_beside_background_work_make_ticks_and_nothing_else_does(docs):
    docs.create("loaded", 384)
    loading = subprocess.Popen([str(akidb.BINARY), "bench", "upsert", "-c", "loaded", "--server", docs.url, "--dim", "384", "--batch-rows", "1000", "-n", "100000",
                                "--connections", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ticks = "akidb_fine_ticks_total"
    begun, deadline = docs.metric(ticks), time.monotonic() + 60
    try:
        # Asking is a request, too. There are none where there are many processors.
        while docs.metric(ticks) == begun and len(os.sched_getaffinity(0)) <= 8:
            assert loading.poll() is None and time.monotonic() < deadline, "no ticks beside a load"
    finally:
        loading.kill()
        loading.wait()
    docs.ok("DELETE", "/collections/loaded")
    quiet, last = 0, docs.metric(ticks)
    while quiet < 100:
        assert time.monotonic() < deadline + 60, "ticks although nothing is under way"
        before, last = last, docs.metric(ticks)
        quiet = quiet + 1 if last == before else 0
