"""Sweeps of all systems in turn, round after round, that end where it is good or slow enough."""
import os
import time

from systems import Unavailable

# Beyond these a ladder ends: so good is enough, so slow is not waited for.
RECALL_ENOUGH = 0.9965
POINT_SECONDS_MAX = 6.0  # of processor time, for all queries once
SESSION = time.strftime("%Y-%m-%dT%H:%M:%S")


def measure_ladder(running, data, key, ladder, turn, mask):
    """Points that are known are not measured again, but count for where the ladder ends."""
    for parameter in ladder:
        known = running.results.find(queries=key, mask=mask, parameter=parameter, round=turn)
        if known is None:
            said, rows = running.measure(key, parameter, mask)
            known = {"queries": key, "mask": mask, "parameter": parameter, "round": turn, "qps": said["cpu_qps"],
                     "recall": round(data.recall(key, rows, mask), 5), "session": SESSION,
                     "load": os.getloadavg()[0], **{k: v for k, v in said.items() if k != "cpu_qps"}}
            running.results.add(known)
        if known["recall"] >= RECALL_ENOUGH or len(data.queries[key]) / known["qps"] > POINT_SECONDS_MAX:
            return


def measure(runnings, data, key, rounds, mask=None, keep=True):
    """All systems in turn, `rounds` times. One that cannot run is said so once and left out."""
    for turn in range(rounds):
        for running in runnings:
            if running.error is not None:
                continue
            try:
                for ladder in running.system.sweep:
                    measure_ladder(running, data, key, ladder, turn, mask)
            except Unavailable as why:
                running.error = str(why)
                print(f"skipped: {running.system.key} on {data.name}: {why}", flush=True)
            if not keep:
                running.stop()
        print(f"{time.strftime('%H:%M:%S')} {data.name} {key}{f' {mask}' if mask else ''}: round {turn + 1} of {rounds}", flush=True)
