"""The data sets: the package descriptions, and made ones whose recipe is fixed by its seeds, so that they are the same
everywhere: clustered with a power-law spectrum, as learned embeddings are. NAME-50k is the first 50,000 rows of NAME."""
import dataclasses
import pathlib
import re

NAMES = ("packages", "emb768", "l2_128", "uniform")
ROWS = {"emb768": 500000, "l2_128": 1000000, "uniform": 100000}
QUERIES = 1000
TRUE_ROWS = 100


@dataclasses.dataclass
class VectorSet:
    name: str
    metric: str  # cosine or l2
    base: pathlib.Path  # half floats
    queries: dict  # name -> path, half floats
    truth: dict  # name -> the nearest rows of each query


def split(name):
    """("emb768-100k") -> ("emb768", 100000); 0 without a cut."""
    kind, _, cut = name.partition("-")
    if kind not in NAMES or (cut and not re.fullmatch(r"[1-9][0-9]*k", cut)):
        raise SystemExit(f"no set is called {name}; there are {', '.join(NAMES)}, and cuts such as emb768-100k")
    return kind, int(cut[:-1] or 0) * 1000 if cut else 0


def load(np, name, folder, work):
    """Makes at first use what is not there; None if its source is not."""
    kind, rows = split(name)
    base = work / f"{name}.base.npy"
    metric = "cosine" if kind in ("packages", "emb768") else "l2"
    if kind == "packages":
        if not (folder / "packages.parquet").exists():
            return None
        queries = {key: folder / f"queries_{key}.f16.npy" for key in ("in", "short", "ood")}
        if not base.exists():
            _packages(np, folder, rows, base)
        if not rows:
            truth = {key: np.load(folder / f"queries_{key}.truth100.u32.npy") for key in queries}
            return VectorSet(name, metric, base, queries, truth)
    else:
        keys = ("in", "ood") if kind == "emb768" else ("in",)
        queries = {key: work / f"{name}.{key}.npy" for key in keys}
        if not all(path.exists() for path in [base, *queries.values()]):
            _make(np, kind, rows or ROWS[kind], base, queries)
    truth = {}
    for key, path in queries.items():
        known = work / f"{name}.{key}.truth.npy"
        if not known.exists():
            np.save(known, exact(np, np.load(base, mmap_mode="r"), np.load(path), metric, TRUE_ROWS))
        truth[key] = np.load(known)
    return VectorSet(name, metric, base, queries, truth)


def _packages(np, folder, rows, base):
    import pyarrow.parquet as pq
    column = pq.read_table(folder / "packages.parquet", columns=["vector"])["vector"].combine_chunks()
    vectors = column.flatten().to_numpy().reshape(len(column), -1)
    np.save(base, vectors[:rows or None].astype("<f2"))


def _rotation(np, dim, seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0].astype("f4")


def _embed(np, count, seed, centres, spectrum, rotation, spread):
    """Normalised half vectors around centres that are chosen with a long tail."""
    draw = np.random.default_rng(seed)
    weights = 1.0 / np.arange(1, len(centres) + 1) ** 0.7
    weights /= weights.sum()
    out = np.empty((count, len(spectrum)), "f2")
    for begin in range(0, count, 50000):
        n = min(50000, count - begin)
        centre = draw.choice(len(centres), size=n, p=weights)
        noise = draw.standard_normal((n, len(spectrum)), dtype="f4") * spectrum
        x = (centres[centre] + spread * noise) @ rotation
        out[begin:begin + n] = x / np.linalg.norm(x, axis=1, keepdims=True)
    return out


def _spectrum(np, dim, power):
    s = (np.arange(1, dim + 1) ** -power).astype("f4")
    return s / np.linalg.norm(s)


def _make(np, kind, rows, base_path, paths):
    if kind == "emb768":
        spectrum, rotation = _spectrum(np, 768, 0.55), _rotation(np, 768, 1)
        centres = np.random.default_rng(2).standard_normal((2000, 768)).astype("f4") * spectrum
        base = _embed(np, rows, 3, centres, spectrum, rotation, 1.0)
        shift = np.random.default_rng(6).standard_normal(768).astype("f4") * spectrum * 1.5
        some = centres[np.random.default_rng(7).permutation(2000)[:200]]
        queries = {"in": _embed(np, QUERIES, 4, centres, spectrum, rotation, 1.0),
                   "ood": _embed(np, QUERIES, 5, 0.6 * some + shift, _spectrum(np, 768, 0.55 * 0.6), rotation, 1.0)}
    elif kind == "l2_128":
        draw = np.random.default_rng(8)
        spectrum = _spectrum(np, 128, 0.5)
        centres = draw.standard_normal((4000, 128)).astype("f4") * spectrum
        every = _embed(np, rows + QUERIES, 10, centres, spectrum, _rotation(np, 128, 9), 0.8).astype("f4")
        every = (np.abs(every) ** 1.3 * 512).astype("f2")
        base, queries = every[:rows], {"in": every[rows:]}
    else:
        draw = np.random.default_rng(11)
        base = draw.random((rows, 128), dtype="f4").astype("f2")
        queries = {"in": draw.random((QUERIES, 128), dtype="f4").astype("f2")}
    for key, path in paths.items():
        np.save(path, queries[key])
    np.save(base_path, base)


def exact(np, base, queries, metric, k):
    """The k nearest rows, the last step in double precision among the best 2k; ties by row number."""
    q = queries.astype("f4")
    if metric == "cosine":
        q /= np.linalg.norm(q, axis=1, keepdims=True)
    scores, rows = np.empty((len(q), 0), "f4"), np.empty((len(q), 0), "i8")
    for begin in range(0, len(base), 100000):
        b = base[begin:begin + 100000].astype("f4")
        if metric == "cosine":
            s = q @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T
        else:
            s = 2 * (q @ b.T) - (b * b).sum(1)
        best = np.argpartition(-s, min(2 * k, s.shape[1]) - 1, axis=1)[:, :2 * k]
        scores = np.hstack([scores, np.take_along_axis(s, best, 1)])
        rows = np.hstack([rows, best + begin])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :2 * k]
        scores, rows = np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
    out = np.empty((len(q), min(k, len(base))), "u4")
    for i in range(len(q)):
        b, v = base[rows[i]].astype("f8"), queries[i].astype("f8")
        s = (b @ v) / np.linalg.norm(b, axis=1) if metric == "cosine" else -((b - v) ** 2).sum(1)
        out[i] = rows[i][np.lexsort((rows[i], -s))[:k]]
    return out
