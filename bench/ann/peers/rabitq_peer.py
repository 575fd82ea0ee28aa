from . import EF, K, Peer, clusters_for


class Rabitq(Peer):
    package = "rabitqlib"

    def save(self, path):
        self.index.save(path)

    def load(self, path, base):
        import rabitqlib
        self.index = getattr(rabitqlib, self.kind).load(path)

    def clusters(self, base, count, threads):
        import rabitqlib
        means = rabitqlib.RaBitQKMeans(self.dim, count, num_threads=threads)
        means.train(base)
        return means.centroids, means.assignments


class SymphonyQg(Rabitq):
    key, title = "symphonyqg", "SymphonyQG raw"
    kind = "SymqgIndex"
    bits = 0
    settings = "degree 32, ef_construction 200"
    sweep = (EF,)

    def build(self, base, threads):
        import rabitqlib
        self.index = rabitqlib.SymqgIndex(dim=self.dim, max_degree=32, metric="l2", quantization_bits=self.bits)
        self.index.build(base, ef_construction=200, num_threads=threads)

    def search(self, queries, parameter, allowed):
        return self.index.search(queries, K, int(parameter), 1)[0]


class SymphonyQg8(SymphonyQg):
    key, title = "symphonyqg8", "SymphonyQG 8 bit"
    bits = 8


class RabitqHnsw(Rabitq):
    key, title = "rabitq-hnsw", "RaBitQ HNSW 8 bit"
    kind = "HnswIndex"
    settings = "M 16, ef_construction 200, 8 bits, 16 clusters"
    sweep = (EF,)

    def build(self, base, threads):
        import rabitqlib
        centroids, assignments = self.clusters(base, 16, threads)
        self.index = rabitqlib.HnswIndex(dim=self.dim, max_elements=len(base), M=16, ef_construction=200, nbits=8, metric="l2")
        self.index.build(base, centroids, assignments, num_threads=threads)

    def search(self, queries, parameter, allowed):
        return self.index.search(queries, K, int(parameter), 1)[0]


class RabitqIvf(Rabitq):
    key, title = "rabitq-ivf", "RaBitQ IVF, raw refine"
    kind = "IvfIndex"
    settings = "about 3.4 sqrt(n) clusters, 1 bit and raw vectors"
    sweep = ((1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512),)

    def build(self, base, threads):
        import rabitqlib
        count = 2 * clusters_for(len(base))
        centroids, assignments = self.clusters(base, count, threads)
        self.index = rabitqlib.IvfIndex(dim=self.dim, max_elements=len(base), num_clusters=count, nbits=32, metric="l2")
        self.index.build(base, centroids, assignments, num_threads=threads)

    def search(self, queries, parameter, allowed):
        return self.index.search(queries, K, int(parameter), num_threads=1)[0]


PEERS = (SymphonyQg, SymphonyQg8, RabitqHnsw, RabitqIvf)
