"""Joins the sources of a target into fewer translation units, since reading headers is most of what a build costs.

unity.py FOLDER NAME SOURCE...: writes FOLDER/NAME_0.cc, NAME_1.cc, ... where their content changed, and prints their names with `;`
between. The sources are named as an #include finds them, below the working directory.

What a file keeps to itself must mean nothing elsewhere in its unit: a file whose unnamed namespaces or macros declare a
word that another file or a header it includes has, for whatever, goes into another unit. What this overlooks does not compile, or warns.
"""

import functools
import pathlib
import re
import sys

SOURCES = pathlib.Path(__file__).resolve().parent.parent / "src"
FILES_MAX = 16
LINES_MAX = 3000
UNNAMED = re.compile(r"^namespace \{\n(.*?)^\}  // namespace$", re.MULTILINE | re.DOTALL)
COMMENT_OR_TEXT = re.compile(r'//[^\n]*|"(?:\\.|[^"\\\n])*"')
# A declaration at file scope begins in the first column: the sources are formatted so.
TYPE = re.compile(r"^(?:class|struct|union|enum class|enum|concept) (?:\[\[\w+\]\] )?(\w+)|^using (\w+) =", re.MULTILINE)
VALUE = re.compile(r"^(?!class |struct |enum |using |namespace |template |TEST|INSTANTIATE|#|\})[A-Za-z_][^(={;\n]*?\b(\w+)(?:\[\w*\])?\s*(?:[(={;]|$)",
                   re.MULTILINE)
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
# Not what is asked of a value or of a scope: that is looked up there.
WORD = re.compile(r"(?<![.>:\w])\w+")
MACRO = re.compile(r"^#define (\w+)", re.MULTILINE)


def declared(text):
    """Names that begin a declaration in the first column; rather too much than too little."""
    while (shorter := re.sub(r"<[^<>]*>", "", text)) != text:
        text = shorter
    return {name for names in TYPE.findall(text) for name in names if name} | set(VALUE.findall(text)) | set(MACRO.findall(text))


def private_names(text):
    """What a source declares for itself alone."""
    return set(MACRO.findall(text)).union(*(declared(region) for region in UNNAMED.findall(text)))


@functools.cache
def header_names(header):
    """What a header of ours, and what it includes, declares."""
    found = [folder / header for folder in (SOURCES, pathlib.Path()) if (folder / header).is_file()]
    if not found:
        return frozenset()
    text = found[0].read_text()
    return frozenset(declared(text)).union(*map(header_names, INCLUDE.findall(text)))


def join(texts):
    """Groups of the files (name -> text) that can be compiled together, in order."""
    groups = []
    for name, text in texts.items():
        code = COMMENT_OR_TEXT.sub("", text)
        private, lines = private_names(text), text.count("\n")
        words = set(WORD.findall(code)).union(*map(header_names, INCLUDE.findall(text)))
        for group in groups:
            if (len(group["files"]) < FILES_MAX and group["lines"] + lines <= LINES_MAX and not group["private"] & words
                    and not group["words"] & private):
                break
        else:
            groups.append(group := {"files": [], "lines": 0, "private": set(), "words": set()})
        group["files"].append(name)
        group["lines"] += lines
        group["private"] |= private
        group["words"] |= words
    return [group["files"] for group in groups]


def main(folder, name, *sources):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    units = []
    for number, files in enumerate(join({source: pathlib.Path(source).read_text() for source in sources})):
        units.append(folder / f"{name}_{number}.cc")
        text = "".join(f'#include "{file}"\n' for file in files)
        if not units[-1].exists() or units[-1].read_text() != text:
            units[-1].write_text(text)
    print(";".join(map(str, units)), end="")


if __name__ == "__main__":
    main(*sys.argv[1:])
