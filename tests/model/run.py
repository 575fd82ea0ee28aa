#!/usr/bin/env python3
"""Checks the models of the commit protocol exhaustively, and that the checker sees: each mutation must be caught.

One line a run, then the count line of the suite; the exit code is non-zero on any surprise: a violation of the protocol
itself, a mutation that goes unnoticed or is noticed by another invariant than the one it breaks, a witness (a
situation that the search must have come by) that is not reached, a search that is not complete. Needs spin and a C
compiler (clang-19, else cc; or CC). `--only WORD` takes the runs whose name contains the word, `--trace` prints the
steps to each violation, `--large` adds the larger bounds that README.md reports (many minutes).
"""

import argparse
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MEMORY_MIB = 3000
TIMEOUT_S = 900

# Model, defines of the run, what must come out ("" for a complete search without violation, else how the violated
# assertion is called, or its beginning), what the run shows.
PROTOCOL = [
    ("chain", "", "", "every verdict is the truth"),
    ("commit", "", "", "nothing acknowledged is lost, nothing is applied twice or out of order"),
    ("commit", "NOT_LISTED FORGETS=0", "", "nor if a taker walks a stream without listing it first"),
    ("commit", "LEFT_OUT FORGETS=0", "", "nor if records are published that were never sent"),
    ("collect", "", "", "nothing that is named, pinned or retained is deleted"),
]
LARGE = [
    ("chain", "VERSIONS=6", "", ""),
    ("commit", "NOT_LISTED", "", ""),
    ("commit", "NOT_LISTED FORGETS=2", "", ""),
    ("commit", "LEFT_OUT", "", ""),
    ("commit", "NOT_LISTED EPOCHS=4 RECORDS=1", "", ""),
    ("collect", "VERSIONS=6 OBJECTS=5", "", ""),
    ("collect", "VERSIONS=7 OBJECTS=4", "", ""),
]
WITNESSES = [
    ("chain", "WITNESS_WON_AND_RETIRED", "not_reached", "a committer learns that it won when its version is a tombstone"),
    ("chain", "WITNESS_LOST_AND_RETIRED", "not_reached", "a committer learns that it lost when that version is a tombstone"),
    ("commit", "WITNESS_EVERY_EPOCH_PUBLISHED", "not_reached", "three epochs write, and all of it gets into segments"),
    ("commit", "WITNESS_FIRST_TAKER_NEVER_SERVED", "not_reached", "two takeovers in a row, the first dies before it writes"),
    ("commit", "WITNESS_FENCE_AT_A_TRIMMED_NAME", "not_reached", "a late fence stands where a record was trimmed"),
    ("commit", "WITNESS_ACKNOWLEDGED_AFTER_A_TAKEOVER", "not_reached", "an old writer wins a record after the takeover's commit"),
    ("commit", "WITNESS_ACKNOWLEDGED_AT_A_TRIMMED_NAME", "not_reached", "a writer sends again what its taker has published and trimmed"),
    ("commit", "WITNESS_LEFT_OUT_AND_GONE_ON LEFT_OUT FORGETS=0", "not_reached", "a record is published and never sent, and the log goes on above it"),
    ("collect", "WITNESS_CLONE_OUTLIVES_ITS_SOURCE", "not_reached", "a pin keeps objects of a dropped collection"),
    ("collect", "WITNESS_UPLOAD_DOOMED_UNDER_A_STALLED_COMMITTER", "not_reached", "the boundary passes an upload that waits for its commit"),
    ("collect", "WITNESS_REVERT_TO_A_VERSION_BELOW_THE_BOUNDARY", "not_reached", "a pinned version is reverted to"),
    ("collect", "WITNESS_PINNED_VERSION_AMONG_TOMBSTONES", "not_reached", "all around a pinned version is retired"),
]
MUTATIONS = [
    ("chain", "STORE_IGNORES_CONDITION", "I6_one_winner", "a store that overwrites"),
    ("chain", "TAKEN_MEANS_LOST", "I6_verdict", "412 is taken for a loss unread; it was the own request that landed"),
    ("chain", "TIMEOUT_MEANS_REFUSED", "I6_verdict", "no answer is taken for no effect"),
    ("chain", "ABSENCE_MEANS_REFUSED", "I6_refused", "a 404 is taken for no effect"),
    ("chain", "REFUSAL_BELIEVED_AFTER_A_TIMEOUT", "I6_refused", "the second request is refused, the first one lands later"),
    ("chain", "OTHER_BYTES_RESENT", "I6_verdict", "other bytes are sent for the same version"),
    ("chain", "TOMBSTONE_MEANS_LOST", "I6_verdict", "the tombstone does not say whose version it replaced"),
    ("chain", "RETIRED_VERSION_ADOPTED", "I8_adopted", "who won long ago goes on from that version"),
    ("commit", "STORE_IGNORES_CONDITION", "I1_acknowledged_record", "a store that overwrites log objects"),
    ("commit", "STORE_IGNORES_CONDITION_FOR_MANIFESTS", "I6_one_winner", "a store that overwrites manifests"),
    ("commit", "FENCE_SKIPPED", "I1_acknowledged_record", "a taker replays, but creates no fence"),
    ("commit", "UNUSED_STREAM_NOT_FENCED", "I1_acknowledged_record", "the stream of a taker that never wrote gets no fence"),
    ("commit", "FENCE_TRIMMED", "I1_acknowledged_record", "trimming deletes fences of closed streams"),
    ("commit", "FENCE_WALKED_PAST", "I1_acknowledged_record", "a fence does not end the walk; the sweep keeps the highest object"),
    ("commit", "TIMEOUT_IS_ABSENCE", "I1_acknowledged_record", "a taker goes on when its fence got no answer"),
    ("commit", "TAKEN_MEANS_FENCED", "I1_acknowledged_record", "412 is taken for the own fence unread; it was a record"),
    ("commit", "TAKEN_MEANS_LOST", "I2_refused", "412 is taken for a loss unread; it was the own record"),
    ("commit", "OTHER_BYTES_RESENT", "I1_acknowledged_bytes", "a group grows between two tries"),
    ("commit", "ACKNOWLEDGED_BEFORE_LOWER", "I1_acknowledged_record", "a group is acknowledged before the one below it"),
    ("commit", "FLUSHED_BEFORE_REPLAY_ENDED", "I1_acknowledged_record", "an epoch leaves the list before its last record is published"),
    ("commit", "WATERMARKS_OF_THE_VERSION_OPENED", "I2_record_is_applied_once", "replay starts from older watermarks than the takeover's"),
    ("commit", "NEWER_STREAM_SWEPT", "I1_acknowledged_record", "a sweep takes an epoch that it does not know for a closed one"),
    ("commit", "STREAMS_FENCED_NEWEST_FIRST", "I2_older", "older epochs are replayed after newer ones"),
    ("commit", "ACKNOWLEDGED_BEFORE_ITS_COMMIT LEFT_OUT FORGETS=0", "I1_acknowledged_record", "a record that is in no log is acknowledged when its manifest is sent"),
    ("commit", "LEFT_OUT_BEFORE_ITS_COMMIT LEFT_OUT FORGETS=0", "I1_acknowledged_record", "a record is left out of the log when its manifest is sent, not when it won"),
    ("commit", "OLD_EPOCH_FLUSHES", "I6_old_epoch", "a flush does not look at the epoch of the head"),
    ("collect", "DELETED_BEFORE_THE_COMMIT", "I8_", "the collector deletes before it commits the boundary"),
    ("collect", "PINS_READ_BEFORE_THE_COMMIT", "I8_", "what is garbage is not asked again of the version committed"),
    ("collect", "OLDER_THAN_THE_BOUNDARY_NAMED", "I8_", "a commit names an object older than the boundary"),
    ("collect", "DOOMED_VERSION_PINNED", "I8_", "a version below the boundary is pinned or reverted to"),
    ("collect", "RETAINED_VERSIONS_NOT_COUNTED", "I8_", "the collector counts only head and pins as naming objects"),
    ("collect", "PURGE_IGNORES_PINS", "I8_", "dropping deletes what clones name"),
    ("collect", "DROPPED_ONLY_IN_THE_CATALOG", "I8_", "dropping is no commit of the collection's own chain"),
    ("collect", "MANIFEST_NAME_FREED", "I7_", "old manifests are deleted instead of replaced by tombstones"),
    ("collect", "INPUTS_NOT_CHECKED", "I1_I2_", "a merge commits although an input is no longer named"),
]
# A row of the table in README.md: names that must be found in the file.
ROW = re.compile(r"^\| .* \| `(src/[\w/.]+)` ((?:`[\w:]+`[, ]*)+)\|$", re.MULTILINE)


