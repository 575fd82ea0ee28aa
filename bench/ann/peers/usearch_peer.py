from . import EF_SPARSE, K, Peer


class Usearch(Peer):
    package = "usearch"
    settings = "connectivity 16, expansion_add 200"
    sweep = (EF_SPARSE,)
    slow = True

    def new(self):
        from usearch.index import Index
        metric = "ip" if self.metric == "cosine" and self.dtype != "i8" else {"cosine": "cos", "l2": "l2sq"}[self.metric]
        return Index(ndim=self.dim, metric=metric, dtype=self.dtype, connectivity=16, expansion_add=200, expansion_search=64)

    def build(self, base, threads):
        import numpy as np
        self.index = self.new()
        self.index.add(np.arange(len(base), dtype="u8"), base, threads=threads)

    def save(self, path):
        self.index.save(path)

    def load(self, path, base):
        self.index = self.new()
        self.index.load(path)

    def search(self, queries, parameter, allowed):
        self.index.expansion_search = int(parameter)
        return self.index.search(queries, K, threads=1).keys


class UsearchF32(Usearch):
    key, title, dtype = "usearch-f32", "usearch f32", "f32"


class UsearchF16(Usearch):
    key, title, dtype = "usearch-f16", "usearch f16", "f16"


class UsearchI8(Usearch):
    key, title, dtype = "usearch-i8", "usearch i8", "i8"
    metrics = ("cosine",)  # it takes elements to lie between -1 and 1


PEERS = (UsearchF32, UsearchF16, UsearchI8)
