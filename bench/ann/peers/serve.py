"""The process of one peer: builds its index or opens the one that it built before, says what that took, and answers the
orders that `akidb bench ann --orders` answers.

usage: serve.py PEER BASE.npy METRIC INDEX THREADS

INDEX is where the index is kept; INDEX.json says that it is complete. An order is "QUERIES.npy PARAMETER RESULTS [MASK]";
RESULTS receives k uint32 row numbers a query. Time is that of all of the process's threads on the processor.
"""
import json
import os
import pathlib
import sys
import time

FOLDER = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(FOLDER))

import peers  # noqa: E402
import store  # noqa: E402

# A point lasts at least so long: the fastest need no more than some milliseconds for all queries.
POINT_SECONDS = 0.1


def open_index(peer, base, index, threads):
    record = index.with_name(index.name + ".json")
    if record.exists():
        peer.load(str(index), base)
        return json.loads(record.read_text())
    wall, cpu = time.monotonic(), time.process_time()
    peer.build(base, threads)
    built = {"build_s": round(time.monotonic() - wall, 2), "build_cpu_s": round(time.process_time() - cpu, 2), "build_threads": threads}
    peer.save(str(index))
    built["bytes_per_vector"] = round(peer.bytes(index) / len(base), 1)
    store.write_json(record, built)
    return built


def obey(np, peer, queries, parameter, allowed):
    searches, start = 0, time.process_time()
    while True:
        rows = peer.search(queries, parameter, allowed)
        searches += len(queries)
        cpu = time.process_time() - start
        if cpu >= POINT_SECONDS:
            return searches / cpu, rows


def main():
    key, base_path, metric, index, threads = sys.argv[1:]
    # Some packages print: what others read goes where they do not know of.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    import numpy as np
    base = np.load(base_path, mmap_mode="r")
    peer = peers.all_peers()[key](base.shape[1], metric)
    built = open_index(peer, base, pathlib.Path(index), int(threads))
    print(json.dumps({"n": len(base), "dim": base.shape[1], **built}), file=answers)
    arrays = {}
    for line in sys.stdin:
        path, parameter, results, *mask = line.split()
        for name in [path, *mask]:
            if name not in arrays:
                arrays[name] = np.load(name)
        allowed = arrays[mask[0]].astype(bool) if mask else None
        try:
            qps, rows = obey(np, peer, arrays[path], parameter, allowed)
        except RuntimeError as error:
            print(json.dumps({"error": str(error)}), file=answers)
            continue
        np.ascontiguousarray(rows).astype("<u4").tofile(results)
        print(json.dumps({"cpu_qps": round(qps, 2)}), file=answers)


if __name__ == "__main__":
    main()
