#!/usr/bin/env python3
"""Runs AkiDB's benchmarks against a release build and writes docs/benchmarks/NAME.md and NAME.json.

usage: bench/run.py [--build build/release] [--data DIR] [--name NAME] [--only PART[,PART]] [--work DIR]

PARTs: ingest rest single clients wal exact restart bytes collections. DIR (or AKIDB_DATA) holds packages.parquet and its
truth; the parts that need it say "skipped" without it. Every comparison alternates the two sides in one run. Build first:
ninja -C build/release akidb benchmarks
"""
import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROWS = 92555


def run(command, **kwargs):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True, **kwargs).stdout


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def rss_bytes(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024


class Server:
    """A real `akidb serve` on its own directory and port."""

    def __init__(self, bench, data_dir, preload=None):
        self.bench, self.data_dir, self.preload = bench, data_dir, preload
        self.process = None

    def start(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        env = dict(os.environ)
        if self.preload:
            env["LD_PRELOAD"] = str(self.preload)
        self.log = open(str(self.data_dir) + ".log", "ab")
        begin = time.monotonic()
        self.process = subprocess.Popen([self.bench.akidb, "serve", "--data-dir", self.data_dir, "--listen", f"127.0.0.1:{self.port}"],
                                        stdout=self.log, stderr=self.log, env=env)
        while True:
            try:
                urllib.request.urlopen(self.url + "/health/ready", timeout=5).read()
                return time.monotonic() - begin
            except (urllib.error.URLError, OSError):
                if self.process.poll() is not None or time.monotonic() - begin > 60:
                    sys.exit(f"server did not become ready, see {self.log.name}")
                time.sleep(0.01)

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read() or b"null")

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(60)
        self.log.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()


class Bench:
    def __init__(self, args):
        self.build = (ROOT / args.build).resolve()
        self.akidb = self.build / "bin" / "akidb"
        self.data = pathlib.Path(args.data) if args.data else None
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="akidb-bench-", dir=args.work))
        self.rows = []  # (what, must reach, reached, verdict)

    def add(self, what, target, reached, good):
        verdict = "-" if good is None else "reached" if good else "MISSED"
        self.rows.append({"what": what, "must_reach": target, "reached": reached, "verdict": verdict})
        print(f"{verdict:8} {what}: {reached} (must reach {target})", flush=True)

    def disk(self, chunk, count, mode):
        return json.loads(run([self.build / "bench" / "disk_probe", self.work / "probe", chunk, count, mode]))

    def upsert(self, server, connections, batch, requests, body, collection="bench"):
        out = json.loads(run([self.akidb, "bench", "upsert", "--server", server.url, "--collection", collection, "--connections", connections,
                              "--batch-rows", batch, "--requests", requests, "--body", body, "--dim", 384, "--json"]))
        return out

    def create(self, server, name="bench", vector_type="f32"):
        server.call("POST", "/collections", {"name": name, "vector_dim": 384, "distance": "Cosine", "vector_type": vector_type})

    def ingest(self, server, collection, vector_type="f32"):
        begin = time.monotonic()
        run([self.akidb, "ingest", self.data / "packages.parquet", "--server", server.url, "--collection", collection, "--create",
             "--distance", "Cosine", "--vector-type", vector_type])
        return ROWS / (time.monotonic() - begin)

    # Parts, named as on the command line.

    def part_ingest(self):
        rates, disk_rates = [], []
        for i in range(5):
            with Server(self, self.work / f"ingest{i}") as server:
                rates.append(self.ingest(server, "packages"))
            payload = 2200 * ROWS  # bytes that reach the log, vector and payload
            disk_rates.append(self.disk(1 << 20, payload >> 20, "append")["mb_per_s"] * 1e6 / 2200)
            shutil.rmtree(self.work / f"ingest{i}")
        rate, disk = statistics.median(rates), statistics.median(disk_rates)
        bar = min(40000, 0.6 * disk)
        self.add("Parquet ingest through the CLI, 384-d, acknowledged durable", f">= {bar:,.0f} vectors/s",
                 f"{rate:,.0f} vectors/s (disk alone: {disk:,.0f})", rate >= bar)

    def part_rest(self):
        rates = []
        for i in range(5):
            with Server(self, self.work / f"rest{i}") as server:
                self.create(server)
                rates.append(self.upsert(server, 4, 500, 150, "json")["rows_per_second"])
            shutil.rmtree(self.work / f"rest{i}")
        rate = statistics.median(rates)
        self.add("REST upsert, JSON, 384-d, batches of 500, 4 connections", ">= 20,000 vectors/s durable", f"{rate:,.0f} vectors/s", rate >= 20000)

    def part_single(self):
        ours, strict, appended = [], [], []
        with Server(self, self.work / "single") as server:
            self.create(server)
            self.upsert(server, 1, 1, 500, "json")
            for _ in range(7):
                ours.append(self.upsert(server, 1, 1, 2000, "json")["p99_ms"] * 1000)
                strict.append(self.disk(4096, 2000, "overwrite")["p99_us"])
                appended.append(self.disk(4096, 2000, "append")["p99_us"])
        ours, strict, appended = (statistics.median(x) for x in (ours, strict, appended))
        self.add("single-row durable upsert, 1 client, p99", "<= 2x raw fdatasync p99 (appending)",
                 f"{ours:.0f} us = {ours / appended:.2f}x (appending {appended:.0f} us); {ours / strict:.2f}x of overwriting ({strict:.0f} us)",
                 ours <= 2 * appended)

    def part_clients(self):
        one, many, stubbed = [], [], []
        for i in range(3):
            with Server(self, self.work / f"clients{i}") as server:
                self.create(server)
                one.append(self.upsert(server, 1, 1, 3000, "json")["rows_per_second"])
                many.append(self.upsert(server, 64, 1, 30000, "json")["rows_per_second"])
            with Server(self, self.work / f"stubbed{i}", self.build / "bench" / "libnosync.so") as server:
                self.create(server)
                stubbed.append(self.upsert(server, 64, 1, 30000, "json")["rows_per_second"])
        one, many, stubbed = (statistics.median(x) for x in (one, many, stubbed))
        bar = min(20 * one, 0.7 * stubbed)
        self.add("64 clients of single rows", "lower of 20x one client and 0.7x with fdatasync stubbed",
                 f"{many:,.0f}/s = {many / one:.1f}x one client ({one:,.0f}/s), {many / stubbed:.2f}x stubbed ({stubbed:,.0f}/s)", many >= bar)

    def part_wal(self):
        out = run([self.build / "src" / "wal" / "wal_bench", self.work / "wal"])
        print(out)
        rate = float(re.search(r"replay, page cache warm\s+(\d+) MB/s", out).group(1))
        self.add("WAL replay", ">= 500 MB/s", f"{rate:,.0f} MB/s", rate >= 500)

    def part_exact(self):
        path = self.work / "exact.json"
        # Its exit code judges the same limits as below; the figures count here.
        compared = subprocess.run([str(c) for c in [sys.executable, ROOT / "bench" / "flat" / "compare_faiss.py", "--bench", self.build / "bench" / "flat" / "flat_bench",
                   "--data", self.data, "--json", path]], capture_output=True, text=True)
        print(compared.stdout)
        result = json.loads(path.read_text())
        ratios = {e["name"].removeprefix("akidb "): e["ratio"] for e in result["engines"]}
        self.add("exact search, one query a call, one thread, all rows, f32", "<= 1.00x FAISS IndexFlatIP", f"{ratios['f32']:.2f}x", ratios["f32"] <= 1)
        self.add("the same over f16 storage", "<= 0.60x FAISS", f"{ratios['f16']:.2f}x", ratios["f16"] <= 0.6)

    def part_restart(self):
        server = Server(self, self.work / "restart")
        server.start()
        empty = rss_bytes(server.process.pid)
        self.ingest(server, "packages")
        server.stop(signal.SIGKILL)
        killed = server.start()
        count = server.call("POST", "/collections/packages/vectors/count", {})["count"]
        if count != ROWS:
            sys.exit(f"{count} rows after the kill, {ROWS} were acknowledged")
        server.call("POST", "/collections/packages/flush", {})
        time.sleep(15)  # the allocator gives memory back over some seconds
        served = rss_bytes(server.process.pid)
        for _ in range(20):
            server.call("POST", "/collections/packages/search", {"vector": [1.0] * 384, "top_k": 10})
        searched = rss_bytes(server.process.pid)
        server.stop()
        clean = server.start()
        server.stop()
        self.add("restart, clean", "<= 1 s to ready", f"{clean:.2f} s", clean <= 1)
        self.add("restart, after kill with a full log", "<= 3 s to ready", f"{killed:.2f} s", killed <= 3)
        payload = self.payload_bytes()
        ratio = (searched - empty) / (ROWS * 384 * 4 + payload)
        self.add("RSS with that data, flushed, less an empty server's", "<= 1.25x (vectors + payload as compact JSON)",
                 f"{ratio:.2f}x ({(searched - empty) / 1e6:.0f} MB; right after the flush {(served - empty) / 1e6:.0f} MB)", ratio <= 1.25)

    def payload_bytes(self):
        code = ("import sys,json,pyarrow.parquet as pq\n"
                "t=pq.read_table(sys.argv[1]).drop_columns(['vector','id'])\n"
                "print(sum(len(json.dumps({k:v for k,v in r.items()},ensure_ascii=False,separators=(',',':')).encode()) for b in t.to_batches() for r in b.to_pylist()))")
        return int(run([ROOT / "build" / "venv" / "bin" / "python", "-c", code, self.data / "packages.parquet"]))

    def part_bytes(self):
        with Server(self, self.work / "bytes") as server:
            self.ingest(server, "packages", "f16")
            server.call("POST", "/collections/packages/flush", {})
            server.call("POST", "/collections/packages/merge", {"wait": True})
            store = server.call("GET", "/collections/packages")["store_bytes"]
        code = ("import sys,json,pyarrow as pa,pyarrow.parquet as pq\n"
                "t=pq.read_table(sys.argv[1]).drop_columns(['vector','id'])\n"
                "d='\\n'.join(json.dumps(r,ensure_ascii=False,separators=(',',':')) for b in t.to_batches() for r in b.to_pylist()).encode()\n"
                "c=pa.Codec('zstd',compression_level=3)\n"
                "print(sum(len(c.compress(d[i:i+65536])) for i in range(0,len(d),65536)))")
        payload = int(run([ROOT / "build" / "venv" / "bin" / "python", "-c", code, self.data / "packages.parquet"]))
        ratio = store / (ROWS * 384 * 2 + payload)
        self.add("bytes in the store per vector, f16, with ids and payload", "<= 1.15x (raw f16 + zstd-compressed payload)",
                 f"{store / ROWS:.0f} bytes = {ratio:.3f}x", ratio <= 1.15)

    def part_collections(self):
        server = Server(self, self.work / "many")
        base_start = server.start()
        server.stop()
        base_start = server.start()
        base_rss = rss_bytes(server.process.pid)
        before = sum(f.stat().st_size for f in (self.work / "many" / "store").rglob("*") if f.is_file())
        begin = time.monotonic()
        for i in range(10000):
            server.call("POST", "/collections", {"name": f"c{i}", "vector_dim": 384, "distance": "Cosine"})
        create = time.monotonic() - begin
        live_rss = rss_bytes(server.process.pid)
        server.stop()
        after = sum(f.stat().st_size for f in (self.work / "many" / "store").rglob("*") if f.is_file())
        start = server.start()
        rss = rss_bytes(server.process.pid)
        server.stop()
        self.add("10,000 empty collections: start", "<= 2 s more", f"{start - base_start:.2f} s more", start - base_start <= 2)
        worst = max(rss, live_rss) - base_rss
        self.add("10,000 empty collections: RSS", "<= 100 MB more", f"{worst / 1e6:.0f} MB more", worst <= 100e6)
        each = (after - before) / 10000
        self.add("10,000 empty collections: bytes each", "O(1), catalog deltas", f"{each:.0f} bytes each, created in {create:.0f} s", each < 4096)

    def report(self, name):
        # No arguments in the report: they are paths of the machine.
        cpu = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text()).group(1)
        flags = "AVX-512" if "avx512f" in pathlib.Path("/proc/cpuinfo").read_text() else "AVX2"
        commit = run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]).strip()
        meta = {"date": time.strftime("%Y-%m-%d"), "cpu": f"{cpu} ({flags}, {os.cpu_count()} cores)", "kernel": platform.release(), "commit": commit,
                "command": "bench/run.py"}
        out = ROOT / "docs" / "benchmarks" / name
        out.with_suffix(".json").write_text(json.dumps({**meta, "rows": self.rows}, indent=1) + "\n")
        lines = [f"# Benchmarks of {meta['date']}", "", f"Machine: {meta['cpu']}. Commit: {commit}.", "",
                 "Command: `ninja -C build/release akidb benchmarks && bench/run.py`. Ratios come from alternating rounds in one run; figures are medians.", "",
                 "| what | must reach | reached | |", "|---|---|---|---|"]
        lines += [f"| {r['what']} | {r['must_reach']} | {r['reached']} | {r['verdict']} |" for r in self.rows]
        out.with_suffix(".md").write_text("\n".join(lines) + "\n")
        print("wrote", out.with_suffix(".md").relative_to(ROOT))


PARTS = ["ingest", "rest", "single", "clients", "wal", "exact", "restart", "bytes", "collections"]
NEEDS_DATA = {"ingest", "exact", "restart", "bytes"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--data", default=os.environ.get("AKIDB_DATA"))
    parser.add_argument("--name", default="latest")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--work", default=None, help="where data directories go; the disk under test")
    args = parser.parse_args()
    bench = Bench(args)
    try:
        for part in args.only.split(","):
            if part not in PARTS:
                parser.error(f"no part {part}")
            if part in NEEDS_DATA and not bench.data:
                bench.add(part, "-", "skipped: no --data", None)
                continue
            try:
                getattr(bench, "part_" + part)()
            except (subprocess.CalledProcessError, OSError, KeyError, AttributeError) as error:
                bench.add(part, "-", f"could not run: {error}", False)
    finally:
        shutil.rmtree(bench.work, ignore_errors=True)
    bench.report(args.name)


if __name__ == "__main__":
    main()
