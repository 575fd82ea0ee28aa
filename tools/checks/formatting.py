"""clang-format says how C++ looks."""

import hashlib
import re
import subprocess

from .tree import version_of

TOOL = "clang-format-19"


def check_format(tree):
    style = tree.read(".clang-format").decode() + version_of(TOOL)

    def job(name):
        def run():
            result = subprocess.run([TOOL, "--dry-run", "-Werror", name], cwd=tree.root, capture_output=True, text=True)
            lines = sorted({int(line) for line in re.findall(r":(\d+):\d+: error", result.stderr)})
            if result.returncode == 0:
                return []
            return [f"{name}:{lines[0] if lines else 1}: not formatted ({len(lines)} places); run {TOOL} -i"]
        return name, hashlib.sha256(style.encode() + tree.read(name)).hexdigest(), run

    return tree.run_cached("format", [job(name) for name in tree.matching([".h", ".cc"])])
