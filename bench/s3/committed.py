#!/usr/bin/env python3
"""How much more 64 clients write with `ack=committed` than one, on a MinIO of their own; prints JSON.

usage: bench/s3/committed.py [--rounds N] [--dim N] [--one N] [--many N] [--work DIR]

Each round starts a server and a MinIO with nothing in it, and sends one row a request: N (--one) by one client that waits for each answer,
then N (--many) by 64, in this order because what 64 leave behind to merge and to index would slow the one. The last ones of a round are
written with `ack=object` by one client, which is one PUT, to which the p50 of one client is compared. The ratio is the median of the
rounds. Processor time is that of the server and of MinIO, for each thousand rows.
"""
import argparse
import json
import pathlib
import statistics
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import akidb  # noqa: E402
import minio  # noqa: E402
from processes import cpu_seconds  # noqa: E402

MANY = 64
RATIO_MIN = 30
PUTS_MAX = 3


def write(server, store, options, ack, clients, rows):
    """What `akidb bench` says, with the processor seconds of both processes for each thousand rows."""
    name = f"{ack}{clients}"
    server.create(name, options.dim, ack=ack)
    pids = {"server": server.process.pid, "minio": store.process.pid}
    before = {who: cpu_seconds(pid) for who, pid in pids.items()}
    result = akidb.run_cli("bench", "upsert", "-c", name, "--batch-rows", 1, "--body", "json", "--connections", clients, "-n", rows, "--json",
                           "--server", server.url)
    if result.returncode != 0:
        sys.exit(result.stderr)
    said = json.loads(result.stdout)
    cpu = {f"{who}_cpu_s": round((cpu_seconds(pid) - before[who]) * 1000 / rows, 3) for who, pid in pids.items()}
    return {"rows_per_s": round(said["rows_per_second"], 1), "p50_ms": round(said["p50_ms"], 2), **cpu}


def measure(options, work):
    work.mkdir()
    with minio.running(work / "minio") as store:
        store.client().create_bucket("bench", versioning=True)
        server = akidb.Server(work / "data", "--store", "s3://bench/db", environment=store.akidb_environment()).start()
        try:
            return {"one": write(server, store, options, "committed", 1, options.one),
                    "many": write(server, store, options, "committed", MANY, options.many),
                    "put": write(server, store, options, "object", 1, options.one)}
        finally:
            server.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--one", type=int, default=1000)
    parser.add_argument("--many", type=int, default=40000)
    parser.add_argument("--work")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        rounds = [measure(options, pathlib.Path(work) / str(number)) for number in range(options.rounds)]
    ratios = [round(r["many"]["rows_per_s"] / r["one"]["rows_per_s"], 1) for r in rounds]
    puts = [round(r["one"]["p50_ms"] / r["put"]["p50_ms"], 2) for r in rounds]
    ratio, put = statistics.median(ratios), statistics.median(puts)
    print(json.dumps({"rounds": rounds, "ratios": ratios, "ratio": ratio, "must_reach": RATIO_MIN, "reached": ratio >= RATIO_MIN,
                      "puts": puts, "put_ratio": put, "at_most": PUTS_MAX, "put_reached": put <= PUTS_MAX}, indent=1))


if __name__ == "__main__":
    main()
