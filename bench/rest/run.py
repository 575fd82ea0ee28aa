#!/usr/bin/env python3
"""What a search over REST costs the server, and how long it takes: idle, at half load, and while `akidb ingest` runs.

usage: bench/rest/run.py [--data DIR] [--out OUT] [--rounds N] [--seconds S] [--quick] [--against BINARY] [--work DIR]

Starts a server of its own, loads packages.parquet of DIR (AKIDB_DATA; the sample of the repository without either, which is said), merges,
waits for the index, and measures. With --against, a second server of another binary runs beside it, and the two take turns. Prints tables,
writes OUT/rest.json.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import akidb  # noqa: E402
from processes import cpu_seconds  # noqa: E402

CONNECTIONS = 8
# One connection that asks as often: enough to see what is rare within seconds, far from what the server can do.
SINGLE_RATE = 400
# While rows come to the collection that is asked, searches scan those that have no index yet.
SAME_RATE = 50
RECALL = 0.95
INDEX_SECONDS_MAX = 300
LATENCIES = ("p50_ms", "p95_ms", "p99_ms", "max_ms")


class Side:
    """A server of one binary, filled."""

    def __init__(self, name, binary, work, source):
        self.name, self.source, self.loads = name, source, 0
        akidb.BINARY = pathlib.Path(binary)
        self.server = akidb.Server(pathlib.Path(work) / name).start()

    def ingest(self, collection):
        """A running `akidb ingest` of everything."""
        return subprocess.Popen([str(CLIENT), "ingest", str(self.source.rows), "-c", collection, "--create", "--json", "--server", self.server.url,
                                 "--state", str(self.server.data_dir.with_name(f"{self.name}.{self.loads}.state"))],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def fill(self):
        loading = self.ingest("base")
        _, errors = loading.communicate(timeout=600)
        if loading.returncode != 0:
            sys.exit(errors)
        return self.settle()

    def settle(self):
        """What the collection says of itself once all of it is one segment and has an index; a sample is too small for one."""
        self.server.ok("POST", "/collections/base/flush", {}, timeout=600)
        self.server.ok("POST", "/collections/base/merge", {"wait": True, "full": True}, timeout=600)
        end = time.monotonic() + INDEX_SECONDS_MAX
        while True:
            described = self.server.ok("GET", "/collections/base")
            if described["indexed_count"] >= described["vector_count"] or described["vector_count"] < 10000:
                return described
            if time.monotonic() > end:
                sys.exit(f"no index after {INDEX_SECONDS_MAX} s: {described}")
            time.sleep(0.1)

    def start_search(self, *flags):
        return subprocess.Popen([str(CLIENT), "bench", "search", "-c", "base", "--recall", str(RECALL), "--json", "--server", self.server.url,
                                 *self.source.query_flags, *map(str, flags)],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def search(self, *flags):
        """A finished run, with what it cost the server."""
        pid = self.server.process.pid
        cpu, stages = cpu_seconds(pid), self.search_stage()
        running = self.start_search(*flags)
        out, errors = running.communicate(timeout=600)
        if running.returncode != 0:
            sys.exit(errors)
        measured = json.loads(out)
        seconds, count = (after - before for after, before in zip(self.search_stage(), stages))
        measured["cpu_us"] = (cpu_seconds(pid) - cpu) / measured["requests"] * 1e6
        measured["search_stage_us"] = seconds / max(count, 1) * 1e6
        return measured

    def search_stage(self):
        """Seconds and number of the searches in requests, as the server counts them."""
        return (self.server.metric(r'akidb_query_stage_duration_seconds_sum\{stage="search"\}'),
                self.server.metric(r'akidb_query_stage_duration_seconds_count\{stage="search"\}'))

    def search_beside_ingest(self, seconds, rate, collection_of, until=lambda: None):
        """Searches of one connection at `rate` while one load follows the other, for so long at least, and until `until` returns."""
        searching = self.start_search("--connections", 1, "--rate", rate, "-n", 10**9)
        end, loads, begun = time.monotonic() + seconds, 0, time.monotonic()
        while loads == 0 or time.monotonic() < end:
            self.loads += 1
            loading = self.ingest(collection_of(self.loads))
            _, errors = loading.communicate(timeout=600)
            if loading.returncode != 0:
                searching.kill()
                sys.exit(errors)
            loads += 1
        load_s = (time.monotonic() - begun) / loads
        until()
        searching.send_signal(signal.SIGINT)
        out, errors = searching.communicate(timeout=60)
        if not out:
            sys.exit(errors)
        return {**json.loads(out), "loads": loads, "load_s": load_s}


class Source:
    """What is loaded and asked."""

    def __init__(self, data):
        data = pathlib.Path(data) if data else None
        self.real = data is not None and (data / "packages.parquet").exists()
        if self.real:
            self.rows, self.queries = data / "packages.parquet", data / "queries_in.f16.npy"
        else:
            print("NOTE: no packages.parquet (--data DIR or AKIDB_DATA): these are the 1,000 recipes of the repository, which are searched without an "
                  "index. No figure of an index can be had from them.", file=sys.stderr)
            self.rows, self.queries = ROOT / "samples" / "recipes.jsonl", None
        self.query_flags = ["--queries", str(self.queries)] if self.queries else []


def index_alone(source, work):
    """Microseconds of half of the searches at most, by `akidb bench ann` over the same rows at the same wish; None where pyarrow or the data are
    missing."""
    try:
        import numpy
        import pyarrow.parquet
    except ImportError:
        return None
    if not source.real:
        return None
    column = pyarrow.parquet.read_table(source.rows, columns=["vector"])["vector"].combine_chunks()
    rows = column.flatten().to_numpy().reshape(len(column), -1)
    base = pathlib.Path(work) / "base.npy"
    numpy.save(base, rows.astype("<f4"))
    result = akidb.run_cli("bench", "ann", "--base", base, "--queries", source.queries, "--vector-type", "f32", "--recall", RECALL, "--json")
    if result.returncode != 0:
        sys.exit(result.stderr)
    return json.loads(result.stdout)["points"][0]["p50_us"]


def one_round(side, options):
    found = {}
    flags = ["--connections", CONNECTIONS]
    side.search(*flags, "-n", 2000)  # what is read and allocated once
    quick = side.search(*flags, "-n", 2000)
    found["full"] = side.search(*flags, "-n", max(2000, int(quick["requests_per_second"] * options.seconds)))
    found["ids_only"] = side.search(*flags, "--no-payload", "-n", max(2000, int(quick["requests_per_second"] * options.seconds)))
    rate = found["full"]["requests_per_second"] / 2
    found["half"] = side.search(*flags, "--rate", rate, "-n", int(rate * options.seconds))
    found["one_closed"] = side.search("--connections", 1, "-n", max(500, int(quick["requests_per_second"] / 4 * options.seconds)))
    found["idle"] = side.search("--connections", 1, "--rate", SINGLE_RATE, "-n", int(SINGLE_RATE * options.seconds))
    found["ingest_other"] = side.search_beside_ingest(options.seconds, SINGLE_RATE, lambda number: f"other{number}")
    for number in range(side.loads + 1):
        side.server.request("DELETE", f"/collections/other{number}")
    return found


def median(rounds, case, key):
    return statistics.median(each[case][key] for each in rounds)


def summary(rounds, ann_us):
    """The figures that have bars, of the rounds of one side."""
    cpu, stage = median(rounds, "full", "cpu_us"), median(rounds, "one_closed", "search_stage_us")
    alone = ann_us if ann_us is not None else stage
    return {"cpu_us": cpu, "cpu_us_ids_only": median(rounds, "ids_only", "cpu_us"), "search_stage_us": stage, "index_alone_us": ann_us,
            "above_search_us": cpu - alone, "floor_us": 40, "target_us": 20, "reached_floor": cpu - alone <= 40,
            "p99_half_over_idle": statistics.median(r["half"]["p99_ms"] / r["idle"]["p99_ms"] for r in rounds),
            "p99_ingest_over_idle": statistics.median(r["ingest_other"]["p99_ms"] / r["idle"]["p99_ms"] for r in rounds), "p99_must_be": 3}


def show(side, rounds, last, figures):
    cases = [("8 connections, each as fast as answered", "full"), ("the same, no payloads", "ids_only"), ("8 connections, half of that rate", "half"),
             ("1 connection, as fast as answered", "one_closed"), (f"1 connection, {SINGLE_RATE}/s", "idle"),
             (f"{SINGLE_RATE}/s while another collection is loaded", "ingest_other")]
    print(f"\n{side.name}\n{'':52}{'searches/s':>11}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'max ms':>9}{'CPU us':>9}")

    def line(title, of):
        cpu = of("cpu_us")
        print(f"{title:52}{of('requests_per_second'):11.0f}" + "".join(f"{of(key):9.3f}" for key in LATENCIES) + (f"{cpu:9.1f}" if cpu else ""))
    for title, case in cases:
        line(title, lambda key, case=case: median(rounds, case, key) if key in rounds[0][case] else None)
    line(f"{SAME_RATE}/s while the same is loaded, merged and indexed", last["ingest_same"].get)
    alone = figures["index_alone_us"]
    print(f"search alone: {figures['search_stage_us']:.1f} us as the server counts it (one connection, payloads included)"
          + (f", {alone:.1f} us by `akidb bench ann` on the same rows" if alone else ""))
    print(f"processor time of a REST search above it: {figures['above_search_us']:.1f} us (at most 40, target 20)")
    print(f"p99 over idle: {figures['p99_half_over_idle']:.1f}x at half load, {figures['p99_ingest_over_idle']:.1f}x beside a load of another collection (at most 3)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("AKIDB_DATA"))
    parser.add_argument("--out", default=str(ROOT / "build" / "rest"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--quick", action="store_true", help="one round of two seconds each: under a minute on a quiet machine")
    parser.add_argument("--against", help="another akidb, measured in turns")
    parser.add_argument("--work")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 2
    source, load_before = Source(options.data), os.getloadavg()
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        sides = []
        try:
            ann_us = index_alone(source, work)
            for name, binary in [("akidb", CLIENT), *([("against", options.against)] if options.against else [])]:
                sides.append(Side(name, binary, work, source))
                described = sides[-1].fill()
            rounds = {side.name: [] for side in sides}
            for number in range(options.rounds):
                for side in sides if number % 2 == 0 else sides[::-1]:
                    rounds[side.name].append(one_round(side, options))
            last = {side.name: {"ingest_same": side.search_beside_ingest(options.seconds, SAME_RATE, lambda number: "base", side.settle)} for side in sides}
        finally:
            for side in sides:
                side.server.kill()
    figures = {side.name: summary(rounds[side.name], ann_us) for side in sides}
    for side in sides:
        show(side, rounds[side.name], last[side.name], figures[side.name])
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    cpu_model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    record = {"when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "commit": commit, "cpu": cpu_model, "cpus": os.cpu_count(),
              "load_before": load_before[0], "load_after": os.getloadavg()[0], "real_data": source.real, "rows": described["vector_count"],
              "dim": described["vector_dim"], "recall": RECALL, "figures": figures,
              "rounds": rounds, "last": last}
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "rest.json").write_text(json.dumps(record, indent=1) + "\n")
    print(f"\nload average {load_before[0]:.1f} before, {record['load_after']:.1f} after; written: {out / 'rest.json'}")


CLIENT = akidb.BINARY

if __name__ == "__main__":
    main()
