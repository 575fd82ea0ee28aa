import os
import tempfile

from . import EF_SPARSE, K, Peer


class Svs(Peer):
    package = "scalable-vs"
    settings = "degree 32, window 200, alpha 1.2"
    sweep = (EF_SPARSE,)

    def build(self, base, threads):
        import svs
        parameters = svs.VamanaBuildParameters(alpha=1.2, graph_max_degree=32, window_size=200)
        with tempfile.TemporaryDirectory(prefix="svs-") as folder:
            self.index = svs.Vamana.build(parameters, self.stored(base, folder), svs.DistanceType.L2, num_threads=threads)
        self.index.num_threads = 1

    def save(self, path):
        os.makedirs(path, exist_ok=True)
        self.index.save(f"{path}/config", f"{path}/graph", f"{path}/data")

    def load(self, path, base):
        import svs
        self.index = svs.Vamana(f"{path}/config", svs.GraphLoader(f"{path}/graph"), self.saved(f"{path}/data"), svs.DistanceType.L2, num_threads=1)

    def search(self, queries, parameter, allowed):
        self.index.search_window_size = int(parameter)
        return self.index.search(queries, K)[0]


class SvsF32(Svs):
    key, title = "svs-f32", "SVS Vamana f32"

    def stored(self, base, folder):
        import numpy as np
        return np.ascontiguousarray(base)

    def saved(self, path):
        import svs
        return svs.VectorDataLoader(path, svs.DataType.float32, dims=self.dim)


class SvsF16(Svs):
    key, title = "svs-f16", "SVS Vamana f16"

    def stored(self, base, folder):
        return base.astype("f2")

    def saved(self, path):
        import svs
        return svs.VectorDataLoader(path, svs.DataType.float16, dims=self.dim)


class SvsLvq(Svs):
    key, title = "svs-lvq", "SVS LVQ 4x8"

    def stored(self, base, folder):
        import svs
        return svs.LVQLoader(raw_file(base, folder), primary=4, residual=8)

    def saved(self, path):
        import svs
        return svs.LVQLoader(path)


class SvsLeanVec(Svs):
    key, title = "svs-leanvec", "SVS LeanVec 4x8"

    def stored(self, base, folder):
        import svs
        return svs.LeanVecLoader(raw_file(base, folder), leanvec_dims=self.dim // 2, primary_kind=svs.LeanVecKind.lvq4, secondary_kind=svs.LeanVecKind.lvq8)

    def saved(self, path):
        import svs
        return svs.LeanVecLoader(path)


def raw_file(base, folder):
    """Compressing loaders read files only."""
    import numpy as np
    import svs
    path = os.path.join(folder, "base.fvecs")
    svs.write_vecs(np.ascontiguousarray(base), path)
    return svs.VectorDataLoader(path, svs.DataType.float32, dims=base.shape[1])


PEERS = (SvsF32, SvsF16, SvsLvq, SvsLeanVec)
