from . import EF_SPARSE, K, Peer


class Hnswlib(Peer):
    key = "hnswlib"
    title = "hnswlib M16 efC200"
    package = "hnswlib"
    settings = "M 16, ef_construction 200"
    sweep = (EF_SPARSE,)
    filters = True

    def build(self, base, threads):
        import hnswlib
        self.index = hnswlib.Index(space="l2", dim=self.dim)
        self.index.init_index(max_elements=len(base), M=16, ef_construction=200)
        self.index.add_items(base, num_threads=threads)
        self.index.set_num_threads(1)

    def save(self, path):
        self.index.save_index(path)

    def load(self, path, base):
        import hnswlib
        self.index = hnswlib.Index(space="l2", dim=self.dim)
        self.index.load_index(path, max_elements=len(base))
        self.index.set_num_threads(1)

    def search(self, queries, parameter, allowed):
        self.index.set_ef(max(int(parameter), K))
        if allowed is None:
            return self.index.knn_query(queries, k=K, num_threads=1)[0]
        # The cheapest function that Python has: an item of a byte string.
        return self.index.knn_query(queries, k=K, num_threads=1, filter=allowed.tobytes().__getitem__)[0]


PEERS = (Hnswlib,)
