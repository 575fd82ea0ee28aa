"""Tables of a run as Markdown."""
import bars
import svg
from curves import best_curve, qps_at

LEVELS = (0.90, 0.95, 0.99)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)])


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def speeds(systems, points, builts, stale):
    """One row a system, in the order given; in brackets what it is of the first one's speed."""
    rows = []
    first = {level: qps_at(points[systems[0].key], level) for level in LEVELS}
    for system in systems:
        cells = []
        for level in LEVELS:
            qps = qps_at(points[system.key], level)
            share = f" ({qps / first[level]:.2f})" if qps and first[level] and system is not systems[0] else ""
            cells.append(("not reached" if qps is None else number(qps)) + share)
        built = builts.get(system.key) or {}
        mark = " †" if system.key in stale else ""
        rows.append([system.title + mark, *cells, built.get("build_s", "-"), built.get("build_cpu_s", "-"), number(built.get("bytes_per_vector"))])
    return table(["system", *(f"at {level:.2f}" for level in LEVELS), "build s", "CPU s", "bytes a vector"], rows)


def sizes_of(builts):
    return {key: built["bytes_per_vector"] for key, built in builts.items() if built}


def bar_rows(set_name, queries, points, builts):
    rows = []
    for bar in bars.bars_for(set_name, queries):
        judged = bars.judge(bar, points, sizes_of(builts))
        if judged is not None:
            ratio, who = judged
            rows.append([f"{set_name} {queries}: {bar.what}", f"{bar.floor:g}x", f"{bar.target:g}x",
                         "none reaches it" if ratio == float("inf") else f"{ratio:.2f}x ({who})", bars.verdict(bar, ratio)])
    return rows


def bar_table(rows):
    return table(["QPS at equal recall against", "floor", "target", "seen", "reached"], rows)


def build_rows(set_name, points, builts):
    """Building is judged against a peer only if our graph is at least as fast at 0.95."""
    ours = builts.get("akidb")
    rows = []
    for key, floor, target in (("hnswlib", 4.0, 10.0), ("symphonyqg", 1.2, 2.0)):
        other = builts.get(key)
        if ours and other and ours.get("build_cpu_s") and other.get("build_cpu_s"):
            ratio = other["build_cpu_s"] / ours["build_cpu_s"]
            bar = bars.Bar(key, (key,), 0.95, floor, target)
            speed = bars.judge(bar, points, {})
            rows.append([f"{set_name}: build (processor time) against {key}", f"{floor:g}x", f"{target:g}x", f"{ratio:.2f}x",
                         bars.verdict(bar, ratio) if speed and speed[0] >= 1 else "slower graph"])
    return rows


def latencies(points):
    """Ours, one query at a time: points whose recall is just enough for each level."""
    rows = []
    for level in LEVELS:
        good = [p for p in points if p["recall"] >= level and "p99_us" in p]
        if good:
            p = max(good, key=lambda each: each["qps"])
            rows.append([f"{level:.2f}", p["parameter"], f"{p['recall']:.4f}", *(f"{p[name]:,.1f}" for name in ("p50_us", "p95_us", "p99_us"))])
    return table(["recall", "asked", "seen", "p50 us", "p95 us", "p99 us"], rows) if rows else ""


def plot(title, systems, points):
    return svg.plot(title, [(s.title, best_curve(points[s.key]), s.key.startswith("akidb")) for s in systems if points[s.key]])
