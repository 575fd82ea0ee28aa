"""What is compared besides plain searches: filters, churn, how near to the memory's speed the walk is, prefetches."""
import json
import pathlib
import subprocess

import churn as churning
import masks
import report
from curves import medians, qps_at
from measuring import measure
from prefetches import count_prefetches
from systems import FILTER_PROGRAMS, Running, Unavailable

FILTER_LEVEL = 0.95
FILTER_QUERIES = "in"
# Floors and targets by the share that passes: of the speed of filter callbacks at equal recall; of our own unfiltered
# speed, where rows pass at random; of the recall where 0.95 is asked for.
CALLBACK_BARS = {"0.1": (3, 6), "0.01": (10, 25)}
SHARE_BARS = {"0.5": (0.5, 0.7), "0.1": (0.2, 0.35), "0.01": (0.1, 0.25), "0.001": (0.5, 1.0)}
RECALL_BAR = (0.95, 0.98)


def filters(run, data, runnings, record):
    key = FILTER_QUERIES
    taking = [r for r in runnings if r.system.filters]
    for r in runnings:
        if r.system.key in FILTER_PROGRAMS:
            kind, program, title = FILTER_PROGRAMS[r.system.key]
            taking.append(Running(kind(r.system, program, title), data, run.args))
    chosen = run.args.masks or [*masks.names(), *(masks.PAYLOAD if data.name == "packages" else ())]
    lines, rows = ["", f"### {data.name} with filters: QPS at recall {FILTER_LEVEL}, queries `{key}`", ""], []
    record["filters"] = {}
    for mask in chosen:
        allowed = masks.of_payload(run.np, mask, pathlib.Path(run.args.data)) if mask in masks.PAYLOAD else masks.make(run.np, mask, data, data.queries[key])
        data.add_mask(mask, allowed)
        measure(taking, data, key, run.args.filter_rounds, mask=mask)
        points = {r.system.key: medians(r.results.of(key, mask)) for r in taking}
        record["filters"][mask] = {"share": float(allowed.mean()), "points": points}
        seen = filter_ratios(points, medians(taking[0].results.of(key)))
        cells = ["-" if (qps := qps_at(points[r.system.key], FILTER_LEVEL)) is None else report.number(qps) for r in taking]
        rows.append([mask, f"{100 * float(allowed.mean()):.2g} %", *cells, *("-" if ratio is None else f"{ratio:.3g}" for ratio in seen)])
        run.bar_rows += filter_bars(data.name, mask, *seen)
    names = [r.system.title for r in taking]
    return [*lines, report.table(["filter", "passing", *names, "recall where 0.95 is asked for", "of our unfiltered speed", "of the best callback"], rows)]


def filter_ratios(points, unfiltered):
    """(recall where the level is asked for, our speed over our unfiltered one, over the best of the others); None: not known."""
    own = qps_at(points.get("akidb", []), FILTER_LEVEL)
    plain = qps_at(unfiltered, FILTER_LEVEL)
    others = [qps for key, each in points.items() if not key.startswith("akidb") and (qps := qps_at(each, FILTER_LEVEL))]
    # A ladder that is good enough before ends there: who asks for more gets no less.
    asked = [(p["parameter"], p["recall"]) for p in points.get("akidb", []) if p["parameter"] <= FILTER_LEVEL]
    return max(asked)[1] if asked else None, own / plain if own and plain else None, own / max(others) if own and others else None


def filter_bars(set_name, mask, recall, of_unfiltered, of_callback):
    kind, _, share = mask.rpartition("-")
    judged = [("recall where 0.95 is asked for", RECALL_BAR, recall), ("speed of the best callback", CALLBACK_BARS.get(share), of_callback),
              ("our unfiltered speed", SHARE_BARS.get(share) if kind == "random" else None, of_unfiltered)]
    return [[f"{set_name}, filter {mask}: {what}", f"{bar[0]:g}", f"{bar[1]:g}", f"{ratio:.3g}", "missed" if ratio < bar[0] else "target" if ratio >= bar[1] else "floor"]
            for what, bar, ratio in judged if bar and ratio is not None]


def churn(np, data, record):
    """Recall at one fixed effort over rounds of deleting and inserting a tenth."""
    rows = []
    for name, system in churning.SYSTEMS.items():
        try:
            recalls = churning.run(np, data, system)
        except ImportError as error:
            print(f"skipped: {name}: {error}", flush=True)
            continue
        record.setdefault("churn", {})[name] = recalls
        rows.append([name, f"{recalls[0]:.4f}", f"{recalls[-1]:.4f}", f"{100 * (recalls[0] - recalls[-1]):.2f} points"])
    head = ["system", "recall at first", f"after {churning.ROUNDS} rounds", "lost"]
    return ["", f"### {data.name}: {churning.ROUNDS} rounds of deleting and inserting a tenth", "", report.table(head, rows)] if rows else []


def roofline_row(points, built, args):
    """Bytes that a query reads, over what one thread reads at random in blocks of that size, against its time."""
    probe = pathlib.Path(args.akidb).parent / "read_probe"
    good = [p for p in points if p["recall"] >= FILTER_LEVEL and p.get("bytes") and p.get("hops")]
    if not good or not probe.exists():
        return None
    point = max(good, key=lambda p: p["qps"])
    arena = round(built["bytes_per_vector"] * built["n"])
    said = subprocess.run(["taskset", "-c", str(args.core), probe, str(arena), str(round(point["bytes"] / point["hops"] / 64) * 64)],
                          capture_output=True, text=True, check=True).stdout
    read = json.loads(said)
    least_us = point["bytes"] / read["bytes_per_s"] * 1e6
    return {"recall": point["recall"], "parameter": point["parameter"], "bytes": point["bytes"], "hops": point["hops"], "query_us": round(1e6 / point["qps"], 2),
            "read_gb_per_s": round(read["bytes_per_s"] / 1e9, 2), "least_us": round(least_us, 2), "share": round(least_us * point["qps"] / 1e6, 3)}


def roofline_text(r):
    return (f"Roofline at recall {r['recall']:.3f}: {r['hops']:.0f} hops and {r['bytes'] / 1024:.0f} KiB a query; one thread reads {r['read_gb_per_s']} GB/s at random in "
            f"blocks of that size, which makes {r['least_us']} us; the query takes {r['query_us']} us: {100 * r['share']:.0f} %.")


def prefetches(akidb):
    try:
        return count_prefetches(akidb)
    except (FileNotFoundError, subprocess.CalledProcessError, Unavailable) as error:
        print(f"skipped: prefetches: {error}", flush=True)
        return None


def prefetch_text(found):
    return "Prefetch instructions in the walk's loop: " + ", ".join(f"{name} {count}" for name, count in found.items()) + "."
