"""What needs a compiler: headers that stand alone, and clang-tidy. Verdicts are kept by content."""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

from .tree import TEST_FILE, version_of

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "cmake"))

import unity  # noqa: E402

COMPILER = "clang++-19"
TIDY = "clang-tidy-19"
PRESET = "dev"


def compile_arguments(tree):
    """Source file -> arguments of its compilation, without compiler, output and input."""
    database = tree.root / "build" / PRESET / "compile_commands.json"
    configured = subprocess.run(["cmake", "--preset", PRESET], cwd=tree.root, capture_output=True, text=True)
    if configured.returncode != 0:
        raise SystemExit(f"cmake --preset {PRESET} failed:\n{configured.stderr[-2000:]}")
    arguments = {}
    for entry in json.loads(database.read_text()):
        words = shlex.split(entry["command"])
        while words and not re.search(r"clang\+\+[-0-9]*$", words[0]):
            words = words[1:]
        kept, skip = [], False
        for word in words[1:]:
            if skip:
                skip = False
            elif word in ("-o", "-c"):
                skip = word == "-o"
            elif word != entry["file"]:
                kept.append(word)
        arguments[os.path.relpath(entry["file"], tree.root)] = kept
    return arguments


def errors_of(output, name):
    lines = [line for line in output.splitlines() if ": error:" in line or ": warning:" in line or ": fatal error:" in line]
    return [re.sub(r"^.*?((?:src|tests|bench)/)", r"\1", line) for line in lines[:5]] or [f"{name}: {output.strip()[-300:]}"]


def proven_by_source(tree, header):
    """True if a source file includes the header before anything else: compiling it proves that it stands alone."""
    stem = header[:-2]
    for source in (stem + ".cc", stem.removesuffix("_impl") + ".cc"):
        if source not in tree.files:
            continue
        first = re.search(rb'^[ \t]*#[ \t]*include[ \t]*["<]([^">]+)[">]', tree.read(source), re.MULTILINE)
        if first and header == "src/" + first.group(1).decode():
            return True
    return False


def check_headers(tree):
    arguments = compile_arguments(tree)

    def flags_for(header):
        folder = os.path.dirname(header)
        near = [words for source, words in sorted(arguments.items()) if os.path.dirname(source) == folder]
        return (near or [words for _, words in sorted(arguments.items())])[0]

    def job(header):
        flags = [word for word in flags_for(header) if not word.startswith("-O")]

        def run():
            result = subprocess.run([COMPILER, *flags, "-fsyntax-only", "-Wno-pragma-once-outside-header", "-x", "c++", header],
                                    cwd=tree.root, capture_output=True, text=True)
            return [] if result.returncode == 0 else errors_of(result.stderr, header)
        return header, tree.content_key([header], version_of(COMPILER), *flags), run

    known = {os.path.dirname(source) for source in arguments}
    headers = [header for header in tree.matching([".h"]) if os.path.dirname(header) in known]
    return tree.run_cached("headers", [job(header) for header in headers if not proven_by_source(tree, header)])


def check_tidy(tree):
    """Product code only: tests are compiled with the same warnings, and the sanitizers run them.

    Sources of a folder are read together: most of the time goes into the headers that they share.
    """
    arguments = compile_arguments(tree)
    configuration = tree.read(".clang-tidy").decode()
    units = tree.root / "build" / ".cache" / "units"
    units.mkdir(parents=True, exist_ok=True)

    def job(folder, number, sources, flags):
        unit = units / f"{folder.replace('/', '_')}_{number}.cc"

        def run():
            unit.write_text("".join(f'#include "{source}"\n' for source in sources))
            result = subprocess.run([TIDY, "--quiet", f"--config-file={tree.root}/.clang-tidy", str(unit), "--", *flags, f"-I{tree.root}"],
                                    cwd=tree.root, capture_output=True, text=True)
            return [] if result.returncode == 0 else errors_of(result.stdout + result.stderr, sources[0])
        return sources[0], tree.content_key(sources, version_of(TIDY), configuration, *flags), run

    alike = {}
    for name in tree.matching([".cc"], "src/"):
        if name in arguments and not TEST_FILE.search(name):
            alike.setdefault((os.path.dirname(name), tuple(arguments[name])), {})[name] = tree.read(name).decode()
    return tree.run_cached("tidy", [job(folder, f"{kind}_{number}", sources, flags)
                                    for kind, ((folder, flags), texts) in enumerate(alike.items())
                                    for number, sources in enumerate(unity.join(texts))])
