#!/usr/bin/env python3
"""Runs the parts of the suite, one line each when it has ended, and ends with how long each took and a line that counts everything.

What is shipped is built first, once, and serves the unit tests, the simulation and the end-to-end tests. Those wait more than they
compute, so they run beside all other parts, a few files at a time, and before them in the queue for the processor.

Counted are: checks of tools/check, cases of unit tests and of the end-to-end tests, simulation modes, fuzz targets. A test
program that crashes or times out counts as failed, and so does a part that cannot run. Called by scripts/test.sh, which
installs and configures.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

import minio  # noqa: E402

BUILD = ROOT / "build"
LOGS = BUILD / "test-logs"
JOBS = os.cpu_count() or 2
# Builds use all cores each, and those that tests leave over.
BUILDER = concurrent.futures.ThreadPoolExecutor(1)
BUILD_NICENESS = 19
BEHIND = 15  # of what computes without a pause, so that tests that wait for answers get them in time
BEGUN = {}  # (preset, targets...) -> what becomes of its build
COSTS = {}  # log -> seconds of processor time of what wrote it

# Test programs that run threads against each other, and which of their cases ThreadSanitizer sees: all but long ones of one thread, which
# AddressSanitizer sees, such as the crash tests of the log.
CONCURRENT = {
    "akidb_base_test": "*", "akidb_objstore_test": "*", "akidb_objstore_localfs_test": "*", "akidb_objstore_s3_test": "*",
    "akidb_objstore_probe_test": "*", "akidb_cache_test": "*", "akidb_service_core_test": "*",
    "akidb_engine_test": "-HistoryTest.*:RetentionTest.*",
    "akidb_service_rest_test": "*",
    "akidb_ann_test": "*Thread*",
    "akidb_manifest_test": "CatalogTest.*",
    "akidb_segment_test": "PayloadBlockCacheTest.*:ColumnCacheTest.*",
    "akidb_wal_test": "-WalCrashTest.*:WalRecoveryTest.*",
}
# Files of end-to-end tests at a time, and those that take longest, which begin first.
E2E_FILES = 3
E2E_FIRST = ["test_real_data", "test_minio", "test_minio_outage", "test_openapi", "test_nodes"]
LOG_LINES_SHOWN = 40
SANITIZER_ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
    "ASAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-19",
}


@dataclasses.dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list = dataclasses.field(default_factory=list)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures

    def fail(self, name):
        self.failed += 1
        self.failures.append(name)


def failure(name):
    count = Count()
    count.fail(name)
    return count


def guarded(name, function, *arguments):
    """What the function counts; that it could not run is a failure."""
    try:
        return function(*arguments)
    except (OSError, subprocess.SubprocessError, ValueError, RuntimeError) as error:
        return failure(f"{name} could not run: {error}")


def run(arguments, log, timeout=None, niceness=0, **extra_environment):
    """Exit code (None after a time-out); output goes to the log, the processor time of it and its children to COSTS."""
    with open(LOGS / log, "wb") as output:
        process = subprocess.Popen(["nice", "-n", str(niceness), *(str(a) for a in arguments)], cwd=ROOT, stdout=output,
                                   stderr=subprocess.STDOUT, env={**os.environ, **extra_environment})
        limit = threading.Timer(timeout or threading.TIMEOUT_MAX, process.kill)
        limit.daemon = True  # Ctrl-C does not wait for it
        limit.start()
        _, status, usage = os.wait4(process.pid, 0)
        in_time = limit.is_alive() or status == 0
        limit.cancel()
        COSTS[log.removesuffix(".log")] = COSTS.get(log.removesuffix(".log"), 0) + usage.ru_utime + usage.ru_stime
        process.returncode = os.waitstatus_to_exitcode(status)
        if not in_time:
            output.write(f"\ntimed out after {timeout} s\n".encode())
            return None
        return process.returncode


def begin_builds(parts):
    """One after another, in the order of the parts, while tests of what is built already run."""
    for name in parts:
        for preset, *targets in BUILDS.get(name, lambda: [])():
            key = (preset, *targets)
            if key not in BEGUN:
                BEGUN[key] = BUILDER.submit(guarded, f"build of preset {preset}", run_build, preset, targets)


def run_build(preset, targets):
    """None, or the failure to report. Without targets: everything."""
    if run(["ninja", "-C", BUILD / preset, "-k", "0", *targets], f"build-{preset}.log", niceness=BUILD_NICENESS) != 0:
        return failure(f"build of preset {preset} (build/test-logs/build-{preset}.log)")
    return None


def build(name):
    """None when all that the part needs is built, or the failure to report."""
    return next(filter(None, (BEGUN[tuple(key)].result() for key in BUILDS[name]())), None)


def targets_of(preset, pattern):
    listed = subprocess.run(["ninja", "-C", str(BUILD / preset), "-t", "targets", "all"], capture_output=True, text=True, check=True)
    names = (line.split(":")[0] for line in listed.stdout.splitlines() if "EXECUTABLE_LINKER" in line)
    return sorted(os.path.basename(name) for name in names if re.fullmatch(pattern, os.path.basename(name)))


def ctest_tests(preset, label):
    """Name, command, time-out and environment of each test with the label."""
    listed = subprocess.run(["ctest", "--test-dir", str(BUILD / preset), "-L", f"^{label}$", "--show-only=json-v1"],
                            capture_output=True, text=True, check=True)
    for test in json.loads(listed.stdout)["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        environment = dict(each.split("=", 1) for each in properties.get("ENVIRONMENT", []))
        yield test["name"], test.get("command"), properties.get("TIMEOUT", 300), environment


def count_cases(xml_path):
    """Cases of a googletest or pytest report."""
    count = Count()
    for case in ElementTree.parse(xml_path).getroot().iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name', '')}"
        if case.find("failure") is not None or case.find("error") is not None:
            count.fail(name)
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            count.skipped += 1
        else:
            count.passed += 1
    return count


def run_test(preset, name, command, timeout, environment):
    if not command or not os.path.exists(command[0]):
        return failure(f"{name} was not built")
    log = f"{preset}-{name}.log"
    report = LOGS / f"{preset}-{name}.xml"
    report.unlink(missing_ok=True)
    is_cases = os.path.basename(command[0]).endswith("_test")
    code = run(command, log, timeout, niceness=0 if is_cases else BEHIND, GTEST_OUTPUT=f"xml:{report}", **environment)
    where = f"{name} (build/test-logs/{log})"
    if not is_cases:
        return Count(passed=1) if code == 0 else failure(where)
    return judge(where, code, report)


def judge(where, code, report, may_skip_all=False):
    """Cases of a test program that has ended."""
    # Without a report the program died: how many cases it would have had is not known, so it is one failure.
    try:
        count = count_cases(report)
    except (OSError, ElementTree.ParseError):
        return failure(f"{where}: " + ("timed out" if code is None else f"ended with {code} before its report"))
    count.failures = [f"{case} in {where}" for case in count.failures]
    if code != 0 and count.failed == 0:
        count.fail(f"{where}: ended with {code}")
    if count.passed + count.failed == 0 and not (may_skip_all and count.skipped):
        count.fail(f"{where}: no case ran")
    return count


def run_label(preset, label, jobs=JOBS, environment=None, only=None):
    """The tests with the label; `only`: test program -> its filter."""
    count = Count()
    tests = [t for t in ctest_tests(preset, label) if only is None or (t[1] and os.path.basename(t[1][0]) in only)]
    if not tests:
        return failure(f"no test has label {label} in preset {preset}")
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        def run_one(test):
            cases = {"GTEST_FILTER": only[os.path.basename(test[1][0])]} if only else {}
            name, command, timeout, own = test
            return run_test(preset, name, command, timeout, {**own, **(environment or {}), **cases})
        for result in pool.map(run_one, tests):
            count.add(result)
    return count


def part_check(options):
    code = run(["tools/check"], "check.log", 1500, niceness=BEHIND)
    text = (LOGS / "check.log").read_text()
    last = re.search(r"^(\d+) passed, (\d+) failed$", text, re.MULTILINE)
    if not last:
        return failure(f"tools/check ended with {code} (build/test-logs/check.log)")
    return Count(passed=int(last[1]), failed=int(last[2]),
                 failures=[f"check {name} (build/test-logs/check.log)" for name in re.findall(r"^FAIL (\w+)", text, re.MULTILINE)])


def part_unit(options):
    return build("unit") or run_label("release", "unit")


def part_compat(options):
    return build("compat") or run_label("release", "compat")


def part_model(options):
    # Bounded by states, not by time; the limit only stops what hangs.
    code = run([sys.executable, "tests/model/run.py"], "model.log", 1800, niceness=BEHIND)
    last = re.search(r"^(\d+) passed, (\d+) failed$", (LOGS / "model.log").read_text(), re.MULTILINE)
    if not last:
        return failure(f"tests/model/run.py ended with {code} (build/test-logs/model.log)")
    return Count(passed=int(last[1]), failed=int(last[2]),
                 failures=["models of the protocol (build/test-logs/model.log)"] if int(last[2]) else [])


def part_sim(options):
    broken = build("sim")
    if broken:
        return broken
    count = run_label("release", "sim")
    if options.slow and any(ctest_tests("release", "slow")):
        count.add(run_label("release", "slow"))
    return count


def part_asan(options):
    return build("asan") or run_label("asan", "unit", environment=SANITIZER_ENVIRONMENT)


def part_tsan(options):
    return build("tsan") or run_label("tsan", "unit", environment=SANITIZER_ENVIRONMENT, only=CONCURRENT)


def part_fuzz(options):
    seconds = 60 if options.slow else 2 if options.quick else 4
    return build("fuzz") or run_label("asan", "fuzz", environment={**SANITIZER_ENVIRONMENT, "AKIDB_FUZZ_SECONDS": str(seconds)})


class MinioServer:
    """The server of the end-to-end tests. Building it takes minutes the first time, so that begins with the suite and goes on
    beside the parts that do not need it."""

    log = "minio-build.log"

    def begin(self):
        with open(LOGS / self.log, "wb") as log:
            self.process = subprocess.Popen(["nice", str(minio.SCRIPT), "path"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait(self):
        """None when it is there, or the failure to report: these tests are not skipped."""
        if self.process.wait() == 0:
            return None
        reason = (LOGS / self.log).read_text(errors="replace").strip().splitlines()[-1:]
        return failure(f"no MinIO for the end-to-end tests: {''.join(reason)}")


MINIO = MinioServer()


def run_live_test():
    """Cases of the C++ test that talks to a MinIO of its own."""
    target = "akidb_objstore_s3_live_test"
    program = BUILD / "release" / "src" / "objstore" / "s3" / "live" / target
    with tempfile.TemporaryDirectory() as work, minio.running(pathlib.Path(work) / "minio", kms=True) as server:
        access_key, secret_key = server.credentials
        return run_test("release", target, [program], 600, {
            "AKIDB_TEST_S3_ENDPOINT": server.endpoint, "AKIDB_TEST_S3_ACCESS_KEY": access_key, "AKIDB_TEST_S3_SECRET_KEY": secret_key,
            "AKIDB_TEST_S3_KMS_KEY": minio.KMS_KEY})


def run_e2e_file(path, options):
    log, report = f"e2e-{path.stem}.log", LOGS / f"e2e-{path.stem}.xml"
    report.unlink(missing_ok=True)
    arguments = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", path.relative_to(ROOT), f"--junit-xml={report}"]
    code = run([*arguments, *(["--slow"] if options.slow else [])], log, 3600 if options.slow else 1800, PYTHONDONTWRITEBYTECODE="1")
    # Real data is not part of the repository.
    return judge(f"{path.stem} (build/test-logs/{log})", code, report, may_skip_all=True)


def part_e2e(options):
    count = build("e2e") or MINIO.wait() or Count()
    if count.failed:
        return count
    files = sorted((ROOT / "tests" / "e2e").glob("test_*.py"), key=lambda file: (file.stem not in E2E_FIRST, file.stem))
    with concurrent.futures.ThreadPoolExecutor(E2E_FILES) as pool:
        running = [pool.submit(run_e2e_file, file, options) for file in files]
        running.append(pool.submit(guarded, "live store test", run_live_test))
        for each in running:
            count.add(each.result())
    return count


# In the order they run: what fails fastest first.
PARTS = {
    "check": (part_check, "tools/check: format, layers, headers, clang-tidy, paths in documents"),
    "unit": (part_unit, "tests beside the code"),
    "compat": (part_compat, "golden bytes of every released format version"),
    "model": (part_model, "models of the commit protocol, searched exhaustively, and what they must catch"),
    "sim": (part_sim, "seeded simulation over virtual disk, clock and bucket"),
    "e2e": (part_e2e, "the akidb binary from outside, and a real MinIO: README, API, bad input, crashes, real data"),
    "asan": (part_asan, "unit tests under AddressSanitizer and UndefinedBehaviorSanitizer"),
    "tsan": (part_tsan, "tests of the concurrent parts under ThreadSanitizer"),
    "fuzz": (part_fuzz, "every fuzz target for a few seconds"),
}
# Presets and targets that a part needs; no target: all.
BUILDS = {
    **dict.fromkeys(["unit", "compat", "sim", "e2e"], lambda: [["release"]]),
    "asan": lambda: [["asan", *(f"akidb_{name.removeprefix('unit.')}_test" for name, *_ in ctest_tests("asan", "unit"))]],
    "tsan": lambda: [["tsan", *CONCURRENT]],
    "fuzz": lambda: [["asan", *targets_of("asan", ".*_fuzz")]],
}
QUICK = ["check", "unit", "compat", "e2e"]


REPORTING = threading.Lock()


def report(name, count, seconds):
    """The line of a part, and for what failed the end of each log."""
    skipped = f", {count.skipped} skipped" if count.skipped else ""
    print(f"{name:8}{count.passed} passed, {count.failed} failed{skipped} in {seconds:.0f} s", flush=True)
    for each in count.failures:
        print(f"  failed: {each}", flush=True)
    for log in sorted({log for each in count.failures for log in re.findall(r"\((build/test-logs/\S+)\)", each)}):
        lines = (ROOT / log).read_text(errors="replace").splitlines() if (ROOT / log).exists() else []
        print("\n".join([f"  the end of {log}:", *(f"    {line}" for line in lines[-LOG_LINES_SHOWN:])]), flush=True)


def main():
    parser = argparse.ArgumentParser(prog="scripts/test.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="parts:\n" + "\n".join(f"  {name:8}{what}" for name, (_, what) in PARTS.items()))
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    parser.add_argument("--slow", action="store_true", help="more crashes, longer fuzzing, slow simulations")
    parser.add_argument("--part", action="append", choices=list(PARTS), metavar="NAME", help="only this part; may be repeated")
    options = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    parts = options.part or (QUICK if options.quick else list(PARTS))
    begin = time.monotonic()
    total, times = Count(), {}

    def run_part(name):
        start = time.monotonic()
        count = guarded(name, PARTS[name][0], options)
        with REPORTING:
            times[name] = time.monotonic() - start
            report(name, count, times[name])
            total.add(count)

    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        begin_builds(parts)
        if "e2e" in parts:
            MINIO.begin()
            waiting = beside.submit(run_part, "e2e")
        for name in parts:
            if name != "e2e":
                run_part(name)
        if "e2e" in parts:
            waiting.result()
    print("seconds: " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in times.items()) + f"; together {time.monotonic() - begin:.0f}")
    costs = sorted(COSTS.items(), key=lambda cost: -cost[1])
    (LOGS / "processor-seconds.txt").write_text("".join(f"{seconds:8.1f} {name}\n" for name, seconds in costs))
    print(f"processor seconds: {sum(COSTS.values()):.0f} of {JOBS} times as many (build/test-logs/processor-seconds.txt)")
    print(f"{total.passed} passed, {total.failed} failed" + (f", {total.skipped} skipped" if total.skipped else ""))
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
