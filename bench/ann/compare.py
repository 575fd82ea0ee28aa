#!/usr/bin/env python3
"""The graph index beside other systems: recall@10 against queries a second on one pinned thread. Called by `run`, which
makes the environment.

usage: run --data DIR [--akidb build/release/bin/akidb] [--sets NAME,..] [--short] [--systems KEY,..] [--queries KEY,..]
           [--masks NAME,..] [--scenarios search,filters,churn] [--rounds 3] [--fresh] [--out DIR] [-- OPTIONS OF akidb bench ann]

DIR (or AKIDB_DATA) holds packages.parquet, its queries and their truth; without it its sets are skipped, visibly. The
other sets are made at first use, from seeds (sets.py). --short takes the first 100,000 or 200,000 rows of the large ones.
Every system is swept over its own parameter; rounds alternate between the systems; speed is by processor time; QPS at a
recall is read by interpolation between the medians. What was built and measured is kept under build/ann, so that a run
that was stopped goes on, and one after a change of ours measures only ours; a system that was not measured in this run is
marked, since ratios between runs of a busy machine mean little: --fresh measures everything again.
"""
import argparse
import os
import pathlib
import platform

import masks
import report
import scenarios
from curves import medians
from measuring import SESSION, measure
from store import write_json
from systems import WORK, Running, all_systems
from truth import Data

SETS = ("packages", "packages-50k", "emb768", "l2_128", "uniform")
SHORT = ("packages", "packages-50k", "emb768-100k", "l2_128-200k", "uniform")
# What is compared with slow systems alone, and in which sets they are.
SLOW_SETS = {"packages": ("usearch-f32", "usearch-f16", "usearch-i8"), "packages-50k": ("hnsw_rs", "instant-distance")}


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()


def systems_for(name, found, data, wanted):
    """In the order of the tables. A set for slow systems has ours and them."""
    keys = []
    for key, system in found.items():
        if wanted and key not in wanted:
            continue
        slow = key in SLOW_SETS.get(name, ()) or key in wanted
        ours = key.startswith("akidb")
        if data.metric not in system.metrics or (system.slow and not slow) or (name == "packages-50k" and not (slow or ours)):
            continue
        keys.append(key)
    return [found[key] for key in keys]


def fits(data, count):
    """Whether the indexes of so many systems may stay in memory side by side."""
    available = next(int(line.split()[1]) * 1024 for line in pathlib.Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    return data.rows * data.dim * 8 * count < available / 2


class Run:
    def __init__(self, args, np):
        self.args, self.np = args, np
        self.found, self.missing = all_systems(args.akidb, args.options)
        self.out = {"cpu": cpu_name(), "began": SESSION, "load": os.getloadavg(), "core": args.core, "sets": [], "missing": self.missing,
                    "systems": {key: {"title": s.title, "version": s.version, "settings": s.settings} for key, s in self.found.items()}}
        self.text = []
        self.bar_rows = []
        for key, why in self.missing.items():
            print(f"skipped: {key}: {why}", flush=True)

    def say(self, *lines):
        self.text += lines
        print("\n".join(lines), flush=True)

    def one_set(self, name):
        args = self.args
        data = Data(self.np, name, pathlib.Path(args.data), WORK)
        if data.set is None:
            print(f"skipped: {name}: no packages.parquet; name its folder with --data or AKIDB_DATA", flush=True)
            return
        systems = systems_for(name, self.found, data, args.systems)
        if not systems:
            print(f"skipped: {name}: none of the systems", flush=True)
            return
        keys = [key for key in data.set.queries if not args.queries or key in args.queries]
        keep = fits(data, len(systems))
        runnings = [Running(system, data, args) for system in systems]
        record = {"set": name, "rows": data.rows, "dim": data.dim, "metric": data.metric, "queries": {}}
        self.out["sets"].append(record)
        try:
            if "search" in args.scenarios:
                for key in keys:
                    measure(runnings, data, key, args.rounds, keep=keep)
                    self.search_tables(name, key, runnings, data, record)
            if "filters" in args.scenarios and name != "packages-50k":
                self.say(*scenarios.filters(self, data, runnings, record))
            if "churn" in args.scenarios and name != "packages-50k":
                self.say(*scenarios.churn(self.np, data, record))
        finally:
            for running in runnings:
                running.stop()

    def search_tables(self, name, key, runnings, data, record):
        # One that cannot run is no system of this table.
        shown = [r for r in runnings if r.results.of(key)]
        if not shown:
            return
        points = {r.system.key: medians(r.results.of(key)) for r in shown}
        builts = {r.system.key: r.built for r in shown}
        stale = {r.system.key for r in shown if any(p["session"] != SESSION for p in r.results.of(key))}
        systems = [r.system for r in shown]
        record["built"] = builts
        record["queries"][key] = points
        self.say("", f"### {name}, queries `{key}`: {data.rows:,} x {data.dim}, {data.metric}", "", report.speeds(systems, points, builts, stale))
        if "akidb" in points:
            self.say("", report.latencies(points["akidb"]))
            roofline = scenarios.roofline_row(points["akidb"], builts["akidb"], self.args)
            if roofline:
                record.setdefault("roofline", {})[key] = roofline
                self.say("", scenarios.roofline_text(roofline))
        self.bar_rows += report.bar_rows(name, key, points, builts)
        if key == "in":
            self.bar_rows += report.build_rows(name, points, builts)
        if self.args.out:
            drawing = report.plot(f"{name}, queries {key}: {data.rows:,} x {data.dim}, {data.metric}", systems, points)
            if drawing:
                (self.args.out / f"{name}-{key}.svg").write_text(drawing)

    def finish(self):
        if self.bar_rows:
            self.say("", "### Bars", "", report.bar_table(self.bar_rows))
        prefetches = scenarios.prefetches(self.args.akidb)
        if prefetches:
            self.out["prefetches"] = prefetches
            self.say("", scenarios.prefetch_text(prefetches))
        self.write()

    def write(self):
        """After each set, so that a run that is stopped leaves what it has seen."""
        if self.args.out:
            write_json(self.args.out / "record.json", self.out)
            (self.args.out / "tables.md").write_text("\n".join(self.text) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda text: [name for name in text.split(",") if name]  # noqa: E731
    parser.add_argument("--akidb", default=str(WORK.parent / "release" / "bin" / "akidb"))
    parser.add_argument("--data", default=os.environ.get("AKIDB_DATA", ""))
    parser.add_argument("--sets", type=names, default=[])
    parser.add_argument("--short", action="store_true", help="cuts of the large sets")
    parser.add_argument("--systems", type=names, default=[], help="only these")
    parser.add_argument("--queries", type=names, default=[], help="only these query sets")
    parser.add_argument("--masks", type=names, default=[], help="only these filters")
    parser.add_argument("--scenarios", type=names, default=["search", "filters", "churn"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--filter-rounds", type=int, default=1, help="of searches with a filter")
    parser.add_argument("--build-threads", type=int, default=2)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="on which all search")
    parser.add_argument("--fresh", action="store_true", help="measure again what is known")
    parser.add_argument("--out", type=pathlib.Path, help="folder for tables.md, record.json and the plots")
    parser.add_argument("options", nargs="*")
    args = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
    unknown = set(args.masks) - set(masks.names()) - set(masks.PAYLOAD)
    if unknown:
        raise SystemExit(f"no filter is called {', '.join(sorted(unknown))}")
    import numpy as np
    run = Run(args, np)
    for name in args.sets or (SHORT if args.short else SETS):
        run.one_set(name)
        run.write()
    run.finish()


if __name__ == "__main__":
    main()
