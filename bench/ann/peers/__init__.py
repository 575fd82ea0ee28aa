"""Systems from PyPI that the index is compared with: one module a package, one class a system. What a class needs:

    key, title   on the command line, in tables
    package      name on PyPI; the installed version is part of what a result is known by
    settings     how it is built, in words; part of it, too
    sweep        ladders of search parameters, each from fast to good
    metrics      of sets that it can search
    build(base, threads), save(path), load(path, base), search(queries, parameter, allowed) -> rows
    bytes(path)  that the index takes
    filters      whether search takes `allowed`, an array with True for rows that may be found

Packages are imported in build and load only: the process that compares knows the classes, and each system runs in a
process of its own (serve.py), since their OpenMP run-times do not live together.
"""
import importlib.metadata
import math

EF = (10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 100, 128, 160, 200, 256, 320, 400, 512, 640, 800, 1000, 1400, 2000, 3000)
EF_SPARSE = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3000)
K = 10


class Peer:
    sweep = (EF_SPARSE,)
    metrics = ("cosine", "l2")
    filters = False
    slow = False  # only on the real set
    settings = ""

    def __init__(self, dim, metric):
        self.dim, self.metric = dim, metric

    def bytes(self, path):
        """Of the whole index; what was saved, where the package does not say."""
        files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        return sum(p.stat().st_size for p in files)

    @classmethod
    def version(cls):
        return importlib.metadata.version(cls.package)


def resident_bytes():
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * 4096


def clusters_for(rows):
    """Lists of an inverted file: a power of two near 1.7 sqrt(rows)."""
    return 2 ** round(math.log2(1.7 * math.sqrt(rows)))


def all_peers():
    from . import faiss_peer, hnswlib_peer, rabitq_peer, svs_peer, usearch_peer, vsag_peer
    peers = {}
    for module in (hnswlib_peer, faiss_peer, usearch_peer, svs_peer, vsag_peer, rabitq_peer):
        peers.update({peer.key: peer for peer in module.PEERS})
    return peers
