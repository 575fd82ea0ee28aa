"""What needs no compiler: words, lengths, READMEs, and that paths named in documents exist."""

import os
import re

LINES_MAX = 600
README_LINES_MAX = 60

WORDS = [
    (re.compile(r"\b(TO[D]O|FIX[M]E|XX[X])\b"), "unfinished work"),
    (re.compile(r"(?<![\w.])/(wor[k]|roo[t]|hom[e])/"), "a path of one machine"),
    (re.compile(r"\b(pypi|pythonhosted|crates|npmjs|golang|debian|maven)[.](org|io|com)\b"), "a registry's host"),
]
TEXT_SUFFIXES = (".h", ".cc", ".py", ".sh", ".md", ".txt", ".cmake", ".json", ".yaml", ".html", ".js", "tools/check", ".ci/run")
CODE_SUFFIXES = (".h", ".cc", ".py", ".sh", "tools/check")

# A path as documents and comments write it. Roots under which a word with a slash is meant as one.
PATH = re.compile(r"(?<![\w./-])((?:\.ci|bench|cmake|docs|include|samples|scripts|src|tests|tools)/[\w./*-]*[\w/*])")
# A source file in a document, named from src/ or by its name alone; x_... stands for any name.
SOURCE = re.compile(r"`((?!x_)[\w/-]+\.(?:cc|h|py|sh))`")
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def lines_of(tree, name):
    return tree.read(name).decode(errors="replace").splitlines()


def check_text(tree):
    findings = []
    for name in tree.matching(TEXT_SUFFIXES):
        for number, line in enumerate(lines_of(tree, name), 1):
            for pattern, what in WORDS:
                if pattern.search(line):
                    findings.append(f"{name}:{number}: {what}: {line.strip()[:80]}")
    return findings


def check_lengths(tree):
    return [f"{name}: {len(lines_of(tree, name))} lines, at most {LINES_MAX}; split it by verb or stage"
            for name in tree.matching(CODE_SUFFIXES) if len(lines_of(tree, name)) > LINES_MAX]


def check_readmes(tree):
    findings = []
    folders = {"/".join(name.split("/")[:2]) for name in tree.matching([".h", ".cc"], "src/")}
    for folder in sorted(folders):
        readme = folder + "/README.md"
        if readme not in tree.files:
            findings.append(f"{readme}: missing: why the folder exists, what belongs, what does not, where to start")
        elif len(lines_of(tree, readme)) > README_LINES_MAX:
            findings.append(f"{readme}: {len(lines_of(tree, readme))} lines, at most {README_LINES_MAX}: one screen")
    return findings


def exists(tree, path):
    if "*" in path:
        return any(tree.root.glob(path))
    return (tree.root / path).exists()


def check_paths(tree):
    findings = []
    names = {os.path.basename(name) for name in tree.files}
    for name in tree.matching([".md", ".h", ".cc"]):
        is_document = name.endswith(".md")
        for number, line in enumerate(lines_of(tree, name), 1):
            if not is_document and "#include" in line:
                continue
            for path in PATH.findall(line):
                if not exists(tree, path.rstrip("/")) and not exists(tree, os.path.join(os.path.dirname(name), path)):
                    findings.append(f"{name}:{number}: names {path}, which does not exist")
            for source in SOURCE.findall(line) if is_document else []:
                near = [source, "src/" + source, os.path.join(os.path.dirname(name), source)]
                if not any(exists(tree, path) for path in near) and source not in names:
                    findings.append(f"{name}:{number}: names {source}, which does not exist")
            for link in LINK.findall(line) if is_document else []:
                if "://" not in link and not (tree.root / os.path.dirname(name) / link).exists():
                    findings.append(f"{name}:{number}: links to {link}, which does not exist")
    return findings
