"""Counts the prefetch instructions in the walk of each instruction set: compilers have been seen to drop all but the first
of a loop, silently.

usage: prefetches.py BINARY LEAST     fails if a walk has fewer
"""
import re
import subprocess
import sys

OBJDUMP = "llvm-objdump-19"
WALK = re.compile(r"^[0-9a-f]+ <(.*GLOBAL__N_1.*3Run.*GraphWalk.*)>:")


def count_prefetches(binary):
    """{instruction set: count}. The walk is one function of the same name in each; the registers tell them apart."""
    listing = subprocess.run(["nm", binary], capture_output=True, text=True, check=True).stdout
    walks = sorted({line.split()[-1] for line in listing.splitlines() if "3Run" in line and "GraphWalk" in line})
    if not walks:
        raise FileNotFoundError(f"{binary} has no symbol of the walk")
    code = subprocess.run([OBJDUMP, "-d", "--no-show-raw-insn", f"--disassemble-symbols={','.join(walks)}", binary],
                          capture_output=True, text=True, check=True).stdout
    return count_in(code)


def count_in(code):
    found, body = {}, None
    for line in [*code.splitlines(), "0 <end>:"]:
        if re.match(r"^[0-9a-f]+ <.*>:", line):
            if body:
                text = "\n".join(body)
                name = "avx512" if "%zmm" in text else "avx2" if "%ymm" in text else "scalar"
                found[name] = len(re.findall(r"\bprefetch\w+", text))
            body = [] if WALK.match(line) else None
        elif body is not None:
            body.append(line)
    return found


if __name__ == "__main__":
    counts = count_prefetches(sys.argv[1])
    print(counts)
    sys.exit(0 if counts and min(counts.values()) >= int(sys.argv[2]) else 1)
