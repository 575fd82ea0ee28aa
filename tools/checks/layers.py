"""Includes go to a lower layer or stay in their folder, and CMake's arrows say the same."""

import re

from .tree import TEST_FILE

# The layers, lowest first; ARCHITECTURE.md explains them. Folders of one layer do not know each other.
LAYERS = [
    ["base"],
    ["simd", "format"],
    ["ann", "filter", "objstore"],
    ["wal", "segment", "manifest", "cache"],
    ["engine"],
    ["query", "ingest"],
    ["service"],
    ["server"],
    ["cli"],
]
LEVEL = {folder: level for level, folders in enumerate(LAYERS) for folder in folders}
# Implementations that only those who wire the program together may name.
CONCRETE = ("src/objstore/localfs/", "src/objstore/memory/", "src/objstore/s3/", "src/service/rest/")
WIRING = {"server", "cli"}

LIBRARY = re.compile(r"^akidb_library\((\w+)([^)]*)\)", re.MULTILINE)


def folder_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def cmake_arrows(tree):
    """Library -> (CMake file, libraries it names as DEPS)."""
    arrows = {}
    for name in tree.matching(["CMakeLists.txt"], "src/"):
        for library, rest in LIBRARY.findall(tree.read(name).decode()):
            deps = re.search(r"\bDEPS((?:\s+[a-z_0-9]+)+)", rest)
            arrows[library] = (name, deps.group(1).split() if deps else [])
    return arrows


def reachable(arrows, folder):
    """Folders that the libraries of `folder` may use, directly or through others."""
    todo = [library for library, (path, _) in arrows.items() if folder_of(path) == folder]
    seen = set()
    while todo:
        library = todo.pop()
        if library not in seen:
            seen.add(library)
            todo += arrows.get(library, ("", []))[1]
    return {folder_of(arrows[library][0]) for library in seen if library in arrows}


def check_layers(tree):
    findings = []
    top = tree.read("src/CMakeLists.txt").decode()
    built = re.search(r"foreach\(folder ([\w ]+)\)", top).group(1).split()
    if sorted(built) != sorted(LEVEL):
        findings.append(f"src/CMakeLists.txt: its folders and those of tools/checks/layers.py differ: {sorted(set(built) ^ set(LEVEL))}")
    arrows = cmake_arrows(tree)
    for library, (path, deps) in arrows.items():
        for dep in deps:
            if dep not in arrows:
                findings.append(f"{path}: {library} depends on {dep}, which no CMakeLists.txt defines")
                continue
            own, other = folder_of(path), folder_of(arrows[dep][0])
            if own != other and LEVEL.get(other, 0) >= LEVEL.get(own, 0):
                findings.append(f"{path}: {library} depends on {dep}, which is not of a lower layer")
    for name in tree.matching([".h", ".cc"], "src/"):
        own = folder_of(name)
        if own not in LEVEL:
            findings.append(f"{name}: folder {own} is not in the table of tools/checks/layers.py")
            continue
        if TEST_FILE.search(name):
            continue
        allowed = reachable(arrows, own)
        for include in tree.includes(name):
            other = folder_of(include)
            if other is None or other == own:
                continue
            if LEVEL.get(other, 99) >= LEVEL[own]:
                findings.append(f"{name}: includes {include}, which is not of a lower layer")
            elif other not in allowed:
                findings.append(f"{name}: includes {include}, but no DEPS of its CMakeLists.txt lead there")
            if include.startswith(CONCRETE) and own not in WIRING:
                findings.append(f"{name}: includes {include}; only {' and '.join(sorted(WIRING))} choose implementations")
    return findings
