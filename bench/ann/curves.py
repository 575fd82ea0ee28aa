"""What is read from the points of a sweep: medians over rounds, the best curve, queries a second at a recall. Points are
dicts with "recall" and "qps"."""
import math
import statistics


def medians(records):
    """One point for each parameter, in the order in which they first came; "qps" is the median over the rounds."""
    points, speeds = {}, {}
    for record in records:
        points.setdefault(record["parameter"], dict(record))
        speeds.setdefault(record["parameter"], []).append(record["qps"])
    for parameter, point in points.items():
        point["qps"] = statistics.median(speeds[parameter])
        point["rounds"] = len(speeds[parameter])
        point.pop("round", None)
    return list(points.values())


def best_curve(points):
    """[(recall, qps)] with recall rising and qps falling: points that another one beats in both are left out."""
    curve, most = [], 0
    for recall, qps in sorted(((p["recall"], p["qps"]) for p in points), reverse=True):
        if qps > most:
            most = qps
            curve.append((recall, qps))
    return curve[::-1]


def qps_at(points, level):
    """Between the neighbouring points of the best curve log qps goes straight over recall. None: never so good; where
    all points are better, the speed of the worst of them, which is a lower bound."""
    curve = best_curve(points)
    above = [c for c in curve if c[0] >= level]
    below = [c for c in curve if c[0] < level]
    if not above:
        return None
    if not below:
        return above[0][1]
    (r0, q0), (r1, q1) = below[-1], above[0]
    return math.exp(math.log(q0) + (level - r0) / (r1 - r0) * (math.log(q1) - math.log(q0)))
