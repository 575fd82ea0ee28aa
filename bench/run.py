#!/usr/bin/env python3
"""Runs AkiDB's benchmarks against a release build, judges each figure by its bar, and writes docs/benchmarks/NAME.md
and NAME.json.

usage: bench/run.py [--build build/release] [--data DIR] [--name NAME] [--only PART[,PART]] [--work DIR]
                    [--dev-init-seconds S] [--tests-cold-seconds S] [--tests-warm-seconds S]

PARTs: start ingest rest single clients wal exact restart bytes collections simulation. DIR (or AKIDB_DATA) holds
packages.parquet and its truth; the parts that need it say "not measured" without it. NAME is today's date unless given.
What takes an empty machine or the whole test command is timed by hand and given with the options above. Every comparison
alternates the two sides in one run. Exit code: 0, or 1 if a bar was missed. Build first:

  ninja -C build/release akidb akidb_sim benchmarks
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
# Python that leaves every payload of the data file in `rows`, as compact JSON.
PAYLOAD_ROWS = """
import sys,json,pyarrow.parquet as pq
t=pq.read_table(sys.argv[1]).drop_columns(['vector','id'])
rows=[json.dumps(r,ensure_ascii=False,separators=(',',':')).encode() for b in t.to_batches() for r in b.to_pylist()]
"""


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
        self.process = subprocess.Popen([self.bench.akidb, "serve", "--data-dir", self.data_dir, "--listen", f"127.0.0.1:{self.port}",
                                         # Exact search is measured here; bench/ann measures the index.
                                         "--set", "engine.index_rows_min=2000000000"],
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
        self.load_before = os.getloadavg()[0]
        self.rows = []
        self.args = args

    def add(self, what, bar, figure, good):
        """good: True, False, or None for what was not measured."""
        reached = "not measured" if good is None else "yes" if good else "NO"
        self.rows.append({"what": what, "bar": bar, "figure": figure, "reached": reached})
        print(f"{reached:12} {what}: {figure} (bar: {bar})", flush=True)

    def add_timed_by_hand(self, what, bar, seconds, limit):
        if seconds is None:
            self.add(what, bar, "-", None)
        else:
            self.add(what, bar, f"{seconds / 60:.1f} min", seconds <= limit)

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
        runs = []
        with Server(self, self.work / "single") as server:
            self.create(server)
            command = [self.build / "bench" / "single_bench", server.port, "bench", 384, 2000, self.work / "probe"]
            run(command)
            for _ in range(9):
                runs.append(json.loads(run(command)))
        p50, p99 = (statistics.median(r["upsert"][key] for r in runs) for key in ("p50_us", "p99_us"))
        for raw, name in (("append_paced", "appending at the server's pace"), ("overwrite_paced", "overwriting a zero-filled file at the server's pace"),
                          ("append", "appending without a pause"), ("overwrite", "overwriting without a pause, the strictest reading")):
            raw_p99 = statistics.median(r[raw]["p99_us"] for r in runs)
            ratio = statistics.median(r["upsert"]["p99_us"] / r[raw]["p99_us"] for r in runs)
            self.add(f"single-row durable upsert, 1 client, p99, against raw fdatasync {name}", "<= 2x raw fdatasync p99 of the same run",
                     f"{ratio:.2f}x ({p99:.0f} us against {raw_p99:.0f} us; p50 {p50:.0f} us)", ratio <= 2)

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
        rate, cpu = (float(x) for x in re.search(r"replay, page cache warm\s+(\d+) MB/s, (\d+) MB/s of CPU time", out).groups())
        self.add("WAL replay", ">= 500 MB/s", f"{rate:,.0f} MB/s ({cpu:,.0f} MB per second of CPU time)", rate >= 500)

    def part_exact(self):
        path = self.work / "exact.json"
        # Its exit code judges the same limits as below; the figures count here.
        compared = subprocess.run([str(c) for c in [sys.executable, ROOT / "bench" / "flat" / "compare_faiss.py", "--bench", self.build / "bench" / "flat" / "flat_bench",
                   "--data", self.data, "--json", path]], capture_output=True, text=True)
        print(compared.stdout)
        result = json.loads(path.read_text())
        engines = {e["name"].removeprefix("akidb "): e for e in result["engines"]}
        for vector_type, bar, what in (("f32", 1.0, "exact search, one query a call, one thread, all rows, f32"), ("f16", 0.6, "the same over f16 storage")):
            e = engines[vector_type]
            self.add(what, f"<= {bar:.2f}x FAISS IndexFlatIP over f32, recall 1",
                     f"{e['ratio']:.2f}x of CPU time ({e['wall_ratio']:.2f}x of wall clock), recall {e['recall']:.4f}", e["ratio"] <= bar and e["recall"] == 1)

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
        self.add("RSS with that data, flushed, not indexed, less an empty server's", "<= 1.25x (vectors + payload as compact JSON)",
                 f"{ratio:.2f}x ({(searched - empty) / 1e6:.0f} MB; right after the flush {(served - empty) / 1e6:.0f} MB)", ratio <= 1.25)

    def python(self, code):
        """Runs code with the data file as its argument, in an environment that has pyarrow."""
        for venv in ("venv", "faiss-venv"):
            python = ROOT / "build" / venv / "bin" / "python"
            if python.exists():
                return json.loads(run([python, "-c", code, self.data / "packages.parquet"]))
        raise OSError("no pyarrow: run scripts/dev-init.sh --no-start")

    def payload_bytes(self):
        return self.python(PAYLOAD_ROWS + "print(sum(len(r) for r in rows))")

    def part_bytes(self):
        with Server(self, self.work / "bytes") as server:
            self.ingest(server, "packages", "f16")
            server.call("POST", "/collections/packages/flush", {})
            server.call("POST", "/collections/packages/merge", {"wait": True})
            store = server.call("GET", "/collections/packages")["store_bytes"]
        whole, pieces = self.python(PAYLOAD_ROWS + "import json as j,pyarrow as pa\n"
                                    "d=b'\\n'.join(rows)\n"
                                    "c=pa.Codec('zstd',compression_level=3)\n"
                                    "print(j.dumps([len(c.compress(d)),sum(len(c.compress(d[i:i+65536])) for i in range(0,len(d),65536))]))")
        strict, blocks = (store / (ROWS * 384 * 2 + payload) for payload in (whole, pieces))
        self.add("bytes in the store per vector, f16, with ids and payload, not indexed", "<= 1.15x (raw f16 + zstd-compressed payload)",
                 f"{store / ROWS:.0f} bytes = {strict:.3f}x with all payloads (compact JSON, one a line) as one zstd level 3 stream; "
                 f"{blocks:.3f}x with 64-KiB pieces compressed apart, as reading single rows needs", strict <= 1.15)

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

    def part_start(self):
        self.add_timed_by_hand("dev-init on a machine with nothing installed, 2 cores", "<= 15 min", self.args.dev_init_seconds, 15 * 60)
        dev_init = [ROOT / "scripts" / "dev-init.sh", "--data-dir", self.work / "dev-init"]
        seconds = []
        for _ in range(4):  # the first one builds what is missing
            begin = time.monotonic()
            # Not captured: the server would keep the pipe open.
            subprocess.run([str(c) for c in [*dev_init, "--port", free_port()]], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            seconds.append(time.monotonic() - begin)
            run([*dev_init, "--stop"])
        second = statistics.median(seconds[1:])
        self.add("dev-init, second start", "<= 5 s to a ready server", f"{second:.2f} s", second <= 5)
        self.add_timed_by_hand("whole test command, cold", "<= 30 min", self.args.tests_cold_seconds, 30 * 60)
        self.add_timed_by_hand("whole test command, warm", "<= 10 min", self.args.tests_warm_seconds, 10 * 60)

    def part_simulation(self):
        # As in the suite: the two modes that run the whole engine, side by side.
        begin = time.monotonic()
        modes = [subprocess.Popen([str(self.build / "bin" / "akidb_sim"), "--mode", mode, "--seeds", "0..1499"], stdout=subprocess.PIPE, text=True)
                 for mode in ("localfs", "bucket")]
        outputs = [m.communicate()[0] for m in modes]
        seconds = time.monotonic() - begin
        found = [re.search(r"(\d+) seeds, (\d+) crash states, (\d+) violations", out) for out in outputs]
        seeds, states, violations = (sum(int(f.group(i)) for f in found) for i in (1, 2, 3))
        good = seeds >= 3000 and seconds <= 240 and violations == 0 and all(m.returncode == 0 for m in modes)
        self.add("simulation", ">= 3,000 seeds within 4 minutes, zero violations",
                 f"{seeds:,} seeds in {seconds:.0f} s, {states:,} crash states, {violations} violations", good)
        long_run = re.search(r"\| together \| [\d,]+ \| ([\d,]+)", (ROOT / "docs" / "operating" / "simulation.md").read_text())
        states = int(long_run.group(1).replace(",", "")) if long_run else 0
        self.add("simulation, the long run (docs/operating/simulation.md)", ">= 300,000 crash states, zero violations",
                 f"{states:,} crash states on record, not run again here", states >= 300_000)

    def report(self, name):
        # No arguments in the report: they are paths of the machine.
        info = pathlib.Path("/proc/cpuinfo").read_text()
        cpu = re.search(r"model name\s*:\s*(.+)", info).group(1)
        family, model = (re.search(rf"{key}\s*:\s*(\d+)", info).group(1) for key in ("cpu family", "model"))
        flags = "AVX-512" if "avx512f" in info else "AVX2"
        commit = run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]).strip()
        if run(["git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no"]).strip():
            commit += " with changes"
        meta = {"date": time.strftime("%Y-%m-%d"), "cpu": f"{cpu} (family {family} model {model}, {flags}, {os.cpu_count()} cores)", "kernel": platform.release(),
                "commit": commit, "load_before": self.load_before, "command": "bench/run.py"}
        out = ROOT / "docs" / "benchmarks" / name
        out.with_suffix(".json").write_text(json.dumps({**meta, "rows": self.rows}, indent=1) + "\n")
        lines = [f"# Benchmarks of {meta['date']}", "",
                 f"Machine: {meta['cpu']}, kernel {meta['kernel']}. Load average when the run began: {self.load_before:.1f}. Commit: {commit}.", "",
                 "Command: `ninja -C build/release akidb akidb_sim benchmarks && bench/run.py`. Ratios come from alternating rounds in one run; figures are medians.", "",
                 "| what | bar | figure | reached |", "|---|---|---|---|"]
        lines += [f"| {r['what']} | {r['bar']} | {r['figure']} | {r['reached']} |" for r in self.rows]
        out.with_suffix(".md").write_text("\n".join(lines) + "\n")
        print("\n" + "\n".join(lines[6:]))
        count = {verdict: sum(r["reached"] == verdict for r in self.rows) for verdict in ("yes", "NO", "not measured")}
        print(f"\n{count['yes']} reached, {count['NO']} missed, {count['not measured']} not measured; wrote", out.with_suffix(".md").relative_to(ROOT))
        return 1 if count["NO"] else 0


PARTS = ["start", "ingest", "rest", "single", "clients", "wal", "exact", "restart", "bytes", "collections", "simulation"]
NEEDS_DATA = {"ingest", "exact", "restart", "bytes"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--data", default=os.environ.get("AKIDB_DATA"))
    parser.add_argument("--name", default=time.strftime("%Y-%m-%d"))
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--work", default=None, help="where data directories go; the disk under test")
    parser.add_argument("--dev-init-seconds", type=float)
    parser.add_argument("--tests-cold-seconds", type=float)
    parser.add_argument("--tests-warm-seconds", type=float)
    args = parser.parse_args()
    needed = [pathlib.Path(args.build, p) for p in ("bin/akidb", "bench/single_bench", "bench/flat/flat_bench", "bench/libnosync.so", "src/wal/wal_bench")]
    if missing := [str(p) for p in needed if not (ROOT / p).exists()]:
        sys.exit(f"missing: {', '.join(missing)}; build them: ninja -C {args.build} akidb akidb_sim benchmarks")
    bench = Bench(args)
    try:
        for part in args.only.split(","):
            if part not in PARTS:
                parser.error(f"no part {part}")
            if part in NEEDS_DATA and not bench.data:
                bench.add(part, "-", "no --data", None)
                continue
            try:
                getattr(bench, "part_" + part)()
            except (subprocess.CalledProcessError, OSError, KeyError, AttributeError, ValueError) as error:
                bench.add(part, "-", f"could not run: {error}", False)
    finally:
        shutil.rmtree(bench.work, ignore_errors=True)
    return bench.report(args.name)


if __name__ == "__main__":
    sys.exit(main())
