"""The data sets of run.py: the package descriptions, and made ones whose recipe is fixed by its seeds, so that they are the
same everywhere: clustered with a power-law spectrum, as learned embeddings are."""


def load(np, name, folder, work):
    """(path of the base .npy, distance, {query set: (path of its .npy, true rows)})"""
    if name == "packages":
        return _packages(np, folder, work)
    prefix = work / name
    if not prefix.with_suffix(".truth.npy").exists():
        _make(np, name, prefix)
    metric = "Cosine" if name.endswith("768") else "Euclidean"
    queries = prefix.with_suffix(".queries.npy")
    return prefix.with_suffix(".base.npy"), metric, {"queries": (queries, np.load(prefix.with_suffix(".truth.npy")))}


def _packages(np, folder, work):
    base = work / "packages.base.npy"
    if not base.exists():
        import pyarrow.parquet as pq
        column = pq.read_table(folder / "packages.parquet", columns=["vector"])["vector"].combine_chunks()
        np.save(base, column.flatten().to_numpy().reshape(len(column), -1).astype("<f2"))
    queries = {key: (folder / f"queries_{key}.f16.npy", np.load(folder / f"queries_{key}.truth100.u32.npy"))
               for key in ("in", "ood", "short")}
    return base, "Cosine", queries


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


def _make(np, name, prefix):
    metric = "cosine" if name.endswith("768") else "l2"
    count = 1000
    if name in ("emb768", "ood768"):
        spectrum, rotation = _spectrum(np, 768, 0.55), _rotation(np, 768, 1)
        centres = np.random.default_rng(2).standard_normal((2000, 768)).astype("f4") * spectrum
        base = _embed(np, 500000, 3, centres, spectrum, rotation, 1.0)
        if name == "emb768":
            queries = _embed(np, count, 4, centres, spectrum, rotation, 1.0)
        else:
            shift = np.random.default_rng(6).standard_normal(768).astype("f4") * spectrum * 1.5
            some = centres[np.random.default_rng(7).permutation(2000)[:200]]
            queries = _embed(np, count, 5, 0.6 * some + shift, _spectrum(np, 768, 0.55 * 0.6), rotation, 1.0)
    elif name == "l2_128":
        draw = np.random.default_rng(8)
        spectrum = _spectrum(np, 128, 0.5)
        centres = draw.standard_normal((4000, 128)).astype("f4") * spectrum
        all_rows = _embed(np, 1000000 + count, 10, centres, spectrum, _rotation(np, 128, 9), 0.8).astype("f4")
        all_rows = (np.abs(all_rows) ** 1.3 * 512).astype("f2")
        base, queries = all_rows[:-count], all_rows[-count:]
    elif name == "uniform":
        draw = np.random.default_rng(11)
        base = draw.random((100000, 128), dtype="f4").astype("f2")
        queries = draw.random((count, 128), dtype="f4").astype("f2")
    else:
        raise SystemExit(f"no set is called {name}")
    np.save(prefix.with_suffix(".base.npy"), base)
    np.save(prefix.with_suffix(".queries.npy"), queries)
    np.save(prefix.with_suffix(".truth.npy"), _exact(np, base, queries, metric, 100))


def _exact(np, base, queries, metric, k):
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
    out = np.empty((len(q), k), "u4")
    for i in range(len(q)):
        b, v = base[rows[i]].astype("f8"), queries[i].astype("f8")
        s = (b @ v) / np.linalg.norm(b, axis=1) if metric == "cosine" else -((b - v) ** 2).sum(1)
        out[i] = rows[i][np.lexsort((rows[i], -s))[:k]]
    return out
