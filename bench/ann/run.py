#!/usr/bin/env python3
"""The graph index beside other systems: recall@10 against queries a second on one pinned thread.

usage: run.py --data DIR [--akidb build/release/bin/akidb] [--set NAME] [--peers symphonyqg,symphonyqg8,hnswlib]
              [--rounds 3] [--json FILE] [-- OPTIONS OF akidb bench ann]

DIR (or AKIDB_DATA) holds packages.parquet, the query sets and their truth; without it the comparison is skipped, visibly.
--set is `packages` or a set of sets.py (emb768, ood768, l2_128, uniform), made at first use under build/ann/. Every
system is swept over its own parameter; rounds alternate between the systems; QPS at a recall is read by interpolation
between the medians. A row counts as found if its distance is not above that of the 10th true one (equal rows are equal).
Peers (PyPI) are installed into build/ann/venv at the first run and their indexes kept there.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "ann"
VENV = WORK / "venv"
PACKAGES = ["numpy", "pyarrow", "hnswlib==0.8.0", "rabitqlib==0.7.1"]
K = 10
LEVELS = (0.90, 0.95, 0.99)
TIE = 1e-6


def enter_venv():
    python = VENV / "bin" / "python"
    if pathlib.Path(sys.prefix) == VENV:
        return
    imports = [python, "-c", "import hnswlib, rabitqlib, numpy, pyarrow"]
    if not python.exists() or subprocess.run(imports, capture_output=True).returncode != 0:
        WORK.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    os.execve(python, [str(python), __file__, *sys.argv[1:]], os.environ)


class Data:
    """Base vectors and query sets as f32 arrays, and how to tell a true neighbour."""

    def __init__(self, np, name, folder):
        import sets
        self.np, self.name = np, name
        self.base_path, self.metric, self.queries = sets.load(np, name, folder, WORK)
        base = np.load(self.base_path).astype("f4")
        if self.metric == "Cosine":
            base /= np.linalg.norm(base, axis=1, keepdims=True)
        self.base = np.ascontiguousarray(base)
        self.worst = {}
        self.vectors = {}
        for key, (path, truth) in self.queries.items():
            q = np.load(path).astype("f4")
            if self.metric == "Cosine":
                q /= np.linalg.norm(q, axis=1, keepdims=True)
            self.vectors[key] = np.ascontiguousarray(q)
            self.worst[key] = self.distances(key, truth[:, :K].astype("i8")).max(axis=1)

    def distances(self, key, rows):
        """Squared distances (normalised under Cosine) from each query to its rows."""
        difference = self.base[rows].astype("f8") - self.vectors[key][:, None, :].astype("f8")
        return (difference * difference).sum(axis=2)

    def recall(self, key, rows):
        np = self.np
        rows = np.asarray(rows).reshape(-1, K).astype("i8")
        valid = (rows >= 0) & (rows < len(self.base))
        near = self.distances(key, np.where(valid, rows, 0)) <= self.worst[key][:, None] * (1 + TIE) + TIE
        found = 0
        for i in range(len(rows)):
            found += len(set(rows[i][near[i] & valid[i]].tolist()))
        return found / (len(rows) * K)


class Ours:
    name = "akidb"
    # Its parameter is the recall that is asked for; ef_search as well.
    sweep = (0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999,
             10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 100, 128, 160, 200, 256, 320, 400, 512, 640, 800, 1000, 1400, 2000, 3000)

    def __init__(self, data, akidb, options):
        self.data, self.results = data, WORK / "results.bin"
        metric = {"Cosine": "cosine", "Euclidean": "l2", "DotProduct": "dot"}[data.metric]
        self.process = subprocess.Popen([akidb, "bench", "ann", "--orders", "--base", data.base_path, "--metric", metric, "-k", str(K), *options],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.build = json.loads(self.process.stdout.readline())
        # All its threads: the one that searches is among them.
        subprocess.run(["taskset", "-acp", CORE, str(self.process.pid)], capture_output=True, check=True)
        self.bytes = self.build["bytes_per_vector"]

    def run(self, key, ef):
        self.process.stdin.write(f"{self.data.queries[key][0]} {ef} {self.results}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        rows = self.data.np.fromfile(self.results, "<u4").reshape(-1, K)
        return answer["cpu_qps"], rows, answer


class InProcess:
    def run(self, key, parameter):
        start = time.thread_time()
        rows = self.search(self.data.vectors[key], parameter)
        return len(rows) / (time.thread_time() - start), rows, {}


class Hnswlib(InProcess):
    name = "hnswlib M16 efC200"
    sweep = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3000)

    def __init__(self, data, _, threads):
        import hnswlib
        self.data = data
        n, dim = data.base.shape
        self.index = hnswlib.Index(space="l2", dim=dim)
        path = WORK / f"{data.name}.hnswlib"
        record = path.with_suffix(".hnswlib.json")
        if path.exists() and record.exists():
            self.index.load_index(str(path), max_elements=n)
            self.build = json.loads(record.read_text())
        else:
            self.index.init_index(max_elements=n, M=16, ef_construction=200)
            start = time.monotonic()
            self.index.add_items(data.base, num_threads=threads)
            self.build = {"build_s": round(time.monotonic() - start, 2), "build_threads": threads}
            self.index.save_index(str(path))
            record.write_text(json.dumps(self.build))
        self.index.set_num_threads(1)
        self.bytes = path.stat().st_size / n

    def search(self, queries, ef):
        self.index.set_ef(max(ef, K))
        return self.index.knn_query(queries, k=K, num_threads=1)[0]


class SymphonyQg(InProcess):
    name = "SymphonyQG"
    bits = 0
    sweep = (10, 16, 20, 24, 32, 40, 48, 64, 80, 100, 128, 160, 200, 256, 320, 400, 512, 640, 800, 1000, 1400, 2000, 3000)

    def __init__(self, data, _, threads):
        import rabitqlib
        self.data = data
        n, dim = data.base.shape
        path = WORK / f"{data.name}.qg{self.bits}"
        record = pathlib.Path(str(path) + ".json")
        if path.exists() and record.exists():
            self.index = rabitqlib.SymqgIndex.load(str(path))
            self.build = json.loads(record.read_text())
        else:
            self.index = rabitqlib.SymqgIndex(dim=dim, max_degree=32, metric="l2", quantization_bits=self.bits)
            start = time.monotonic()
            self.index.build(data.base, ef_construction=200, num_threads=threads)
            self.build = {"build_s": round(time.monotonic() - start, 2), "build_threads": threads}
            self.index.save(str(path))
            record.write_text(json.dumps(self.build))
        self.bytes = path.stat().st_size / n

    def search(self, queries, ef):
        return self.index.search(queries, K, ef, 1)[0]


class SymphonyQg8(SymphonyQg):
    name = "SymphonyQG 8 bit"
    bits = 8


PEERS = {"hnswlib": Hnswlib, "symphonyqg": SymphonyQg, "symphonyqg8": SymphonyQg8}
CORE = "1"


def qps_at(points, level):
    """Interpolates log QPS over recall between the neighbouring points of the best curve."""
    import math
    best = {}
    for p in points:
        best[p["recall"]] = max(best.get(p["recall"], 0), p["qps"])
    curve, most = [], 0
    for recall in sorted(best, reverse=True):
        if best[recall] > most:
            most = best[recall]
            curve.append((recall, most))
    curve.reverse()
    below = [c for c in curve if c[0] < level]
    above = [c for c in curve if c[0] >= level]
    if not above:
        return None
    if not below:
        return above[0][1]
    (r0, q0), (r1, q1) = below[-1], above[0]
    share = (level - r0) / (r1 - r0)
    return math.exp(math.log(q0) + share * (math.log(q1) - math.log(q0)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--akidb", default=str(ROOT / "build" / "release" / "bin" / "akidb"))
    parser.add_argument("--data", default=os.environ.get("AKIDB_DATA", ""))
    parser.add_argument("--set", default="packages")
    parser.add_argument("--peers", default="symphonyqg,symphonyqg8,hnswlib")
    parser.add_argument("--queries", default="", help="only these query sets")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--build-threads", type=int, default=2)
    parser.add_argument("--json")
    parser.add_argument("options", nargs="*")
    args = parser.parse_args()
    if args.set == "packages" and not (pathlib.Path(args.data) / "packages.parquet").exists():
        print("skipped: no packages.parquet; name its folder with --data or AKIDB_DATA")
        return 0
    enter_venv()
    import numpy as np
    WORK.mkdir(parents=True, exist_ok=True)
    data = Data(np, args.set, pathlib.Path(args.data))
    keys = [k for k in data.queries if not args.queries or k in args.queries.split(",")]
    systems = [Ours(data, args.akidb, ["--build-threads", str(args.build_threads), *args.options])]
    for name in filter(None, args.peers.split(",")):
        systems.append(PEERS[name](data, None, args.build_threads))
    os.sched_setaffinity(0, {int(CORE)})
    report = {"set": args.set, "rows": len(data.base), "dim": data.base.shape[1], "kernels": systems[0].build["kernel"], "systems": []}
    for system in systems:
        report["systems"].append({"name": system.name, "build": system.build, "bytes_per_vector": round(system.bytes, 1), "points": {}})
    for key in keys:
        gathered = [{} for _ in systems]
        for _ in range(args.rounds):
            for system, points in zip(systems, gathered):
                for parameter in system.sweep:
                    qps, rows, extra = system.run(key, parameter)
                    point = points.setdefault(parameter, {"parameter": parameter, "recall": data.recall(key, rows), "all": [], **extra})
                    point["all"].append(qps)
                    if point["recall"] > 0.996 and parameter > 64:
                        break
        for system, points in zip(report["systems"], gathered):
            for point in points.values():
                point["qps"] = round(statistics.median(point.pop("all")), 1)
            system["points"][key] = list(points.values())
    for key in keys:
        print(f"\n{args.set} {key}: QPS on one thread (ratio to ours)")
        print(f"{'':22}" + "".join(f"{f'at {level:.2f}':>20}" for level in LEVELS) + f"{'build s':>10}{'B/vector':>10}")
        ours = [qps_at(report["systems"][0]["points"][key], level) for level in LEVELS]
        for system in report["systems"]:
            cells = []
            for level, own in zip(LEVELS, ours):
                qps = qps_at(system["points"][key], level)
                cells.append("-" if qps is None else f"{qps:,.0f}" + (f" ({qps / own:.2f})" if own else ""))
            print(f"{system['name']:22}" + "".join(f"{c:>20}" for c in cells) + f"{system['build']['build_s']:>10}{system['bytes_per_vector']:>10.0f}")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    sys.exit(main())
