"""Where measured points are kept, so that a run that was stopped goes on, and one with a new build of ours measures only
that: one file for each (set, system), one JSON line for each point."""
import json
import os

KEY = ("queries", "mask", "parameter", "round")


class Results:
    """`identity` is what a point depends on besides its key: version, build parameters, hash of a binary. Points of
    another identity stay in the file and are not seen."""

    def __init__(self, path, identity, fresh=False):
        self.path, self.identity, self.points = path, identity, {}
        if fresh or not path.exists():
            return
        for line in path.read_text().splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue  # a run that was killed while it wrote
            if record.pop("identity", None) == identity:
                self.points[self.key(record)] = record

    @staticmethod
    def key(record):
        return tuple(str(record.get(name)) for name in KEY)

    def find(self, **key):
        return self.points.get(self.key(key))

    def add(self, record):
        self.points[self.key(record)] = record
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a") as out:
            out.write(json.dumps({**record, "identity": self.identity}) + "\n")

    def of(self, queries, mask=None):
        return [r for r in self.points.values() if r["queries"] == queries and r.get("mask") == mask]


def write_json(path, value):
    """As a whole or not at all: others take the file for a sign that what it describes is complete."""
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(value) + "\n")
    os.replace(partial, path)
