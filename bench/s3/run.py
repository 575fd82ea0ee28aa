#!/usr/bin/env python3
"""Compares AkiDB's S3 client with minio-go and with a bare client, on a MinIO of its own, and prints JSON.

usage: bench/s3/run.py [--ours PROGRAM] [--rounds N] [--requests N] [--upload-mib N] [--work DIR]

PROGRAM (default: build/release/src/objstore/s3/s3_bench; left out if it is not there) is AkiDB's own benchmark of its client:
`PROGRAM SECONDS MIB BUCKET` prints one JSON object. In each round it runs before the Go program, in the next after it; printed are
medians over the rounds, and ratios within a round, as medians too. Needs Go 1.26 or later.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import minio  # noqa: E402

PEER = ROOT / "build" / "bench" / "s3_peer"
OURS_SECONDS = 3
BUCKET = "bench"  # with the objects that both sides read
PEER_CASES = {
    "get_4k": (["--case", "get_4k"], ["bare", "minio-go"]),
    "range_64k": (["--case", "range_64k"], ["bare", "minio-go"]),
    "range_64k_16_in_flight": (["--case", "range_64k", "--in-flight", "16"], ["bare", "minio-go"]),
    "upload": (["--case", "upload"], ["minio-go"]),
}
# What it is, how it is computed from ours and the SDK's figures, the bound, whether more is better.
TARGETS = [
    ("GET of 4 KiB, p50, of the bare client's", lambda ours, sdk: ours["get_4k"]["p50_ratio"], 1.15, False),
    ("range of 64 KiB, p50, of the bare client's", lambda ours, sdk: ours["range_64k"]["p50_ratio"], 1.15, False),
    ("64-KiB ranges a second, 16 in flight, of minio-go's",
     lambda ours, sdk: ours["range_64k_16_in_flight"]["requests_per_s"] / sdk["range_64k_16_in_flight"]["requests_per_s"], 0.95, True),
    ("CPU of each, of minio-go's",
     lambda ours, sdk: ours["range_64k_16_in_flight"]["cpu_us_per_request"] / sdk["range_64k_16_in_flight"]["cpu_us_per_request"], 0.5, False),
    ("upload, bytes a second, of minio-go's", lambda ours, sdk: ours["upload"]["mib_per_s"] / sdk["upload"]["mib_per_s"], 0.9, True),
]


def output_of(arguments, environment):
    result = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, env=environment, timeout=900)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, arguments))} ended with {result.returncode}:\n{result.stderr}")
    return json.loads(result.stdout.splitlines()[-1])


def run_peer(options, environment):
    """Case -> side -> figures."""
    figures = {}
    for case, (flags, sides) in PEER_CASES.items():
        for side in sides:
            figures.setdefault(case, {})[side] = output_of(
                [PEER, *flags, "--client", side, "--requests", options.requests, "--upload-mib", options.upload_mib], environment)
    return figures


def run_ours(options, environment):
    return output_of([options.ours, OURS_SECONDS, options.upload_mib, BUCKET], environment) if options.ours.exists() else None


def medians(rounds):
    """The same nested dictionary with the median of each number."""
    first = rounds[0]
    if isinstance(first, dict):
        return {key: medians([each[key] for each in rounds]) for key in first}
    return round(statistics.median(rounds), 3) if isinstance(first, (int, float)) else first


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", type=pathlib.Path, default=ROOT / "build/release/src/objstore/s3/s3_bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2000, help="of each case of the Go program")
    parser.add_argument("--upload-mib", type=int, default=1024)
    parser.add_argument("--work", help="folder for MinIO's drive")
    options = parser.parse_args()
    subprocess.run(["go", "build", "-C", str(ROOT / "bench" / "s3"), "-buildvcs=false", "-o", str(PEER), "."], check=True)

    peers, ours = [], []
    with tempfile.TemporaryDirectory(dir=options.work) as work, minio.running(pathlib.Path(work) / "minio") as server:
        server.client().create_bucket(BUCKET, versioning=False)
        access_key, secret_key = server.credentials
        environment = {**os.environ, "AKIDB_TEST_S3_ENDPOINT": server.endpoint, "AKIDB_TEST_S3_ACCESS_KEY": access_key,
                       "AKIDB_TEST_S3_SECRET_KEY": secret_key}
        subprocess.run([str(PEER), "--case", "prepare"], check=True, env=environment)
        for number in range(options.rounds):
            sides = [lambda: ours.append(run_ours(options, environment)), lambda: peers.append(run_peer(options, environment))]
            for side in sides if number % 2 == 0 else reversed(sides):
                side()
            print(f"round {number + 1} of {options.rounds} done", file=sys.stderr, flush=True)

    report = {"rounds": options.rounds, "requests": options.requests, "upload_mib": options.upload_mib, "peers": medians(peers)}
    if ours[0] is not None:
        report["akidb"] = medians(ours)
        sdks = [{case: sides["minio-go"] for case, sides in each.items()} for each in peers]
        report["targets"] = []
        for what, ratio_of, bound, more_is_better in TARGETS:
            ratio = statistics.median(ratio_of(mine, sdk) for mine, sdk in zip(ours, sdks))
            report["targets"].append({"what": what, "must_reach": bound, "ratio": round(ratio, 3),
                                      "reached": ratio >= bound if more_is_better else ratio <= bound})
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
