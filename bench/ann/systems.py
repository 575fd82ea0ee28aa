"""Every system is a process that answers orders: AkiDB's own command, a peer from PyPI (peers/), a Rust crate (rust/). It
is started when the first point is measured that is not known yet."""
import functools
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import peers
from store import Results, write_json

HERE = pathlib.Path(__file__).resolve().parent
WORK = HERE.parents[1] / "build" / "ann"
# Threads that wait sleep: on a busy machine those that spin would take from those they wait for.
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


class Unavailable(Exception):
    """The system cannot run here; the message says why."""


class System:
    """What is known of a system without running it."""

    sweep = (peers.EF,)
    metrics = ("cosine", "l2")
    filters = False
    slow = False

    def __init__(self, key, title, settings, version):
        self.key, self.title, self.settings, self.version = key, title, settings, version

    @property
    def identity(self):
        return f"{self.version}; {self.settings}"

    def command(self, data, index, threads):
        raise NotImplementedError

    def queries_of(self, data, key):
        return data.query_paths[key]

    def parameter_text(self, parameter):
        return str(parameter)


class Ours(System):
    # A recall below 1 is asked for; a larger number is ef_search.
    sweep = ((0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999), peers.EF)
    filters = True

    def __init__(self, key, title, akidb, options):
        self.akidb, self.options = akidb, options
        digest = hashlib.sha256(pathlib.Path(akidb).read_bytes()).hexdigest()[:12]
        super().__init__(key, title, " ".join(options) or "defaults", digest)

    def command(self, data, index, threads):
        return [self.akidb, "bench", "ann", "--orders", "--base", data.set.base, "--metric", data.metric, "-k", peers.K,
                "--index-file", index, "--build-threads", threads, *self.options]

    def queries_of(self, data, key):
        return data.set.queries[key]


class PyPiPeer(System):
    def __init__(self, peer):
        try:
            version = peer.version()
        except Exception as error:
            raise Unavailable(f"{peer.package} is not installed") from error
        super().__init__(peer.key, peer.title, peer.settings, version)
        self.sweep, self.metrics, self.filters, self.slow = peer.sweep, peer.metrics, peer.filters, peer.slow

    def command(self, data, index, threads):
        return [sys.executable, HERE / "peers" / "serve.py", self.key, data.f32, data.metric, index, threads]


class Crate(System):
    """hnsw_rs and instant-distance: one small program, built by cargo outside the source tree."""

    slow = True
    sweep = (peers.EF_SPARSE,)

    def __init__(self, key, title, settings):
        super().__init__(key, title, settings, self.version_of(key))

    @staticmethod
    def version_of(key):
        for line in (HERE / "rust" / "Cargo.toml").read_text().splitlines():
            if line.startswith(key):
                return line.split('"=')[1].split('"')[0]
        raise Unavailable(f"Cargo.toml does not name {key}")

    def command(self, data, index, threads):
        return [build_crate("peers", "--bin", "peers"), self.key, data.f32, index, threads]


@functools.cache
def build_crate(program, *options):
    """In a copy, so that cargo leaves nothing in the source tree."""
    folder = WORK / "rust"
    shutil.copytree(HERE / "rust", folder, dirs_exist_ok=True)
    try:
        done = subprocess.run(["cargo", "build", "--release", "--quiet", *options], cwd=folder, capture_output=True, text=True,
                              env={**os.environ, "RUSTFLAGS": "-C target-cpu=native"})
    except FileNotFoundError as error:
        raise Unavailable("there is no cargo") from error
    if done.returncode != 0:
        raise Unavailable(f"cargo: {done.stderr.strip()[-300:]}")
    return folder / "target" / "release" / program


class FilterProgram(System):
    """A program that searches with a filter in the index that a peer from PyPI has built: Python's interface has no filter,
    or calls Python for every node."""

    sweep = (peers.EF_SPARSE,)
    filters = True

    def __init__(self, peer, key, title):
        super().__init__(key, title, peer.settings, peer.version)
        self.peer = peer

    def build(self):
        raise NotImplementedError

    def command(self, data, index, threads):
        stored = index_path(self.peer, data)
        if not stored.exists():
            raise Unavailable(f"{self.peer.key} has no index of this set yet")
        return [self.build(), stored, data.dim, data.rows, data.metric]


class UsearchFilter(FilterProgram):
    def build(self):
        return build_crate("usearch_filter", "--bin", "usearch_filter", "--features", "usearch_filter")