def correspondence():
    """(as expected, what to say): every name in README.md's table is in the file beside it."""
    rows = ROW.findall((HERE / "README.md").read_text())
    missing = []
    for path, names in rows:
        source = HERE.parent.parent / path
        text = source.read_text() if source.exists() else ""
        missing += [f"{path} has no {name}" for name in re.findall(r"`([\w:]+)`", names) if name not in text]
    return bool(rows) and not missing, "; ".join(missing) or f"{len(rows)} rows"


def compiler():
    return os.environ.get("CC") or shutil.which("clang-19") or shutil.which("cc") or "clang-19"


def spin():
    """It preprocesses with gcc unless told otherwise."""
    return ["spin", f"-P{compiler()} -E -x c"]


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def search(folder, model, defines, is_long):
    """What pan printed, or the step that failed and its output."""
    flags = [f"-D{define}" for define in defines.split()]
    # -O0 compiles in half the time, which is all that matters where a violation is near.
    optimise = "-O2" if is_long else "-O0"
    steps = [
        [*spin(), "-a", *flags, HERE / f"{model}.pml"],
        [compiler(), "-w", optimise, "-DSAFETY", "-DNOFAIR", f"-DMEMLIM={MEMORY_MIB}", "-o", "pan", "pan.c"],
        ["./pan", "-n", "-m100000", f"-w{24 if is_long else 18}"],
    ]
    output = ""
    for step in steps:
        done = subprocess.run([str(part) for part in step], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S)
        output = done.stdout + done.stderr
        if done.returncode != 0 or (step is steps[0] and "rror" in output):
            return f"{step[0]} failed\n{output}"
    return output


