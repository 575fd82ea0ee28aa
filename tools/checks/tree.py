"""The files of the repository, what they include, and a cache of verdicts by content."""

import concurrent.futures
import functools
import hashlib
import os
import pathlib
import re
import subprocess

INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)
TEST_FILE = re.compile(r"_(test|testing|fuzz|bench)\.(cc|h)$")


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=self.root,
                                check=True, capture_output=True).stdout.decode().split("\0")
        self.files = sorted(name for name in listed if name and (self.root / name).is_file())

    def matching(self, suffixes, below=""):
        return [name for name in self.files if name.endswith(tuple(suffixes)) and name.startswith(below)]

    @functools.lru_cache(maxsize=None)
    def read(self, name):
        return (self.root / name).read_bytes()

    @functools.lru_cache(maxsize=None)
    def includes(self, name):
        """Paths of the quoted includes, in order, as the repository has them; those outside it are left out."""
        found = []
        for include in INCLUDE.findall(self.read(name)):
            for folder in ("src", os.path.dirname(name)):
                path = os.path.normpath(os.path.join(folder, include.decode()))
                if path in self._names:
                    found.append(path)
                    break
        return found

    @functools.cached_property
    def _names(self):
        return set(self.files)

    def content_key(self, names, *more):
        """A hash of the files, of everything of ours that they include, and of `more`."""
        seen, todo = set(), list(names)
        while todo:
            current = todo.pop()
            if current not in seen:
                seen.add(current)
                todo += self.includes(current)
        digest = hashlib.sha256()
        for part in [*more, *(f"{n} {hashlib.sha256(self.read(n)).hexdigest()}" for n in sorted(seen))]:
            digest.update(part.encode() + b"\0")
        return digest.hexdigest()

    def run_cached(self, kind, jobs):
        """jobs: (file, key, function -> findings). Runs those whose key has no verdict yet; only "no findings" is kept."""
        cache = self.root / "build" / ".cache" / kind
        cache.mkdir(parents=True, exist_ok=True)
        todo = [job for job in jobs if not (cache / job[1]).exists()]
        findings = []
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for (_, key, _), found in zip(todo, pool.map(lambda job: job[2](), todo)):
                findings += found
                if not found:
                    (cache / key).touch()
        return findings


@functools.lru_cache(maxsize=None)
def version_of(tool):
    return subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout
