"""One set as the comparison sees it: vectors as f32 (normalised under cosine) for all systems but ours, which gets the
half floats that they were made from, and what counts as found."""
import sets

K = 10
TIE = 1e-6


class Data:
    def __init__(self, np, name, folder, work):
        self.np, self.work = np, work
        self.set = sets.load(np, name, folder, work)
        if self.set is None:
            return
        self.name, self.metric = name, self.set.metric
        self.f32 = work / f"{name}.f32.npy"
        if not self.f32.exists():
            np.save(self.f32, self._floats(np.load(self.set.base)))
        self.base = np.load(self.f32, mmap_mode="r")
        self.rows, self.dim = self.base.shape
        self.queries, self.query_paths, self.true, self.worst = {}, {}, {}, {}
        for key, path in self.set.queries.items():
            self.queries[key] = self._floats(np.load(path))
            self.query_paths[key] = work / f"{name}.{key}.f32.npy"
            np.save(self.query_paths[key], self.queries[key])
            self._keep(key, None, self.set.truth[key][:, :K])
        self.masks = {}

    def _floats(self, vectors):
        floats = vectors.astype("f4")
        if self.metric == "cosine":
            floats /= self.np.linalg.norm(floats, axis=1, keepdims=True)
        return self.np.ascontiguousarray(floats)

    def add_mask(self, mask, allowed):
        """From now on recall(.., mask) is of the rows for which `allowed` is 1."""
        np = self.np
        path = self.work / f"{self.name}.{mask}.mask.npy"
        np.save(path, allowed.astype("u1"))
        self.masks[mask] = (path, allowed.astype(bool))

    def _keep(self, key, mask, true):
        self.true[key, mask] = true.astype("i8")
        self.worst[key, mask] = self._distances(key, self.true[key, mask], self.np.ones(true.shape, bool)).max(axis=1)

    def _find_true(self, key, mask):
        if (key, mask) not in self.true:
            np = self.np
            path = self.work / f"{self.name}.{key}.{mask}.truth.npy"
            if not path.exists():
                passing = np.flatnonzero(self.masks[mask][1])
                rows = np.load(self.set.base, mmap_mode="r")[passing]
                np.save(path, passing[sets.exact(np, rows, np.load(self.set.queries[key]), self.metric, K)].astype("u4"))
            self._keep(key, mask, np.load(path))

    def _distances(self, key, rows, asked):
        """Squared distances from each query to those of its rows that are asked for; 0 for the others."""
        np = self.np
        out = np.zeros(rows.shape, "f8")
        query, place = np.nonzero(asked)
        for begin in range(0, len(query), 2000):
            q, p = query[begin:begin + 2000], place[begin:begin + 2000]
            difference = self.base[rows[q, p]].astype("f8") - self.queries[key][q].astype("f8")
            out[q, p] = (difference * difference).sum(axis=1)
        return out

    def recall(self, key, rows, mask=None):
        """A row counts as found if its distance is not above that of the 10th true one (equal rows are equal), once. A
        row that the mask forbids is an error of the system, not a miss."""
        np = self.np
        rows = np.asarray(rows).reshape(len(self.queries[key]), -1).astype("i8")[:, :K]
        valid = (rows >= 0) & (rows < self.rows)
        inside = np.where(valid, rows, 0)
        if mask is not None and (valid & ~self.masks[mask][1][inside]).any():
            raise RuntimeError(f"a row came back that {mask} does not let pass")
        self._find_true(key, mask)
        known = (rows[:, :, None] == self.true[key, mask][:, None, :]).any(axis=2)
        near = known | (self._distances(key, inside, valid & ~known) <= self.worst[key, mask][:, None] * (1 + TIE) + TIE)
        found = sum(len(set(r[n & v].tolist())) for r, n, v in zip(rows, near, valid))
        passing = self.rows if mask is None else int(self.masks[mask][1].sum())
        return found / (len(rows) * min(K, passing))
