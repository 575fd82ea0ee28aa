from . import EF_SPARSE, K, Peer, clusters_for


class Faiss(Peer):
    package = "faiss-cpu"
    filters = True
    selector = None

    def save(self, path):
        import faiss
        faiss.write_index(self.index, path)

    def load(self, path, base):
        import faiss
        self.index = faiss.read_index(path)
        faiss.omp_set_num_threads(1)

    def select(self, parameters, allowed):
        """The bitmap is made once for a mask, as an application would."""
        import faiss
        import numpy as np
        if allowed is not None:
            if self.selector is None or self.selector[0] is not allowed:
                bits = np.packbits(allowed, bitorder="little")
                self.selector = (allowed, bits, faiss.IDSelectorBitmap(len(allowed), faiss.swig_ptr(bits)))
            parameters.sel = self.selector[2]
        return parameters


class FaissHnsw(Faiss):
    key = "faiss-hnsw"
    title = "FAISS HNSW32"
    settings = "HNSW32 flat, efConstruction 200"
    sweep = (EF_SPARSE,)

    def build(self, base, threads):
        import faiss
        faiss.omp_set_num_threads(threads)
        self.index = faiss.IndexHNSWFlat(self.dim, 32)
        self.index.hnsw.efConstruction = 200
        self.index.add(base)
        faiss.omp_set_num_threads(1)

    def search(self, queries, parameter, allowed):
        import faiss
        parameters = self.select(faiss.SearchParametersHNSW(efSearch=int(parameter)), allowed)
        return self.index.search(queries, K, params=parameters)[1]


class FaissIvf(Faiss):
    key = "faiss-ivfpq"
    title = "FAISS IVF, PQ fast scan + refine"
    settings = "IVF about 1.7 sqrt(n), PQ of dim / 4 sub-vectors of 4 bits, fast scan, exact refine"
    sweep = tuple(tuple(f"{probes}/{factor}" for probes in (1, 2, 4, 8, 16, 32, 64, 128)) for factor in (5, 20, 80))

    def build(self, base, threads):
        import faiss
        faiss.omp_set_num_threads(threads)
        self.index = faiss.index_factory(self.dim, f"IVF{clusters_for(len(base))},PQ{self.dim // 4}x4fs,RFlat")
        self.index.train(base)
        self.index.add(base)
        faiss.omp_set_num_threads(1)

    def search(self, queries, parameter, allowed):
        import faiss
        probes, factor = parameter.split("/")
        lists = self.select(faiss.SearchParametersIVF(nprobe=int(probes)), allowed)
        parameters = faiss.IndexRefineSearchParameters(k_factor=float(factor), base_index_params=lists)
        return self.index.search(queries, K, params=parameters)[1]


PEERS = (FaissHnsw, FaissIvf)
