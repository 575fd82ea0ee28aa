"""The bars that the index is judged by, as ratios at equal recall to the best of some systems in the same run."""
import dataclasses

from curves import qps_at

EVERYBODY = ()
OURS = ("akidb", "akidb-compact", "akidb-codes", "akidb-compact-codes")


@dataclasses.dataclass(frozen=True)
class Bar:
    what: str
    against: tuple  # keys of systems; EVERYBODY: all of them
    level: float
    floor: float
    target: float
    # Which of ours may be taken: those that need no more than this share of that system's bytes a vector.
    share: float = 0
    share_of: str = ""


def _both(what, against, floors, targets, share=0, share_of=""):
    return [Bar(f"{what}, {level:.2f}", against, level, floor, target, share, share_of)
            for level, floor, target in zip((0.95, 0.99), floors, targets)]


# For each kind of queries: those like the rows, of embeddings; those unlike them; all others.
LIKE = [
    *_both("best of all", EVERYBODY, (1.0, 1.0), (1.3, 1.3)),
    *_both("best of all, at most 0.6 of the bytes of SymphonyQG raw", EVERYBODY, (0.8, 0.8), (1.2, 1.2), 0.6, "symphonyqg"),
    *_both("SVS f16, at most its bytes", ("svs-f16",), (1.3, 1.3), (2.0, 2.0), 1.0, "svs-f16"),
    *_both("best of hnswlib and FAISS HNSW", ("hnswlib", "faiss-hnsw"), (4.0, 2.5), (6.0, 4.0)),
    *_both("hnsw_rs", ("hnsw_rs",), (4.0, 4.0), (8.0, 8.0)),
    *_both("instant-distance", ("instant-distance",), (10.0, 10.0), (25.0, 25.0)),
]
UNLIKE = _both("best of all", EVERYBODY, (1.2, 1.2), (2.0, 2.0))
OTHER = _both("best of all", EVERYBODY, (1.0, 1.0), (1.3, 1.3))


def bars_for(set_name, queries):
    if queries == "ood":
        return UNLIKE
    return LIKE if set_name.startswith(("packages", "emb768")) and queries == "in" else OTHER


def judge(bar, points, sizes):
    """(ratio, who was best), or None if there is nothing to compare. `points`: {system: its points}, `sizes`: {system:
    bytes a vector}. A peer that never reaches the recall is no peer there; where none does, the ratio is infinite."""
    peers = [key for key in points if key not in OURS and points[key] and (bar.against == EVERYBODY or key in bar.against)]
    limit = bar.share * (sizes.get(bar.share_of) or 0) if bar.share_of else float("inf")
    ours = [key for key in OURS if points.get(key) and (sizes.get(key) or 0) <= limit]
    if not peers or not any(points.get(key) for key in OURS) or limit == 0:
        return None
    speeds = {key: qps_at(points[key], bar.level) for key in peers}
    reached = {key: qps for key, qps in speeds.items() if qps is not None}
    own = max((qps_at(points[key], bar.level) or 0 for key in ours), default=0)
    if not reached:
        return (float("inf"), "none reaches it") if own else None
    best = max(reached, key=reached.get)
    return own / reached[best], best


def verdict(bar, ratio):
    if ratio < bar.floor:
        return "missed"
    return "target" if ratio >= bar.target else "floor"
