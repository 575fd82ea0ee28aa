import json

from . import EF_SPARSE, K, Peer, resident_bytes


class VsagHgraph(Peer):
    key, title = "vsag", "vsag hgraph sq8"
    package = "pyvsag"
    settings = "max_degree 32, ef_construction 200, sq8, reordered by fp16"
    sweep = (tuple(ef for ef in EF_SPARSE if ef <= 1000),)  # its largest

    def new(self, threads):
        import pyvsag
        return pyvsag.Index("hgraph", json.dumps({
            "dtype": "float32", "metric_type": "l2", "dim": self.dim,
            "index_param": {"base_quantization_type": "sq8", "use_reorder": True, "precise_quantization_type": "fp16", "max_degree": 32,
                            "ef_construction": 200, "build_thread_count": threads}}))

    def build(self, base, threads):
        import numpy as np
        self.index = self.new(threads)
        before = resident_bytes()
        self.index.build(vectors=np.array(base), ids=np.arange(len(base), dtype="i8"), num_elements=len(base), dim=self.dim)
        self.resident = resident_bytes() - before

    def save(self, path):
        self.index.save(path)

    def bytes(self, path):
        return self.resident  # what is saved is padded

    def load(self, path, base):
        self.index = self.new(1)
        self.index.load(path)

    def search(self, queries, parameter, allowed):
        import numpy as np
        parameters = json.dumps({"hgraph": {"ef_search": int(parameter)}})
        rows = np.full((len(queries), K), 0xffffffff, "i8")
        for i, query in enumerate(queries):
            found = self.index.knn_search(vector=query, k=K, parameters=parameters)[0]
            rows[i, :len(found)] = found
        return rows


PEERS = (VsagHgraph,)