class HnswlibFilter(FilterProgram):
    def build(self):
        program = WORK / "native" / f"hnswlib_filter-{self.version}"
        if program.exists():
            return program
        program.parent.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "hnswlib", f"hnswlib=={self.version}", "-d", program.parent]
        archive = program.parent / f"hnswlib-{self.version}.tar.gz"
        compiler = shutil.which("clang++-19") or shutil.which("c++")
        if compiler is None:
            raise Unavailable("there is no C++ compiler")
        commands = [[str(part) for part in pip], ["tar", "-xzf", str(archive), "-C", str(program.parent)],
                    [compiler, "-std=c++20", "-O3", "-march=native", "-DNDEBUG", f"-I{archive.with_name(f'hnswlib-{self.version}')}",
                     str(HERE / "native" / "hnswlib_filter.cc"), "-o", str(program)]]
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise Unavailable(f"{command[0]}: {done.stderr.strip()[-300:]}")
        return program


FILTER_PROGRAMS = {"hnswlib": (HnswlibFilter, "hnswlib-filter", "hnswlib, filter in C++"),
                   "usearch-f32": (UsearchFilter, "usearch-filter", "usearch f32, filter in Rust")}


def index_path(system, data):
    """Another version or build of a system makes another index."""
    known_as = hashlib.sha256(system.identity.encode()).hexdigest()[:8]
    return WORK / "indexes" / data.name / f"{system.key}-{known_as}"


# Ours besides the default, for those who have less memory: the last two do not read rows.
OUR_LAYOUTS = {"akidb-compact": ("AkiDB compact", ("--layout", "compact")),
               "akidb-codes": ("AkiDB, from codes", ("--layout", "fast", "--from-codes")),
               "akidb-compact-codes": ("AkiDB compact, from codes", ("--layout", "compact", "--from-codes"))}


def all_systems(akidb, options):
    """({key: System}, {key: why it cannot run})"""
    found, missing = {}, {}
    if not pathlib.Path(akidb).exists():
        missing["akidb"] = f"{akidb} is not built"
    else:
        found["akidb"] = Ours("akidb", "AkiDB", akidb, options)
        usage = subprocess.run([akidb, "bench", "ann", "--help"], capture_output=True, text=True).stdout
        if "--layout" in usage and not any(o.startswith("--layout") for o in options):
            for key, (title, layout) in OUR_LAYOUTS.items():
                found[key] = Ours(key, title, akidb, [*options, *layout])
    for key, peer in peers.all_peers().items():
        try:
            found[key] = PyPiPeer(peer)
        except Unavailable as why:
            missing[key] = str(why)
    crates = (("hnsw_rs", "hnsw_rs", "M 16, ef_construction 200, 16 layers"), ("instant-distance", "instant-distance", "M 32, ef_construction 100"))
    for key, title, settings in crates:
        if shutil.which("cargo"):
            found[key] = Crate(key, title, settings)
        else:
            missing[key] = "there is no cargo"
    return found, missing


class Running:
    """A system over one set: its process, once it is needed, and its results."""

    def __init__(self, system, data, args):
        self.system, self.data, self.threads, self.core = system, data, args.build_threads, args.core
        self.process, self.error = None, None
        self.index = index_path(system, data)
        self.index.parent.mkdir(parents=True, exist_ok=True)
        self.rows = WORK / f"{system.key}.rows"
        self.log = WORK / "logs" / f"{data.name}-{system.key}.log"
        self.record = self.index.with_name(self.index.name + ".built.json")
        self.results = Results(WORK / "results" / data.name / f"{system.key}.jsonl", system.identity, args.fresh)

    @property
    def built(self):
        return json.loads(self.record.read_text()) if self.record.exists() else None

    def start(self):
        if self.error is not None:
            raise Unavailable(self.error)
        if self.process is not None:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.built is None and self.index.is_file():
            self.index.unlink()  # of a run that was stopped while it wrote
        command = [str(part) for part in self.system.command(self.data, self.index, self.threads)]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                                            env={**os.environ, **THREADS, "RAYON_NUM_THREADS": str(self.threads)})
        built = self.answer()
        if self.built is None:
            write_json(self.record, built)
        for thread in map(int, os.listdir(f"/proc/{self.process.pid}/task")):
            os.sched_setaffinity(thread, {self.core})
            try:
                os.setpriority(os.PRIO_PROCESS, thread, 0)  # a run may be nice; what is timed is not
            except PermissionError:
                pass

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.process = None
            tail = self.log.read_text(errors="replace").strip().splitlines()[-1:]
            self.error = f"ended with {code}: {''.join(tail)[:200]}"
            raise Unavailable(self.error)
        try:
            return json.loads(line)
        except ValueError as error:
            self.error = f"says what is no answer: {line[:200].strip()}"
            raise Unavailable(self.error) from error

    def measure(self, key, parameter, mask=None):
        """(what the process said, rows found)"""
        self.start()
        words = [self.system.queries_of(self.data, key), self.system.parameter_text(parameter), self.rows]
        if mask is not None:
            words.append(self.data.masks[mask][0])
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.process.stdin.flush()
        said = self.answer()
        if "error" in said:
            raise Unavailable(f"{parameter}: {said['error']}")
        return said, self.data.np.fromfile(self.rows, "<u4").reshape(len(self.data.queries[key]), -1)

    def stop(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()
            self.process = None
