#!/usr/bin/env python3
"""How soon a node with an empty disk gives its first answer, on a MinIO of its own, and prints JSON.

usage: bench/s3/cold_start.py [--rows N] [--dim N] [--parquet FILE] [--latency-ms MS ...] [--rounds N] [--work DIR]

Loads the rows (of FILE, else generated ones) through one server, publishes and merges them, stops it. Then, for each latency, which
a proxy adds to every request, a server with an empty data directory is started and asked at once for the ten nearest of one vector: the
time from the start of its process to that answer, and the requests it sent. Medians of the rounds.
"""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import random
import shutil
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import akidb  # noqa: E402
import minio  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402


def load(server, options):
    if options.parquet:
        result = akidb.run_cli("ingest", options.parquet, "-c", "docs", "--create", "--server", server.url)
        if result.returncode != 0:
            sys.exit(result.stderr)
    else:
        server.create("docs", options.dim)
        result = akidb.run_cli("bench", "upsert", "-c", "docs", "--dim", options.dim, "--batch-rows", 1000, "-n", max(1, options.rows // 1000),
                               "--connections", 4, "--server", server.url)
        if result.returncode != 0:
            sys.exit(result.stderr)
    server.ok("POST", "/collections/docs/flush", {}, timeout=600)
    server.ok("POST", "/collections/docs/merge", {"wait": True, "full": True}, timeout=600)
    described = server.ok("GET", "/collections/docs")
    assert server.stop() == 0
    return described


def first_answer(server, query, proxy):
    shutil.rmtree(server.data_dir, ignore_errors=True)
    begun, seen = time.monotonic(), len(proxy.exchanges)
    server.start()
    ready = time.monotonic()
    found = server.ok("POST", "/collections/docs/search", query, timeout=120)["results"]
    answered = time.monotonic()
    assert len(found) == 10
    server.kill()
    exchanges = proxy.exchanges[seen:]
    return {"ready_ms": (ready - begun) * 1e3, "answer_ms": (answered - begun) * 1e3, "requests": len(exchanges),
            "by_method": dict(collections.Counter(e.method for e in exchanges)), "read_mib": sum(e.answer_bytes for e in exchanges) / 2**20}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=92555)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--parquet")
    parser.add_argument("--latency-ms", type=float, nargs="+", default=[0, 20])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work")
    options = parser.parse_args()
    with contextlib.ExitStack() as started, tempfile.TemporaryDirectory(dir=options.work) as work, \
            minio.running(pathlib.Path(work) / "minio") as store, FaultProxy("127.0.0.1", store.port) as proxy:
        store.client().create_bucket("bench")
        direct = akidb.Server(pathlib.Path(work) / "loader", "--store", "s3://bench/db", environment=store.akidb_environment()).start()
        started.callback(direct.kill)
        described = load(direct, options)
        chance = random.Random(1)
        query = {"vector": [chance.uniform(-1, 1) for _ in range(described["vector_dim"])], "top_k": 10}
        node = akidb.Server(pathlib.Path(work) / "node", "--store", "s3://bench/db",
                            environment={**store.akidb_environment(), "AKIDB_S3_ENDPOINT": proxy.endpoint})
        started.callback(node.kill)
        report = {"rows": described["vector_count"], "dim": described["vector_dim"], "cpus": os.cpu_count(), "cases": []}
        for latency in options.latency_ms:
            proxy.latency(request_s=latency / 1e3)
            rounds = [first_answer(node, query, proxy) for _ in range(options.rounds)]
            case = {"latency_ms": latency, "by_method": rounds[0]["by_method"]}
            for name in ("ready_ms", "answer_ms", "requests", "read_mib"):
                case[name] = round(statistics.median(each[name] for each in rounds), 1)
            report["cases"].append(case)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
