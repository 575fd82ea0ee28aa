#!/usr/bin/env python3
"""How fast a flush reaches the store, beside MinIO's own client uploading as many bytes, on a MinIO of its own; prints JSON.

usage: bench/s3/flush.py [--rows N] [--dim N] [--rounds N] [--work DIR]

In each round a collection is filled without a flush; then its flush and the upload by minio-go follow each other, in the next round the
other way round. The ratio is that of the bytes a second, as the median of the rounds. The collections have no index: building one would
take a processor from whatever is measured next. Needs the Go program (bench/s3/run.py builds it).
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import akidb  # noqa: E402
import minio  # noqa: E402
from processes import cpu_seconds  # noqa: E402

WRITTEN = r'akidb_storage_bytes_total\{direction="written"\}'
PEER = ROOT / "build" / "bench" / "s3_peer"
# Nothing may be flushed before it is told to, and nothing be read back beside a later round.
FLAGS = ["--set", "engine.seal_bytes=4GiB", "--set", "engine.seal_age=1h", "--set", "engine.trim_delay=1h"]


def fill(server, name, options):
    server.create(name, options.dim, index={"kind": "flat"})
    result = akidb.run_cli("bench", "upsert", "-c", name, "--dim", options.dim, "--batch-rows", 1000, "-n", max(1, options.rows // 1000),
                           "--connections", 4, "--server", server.url)
    if result.returncode != 0:
        sys.exit(result.stderr)


def flush(server, name):
    """MiB a second, the MiB, and the server's processor seconds."""
    before, cpu, begun = server.metric(WRITTEN), cpu_seconds(server.process.pid), time.monotonic()
    assert server.ok("POST", f"/collections/{name}/flush", {}, timeout=600)["state"] == "succeeded"
    took = time.monotonic() - begun
    cpu = cpu_seconds(server.process.pid) - cpu
    mib = (server.metric(WRITTEN) - before) / 2**20
    return mib / took, mib, cpu


def upload(mib, environment):
    result = subprocess.run([str(PEER), "--case", "upload", "--upload-mib", str(mib)], capture_output=True, text=True, env=environment, check=True)
    return json.loads(result.stdout.splitlines()[-1])["mib_per_s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=92555)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work")
    options = parser.parse_args()
    ours, sdks, cpus = [], [], []
    with tempfile.TemporaryDirectory(dir=options.work) as work, minio.running(pathlib.Path(work) / "minio") as store:
        store.client().create_bucket("bench", versioning=False)
        access_key, secret_key = store.credentials
        environment = {**os.environ, "AKIDB_TEST_S3_ENDPOINT": store.endpoint, "AKIDB_TEST_S3_ACCESS_KEY": access_key,
                       "AKIDB_TEST_S3_SECRET_KEY": secret_key}
        server = akidb.Server(pathlib.Path(work) / "data", "--store", "s3://bench/db", *FLAGS, environment=store.akidb_environment()).start()
        mib = options.rows * options.dim * 4 / 2**20
        try:
            for number in range(options.rounds):
                fill(server, f"docs{number}", options)
                if number % 2 == 0:
                    rate, mib, cpu = flush(server, f"docs{number}")
                    sdks.append(upload(round(mib), environment))
                else:
                    sdks.append(upload(round(mib), environment))
                    rate, mib, cpu = flush(server, f"docs{number}")
                ours.append(rate)
                cpus.append(cpu)
        finally:
            server.kill()
    ratio = statistics.median(mine / sdk for mine, sdk in zip(ours, sdks))
    print(json.dumps({"mib": round(mib, 1), "flush_mib_per_s": round(statistics.median(ours), 1),
                      "minio_go_mib_per_s": round(statistics.median(sdks), 1), "server_cpu_s": round(statistics.median(cpus), 2),
                      "ratio": round(ratio, 3), "must_reach": 0.8, "reached": ratio >= 0.8}, indent=1))


if __name__ == "__main__":
    main()