def verdict(output, expected):
    """(as expected, what to say)"""
    states = re.search(r"(\d+) states, stored", output)
    if not states:
        return False, output.strip() or "no output"
    depth = re.search(r"depth reached (\d+)", output)[1]
    memory = re.search(r"([\d.]+)\s+total actual memory usage", output)
    size = f"{int(states[1]):,} states, depth {depth}" + (f", {float(memory[1]):.0f} MB" if memory else "")
    violated = re.search(r"assertion violated (.*) \(at depth (\d+)\)", output)
    if violated:
        name = violated[1].strip()
        said = "reached" if name == "not_reached" else f"violates {name}"
        return bool(expected) and name.startswith(expected), f"{said} after {violated[2]} steps"
    complete = "errors: 0" in output and not re.search(r"Search not completed|max search depth too small|out of memory", output)
    return complete and not expected, f"no violation: {size}" if complete else f"the search is not complete: {size}"


def trace(folder, model, defines):
    flags = [f"-D{define}" for define in defines.split()]
    done = subprocess.run([*spin(), "-t", "-p", "-g", "-l", *flags, "-k", f"{model}.pml.trail", str(HERE / f"{model}.pml")],
                          cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S)
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="WORD", default="")
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--large", action="store_true")
    options = parser.parse_args()
    passed = failed = 0
    begin = cpu_seconds()
    if options.only in "README.md":
        good, said = correspondence()
        print(f"{'ok  ' if good else 'FAIL'} README.md names functions that exist: {said}", flush=True)
        passed += good
        failed += not good
    for model, defines, expected, shows in PROTOCOL + (LARGE if options.large else []) + WITNESSES + MUTATIONS:
        name = f"{model} {defines}".strip()
        if options.only not in name:
            continue
        start = cpu_seconds()
        with tempfile.TemporaryDirectory(prefix="akidb-model-") as folder:
            try:
                output = search(folder, model, defines, not expected)
                good, said = verdict(output, expected)
                steps = trace(pathlib.Path(folder), model, defines) if options.trace and "wrote" in output else ""
            except (OSError, subprocess.TimeoutExpired) as error:
                good, said, steps = False, f"could not run: {error}", ""
        shown = f" ({shows})" if shows else ""
        print(f"{'ok  ' if good else 'FAIL'} {name}{shown}: {said}, {cpu_seconds() - start:.1f} s of CPU", flush=True)
        if steps:
            print(steps)
        passed += good
        failed += not good
    print(f"{cpu_seconds() - begin:.0f} s of CPU")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
