"""Filters for the comparison, as arrays with 1 for rows that pass: at random, near a row, far from the queries, and by
the packages' payload."""

SHARES = (0.5, 0.1, 0.01, 0.001)
KINDS = ("random", "near", "far")
PAYLOAD = ("lang=fr", "section=libs", "size>10000")


def names():
    return [f"{kind}-{share:g}" for kind in KINDS for share in SHARES]


def make(np, name, data, queries):
    """None if the set has no such payload."""
    if name in PAYLOAD:
        return None
    kind, share = name.rsplit("-", 1)
    count = max(1, round(float(share) * data.rows))
    draw = np.random.default_rng(21)
    allowed = np.zeros(data.rows, "u1")
    if kind == "random":
        allowed[draw.permutation(data.rows)[:count]] = 1
        return allowed
    # Correlated: the rows nearest to a row. Anti-correlated: those farthest from the middle of the queries.
    point = data.base[draw.integers(data.rows)] if kind == "near" else queries.mean(axis=0)
    distances = _distances(np, data.base, point)
    order = np.argsort(distances if kind == "near" else -distances, kind="stable")
    allowed[order[:count]] = 1
    return allowed


def of_payload(np, name, folder):
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    column = {"lang=fr": "lang", "section=libs": "section", "size>10000": "installed_size_kib"}[name]
    values = pq.read_table(folder / "packages.parquet", columns=[column])[column]
    passes = pc.greater(values, 10000) if name == "size>10000" else pc.equal(values, name.split("=")[1])
    return pc.fill_null(passes, False).to_numpy().astype("u1")


def _distances(np, base, point):
    out = np.empty(len(base), "f4")
    for begin in range(0, len(base), 100000):
        difference = base[begin:begin + 100000] - point
        out[begin:begin + 100000] = (difference * difference).sum(axis=1)
    return out
