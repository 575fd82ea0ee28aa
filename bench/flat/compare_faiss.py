#!/usr/bin/env python3
"""Exact search against FAISS: one query a call, one thread, k = 10, rounds alternating in one run.

  compare_faiss.py --bench build/release/bench/flat/flat_bench [--data DIR] [--queries N] [--rounds N] [--json FILE]

DIR (or the environment variable AKIDB_DATA) holds packages.parquet, queries_in.f16.npy and the truth beside them;
without it the comparison is skipped. Times are CPU time of the one thread, so that other load on the machine weighs
on both sides alike; the ratio of the wall clock is printed beside it. FAISS (PyPI faiss-cpu, with numpy and pyarrow) is installed into a virtual
environment under build/ at the first run. Our top 10 by cosine must be the true ones, up to rows whose scores differ by
less than 1e-6, for f16 and f32 rows alike, since the vectors are halves. int8 rows are lossy, and FAISS ranks by inner
product over vectors that rounding left not quite normalised: their recall is only reported.
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

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENV = ROOT / "build" / "faiss-venv"
K = 10
TIE = 1e-6
# What must hold, as our median time over that of FAISS.
LIMITS = {"f32": 1.0, "f16": 0.6}


def enter_venv():
    """Runs this script again inside the virtual environment, without settings that slow OpenBLAS or FAISS down."""
    python = VENV / "bin" / "python"
    if pathlib.Path(sys.prefix) == VENV:
        return
    imports = [python, "-c", "import faiss, numpy, pyarrow"]
    if not python.exists() or subprocess.run(imports, capture_output=True).returncode != 0:
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "faiss-cpu", "numpy", "pyarrow"], check=True)
    env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    os.execve(python, [str(python), __file__, *sys.argv[1:]], env)


class Ours:
    """flat_bench, which waits for a line before each round."""

    def __init__(self, bench, vector_type, vectors, queries, results):
        self.name, self.results = f"akidb {vector_type}", results
        self.process = subprocess.Popen(
            [bench, "--vectors", vectors, "--queries", queries, "--type", vector_type, "--distance", "Cosine",
             "--k", str(K), "--results", results, "--serve"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.kernels = json.loads(self.process.stdout.readline())["kernels"]

    def round(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        times = json.loads(self.process.stdout.readline())
        return times["us"], times["wall_us"]

    def answers(self, np):
        self.process.stdin.close()
        if self.process.wait() != 0:
            raise SystemExit(f"{self.name}: flat_bench failed")
        record = np.dtype([("row", "<u4", K), ("score", "<f8", K)])
        return np.fromfile(self.results, record)["row"]


class Faiss:
    def __init__(self, faiss, vectors, queries):
        self.name, self.queries, self.kernels = "faiss IndexFlatIP", queries, faiss.get_compile_options().strip()
        faiss.omp_set_num_threads(1)
        self.index = faiss.IndexFlatIP(vectors.shape[1])
        self.index.add(vectors)
        self.rows = None

    def round(self):
        times, walls, rows = [], [], []
        for i in range(len(self.queries)):
            wall, start = time.perf_counter(), time.thread_time()
            _, found = self.index.search(self.queries[i:i + 1], K)
            times.append((time.thread_time() - start) * 1e6)
            walls.append((time.perf_counter() - wall) * 1e6)
            rows.append(found[0])
        self.rows = rows
        return times, walls

    def answers(self, np):
        return np.array(self.rows)


def recall(np, rows, truth, truth_scores, vectors, queries):
    """Share of the true top K found; a row counts if its score is not below the K-th true one by more than TIE."""
    found = 0
    for i, answer in enumerate(rows):
        q = queries[i].astype("f8")
        chosen = vectors[answer].astype("f8")
        scores = chosen @ q / (np.linalg.norm(chosen, axis=1) * np.linalg.norm(q))
        ok = (scores >= truth_scores[i][K - 1] - TIE) | np.isin(answer, truth[i][:K])
        found += len(set(answer[ok].tolist()))
    return found / (len(rows) * K)


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default=str(ROOT / "build" / "release" / "bench" / "flat" / "flat_bench"))
    parser.add_argument("--data", default=os.environ.get("AKIDB_DATA", ""))
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", help="also write the result here")
    args = parser.parse_args()
    data = pathlib.Path(args.data)
    if not args.data or not (data / "packages.parquet").exists():
        print("skipped: no packages.parquet; name its folder with --data or AKIDB_DATA")
        return 0
    enter_venv()
    import faiss
    import numpy as np
    import pyarrow.parquet as pq

    column = pq.read_table(data / "packages.parquet", columns=["vector"])["vector"].combine_chunks()
    vectors = np.ascontiguousarray(column.flatten().to_numpy().reshape(len(column), -1), dtype="f4")
    queries = np.load(data / "queries_in.f16.npy")[:args.queries].astype("f4")
    truth = np.load(data / "queries_in.truth100.u32.npy")
    truth_scores = np.load(data / "queries_in.truth100_score.f32.npy")

    with tempfile.TemporaryDirectory(dir=ROOT / "build") as scratch:
        np.save(f"{scratch}/vectors.npy", vectors)
        np.save(f"{scratch}/queries.npy", queries)
        rivals = [Faiss(faiss, vectors, queries)]
        rivals += [Ours(args.bench, t, f"{scratch}/vectors.npy", f"{scratch}/queries.npy", f"{scratch}/{t}.bin")
                   for t in ("f32", "f16", "int8")]
        rounds, walls = ({r.name: [] for r in rivals} for _ in range(2))
        for _ in range(args.rounds + 1):
            for rival in rivals:
                cpu, wall = rival.round()
                rounds[rival.name].append(cpu)
                walls[rival.name].append(wall)
        # The first round warms caches and pages.
        times = {name: [t for one in all_rounds[1:] for t in one] for name, all_rounds in rounds.items()}
        base = statistics.median(times[rivals[0].name])
        wall_medians = {name: statistics.median([t for one in all_rounds[1:] for t in one]) for name, all_rounds in walls.items()}
        report = {"cpu": cpu_model(), "rows": len(vectors), "dim": vectors.shape[1], "k": K, "queries": len(queries),
                  "rounds": args.rounds, "faiss": faiss.__version__, "engines": []}
        for rival in rivals:
            t = sorted(times[rival.name])
            report["engines"].append({
                "name": rival.name, "kernels": rival.kernels, "median_us": round(statistics.median(t), 1),
                "p99_us": round(t[int(len(t) * 0.99)], 1), "min_us": round(t[0], 1),
                "ratio": round(statistics.median(t) / base, 3),
                "wall_ratio": round(wall_medians[rival.name] / wall_medians[rivals[0].name], 3),
                "ratio_of_each_round": [round(statistics.median(a) / statistics.median(b), 3) for a, b in
                                        zip(rounds[rival.name][1:], rounds[rivals[0].name][1:])],
                "recall": recall(np, rival.answers(np), truth, truth_scores, vectors, queries)})

    print(f"{report['cpu']}, {report['rows']} rows x {report['dim']}, k = {K}, {len(queries)} queries x {args.rounds} rounds")
    print(f"{'':20} {'median us':>10} {'p99 us':>10} {'min us':>10} {'ratio':>7} {'of wall':>8} {'recall':>8}")
    failed = []
    for e in report["engines"]:
        print(f"{e['name']:20} {e['median_us']:10.1f} {e['p99_us']:10.1f} {e['min_us']:10.1f} {e['ratio']:7.3f} {e['wall_ratio']:8.3f} {e['recall']:8.4f}")
        vector_type = e["name"].removeprefix("akidb ")
        if vector_type in LIMITS:
            if e["recall"] < 1:
                failed.append(f"{e['name']}: recall {e['recall']} is not 1")
            if e["ratio"] > LIMITS[vector_type]:
                failed.append(f"{e['name']}: ratio {e['ratio']} is above {LIMITS[vector_type]}")
    report["failed"] = failed
    print(json.dumps(report))
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(report, indent=1) + "\n")
    for line in failed:
        print("FAILED", line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
