"""Two nodes on one bucket under mixed load, one of them killed again and again: the clients of the other see nothing but what is
documented as worth repeating, and nothing is lost."""

import collections
import random
import threading
import time

import pytest
import requests
from test_minio import make_node, row, start_empty, until  # noqa: F401  (make_node is a fixture)

DIM = 4
WRITERS_EACH = 2  # of each node
IDS_EACH = 60     # of each writer
# Early, so that flushes, merges, trims and collections are under way whenever a node dies.
FLAGS = ["--set", "engine.trim_delay=2s", "--set", "engine.gc_grace=2s", "--set", "engine.gc_interval=2s", "--set", "engine.merge_fanout=3"]
REPEATABLE = (429, 503)
# Of a request to the node that lives: the longest wait that is documented for a writer that is gone, and room for a busy machine.
ANSWER_SECONDS_MAX = 30


class Node:
    """A server, and whether it was there all the time between two moments."""

    def __init__(self, server):
        self.server, self.url = server, server.url
        self.lives, self.deaths = True, 0

    def kill(self):
        self.lives = False
        self.deaths += 1
        self.server.kill()

    def start(self, empty):
        start_empty(self.server) if empty else self.server.start()
        self.url = self.server.url
        self.lives = True


class Client(threading.Thread):
    """Speaks to one node. `wrong` is what it should not have been told."""

    def __init__(self, node, over, seed):
        super().__init__()
        self.node, self.over, self.chance = node, over, random.Random(seed)
        self.session = requests.Session()
        self.session.trust_env = False
        self.told, self.wrong, self.slowest, self.longest_without = collections.Counter(), [], 0.0, 0.0

    def ask(self, path, body):
        """The answer; None where there was none, because the node died."""
        lived, deaths, began = self.node.lives, self.node.deaths, time.monotonic()
        try:
            answer = self.session.post(self.node.url + path, json=body, timeout=60)
        except requests.RequestException as error:
            if lived and self.node.lives and self.node.deaths == deaths:
                self.wrong.append(f"{path} of a node that lives: {error!r}")
            self.told["died"] += 1
            time.sleep(0.05)
            return None
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.told[answer.status_code] += 1
        if answer.status_code in REPEATABLE and answer.json()["retryable"]:
            self.told[answer.json()["code"]] += 1
            time.sleep(0.1)
        elif answer.status_code not in (200, 202):
            self.wrong.append(f"{path}: {answer.status_code} {answer.text[:500]}")
        return answer

    def run(self):
        last = time.monotonic()
        while not self.over.is_set() and not self.wrong:
            deaths = self.node.deaths
            if self.work():
                # Time in which the node itself was dead says nothing.
                if self.node.deaths == deaths and self.node.lives:
                    self.longest_without = max(self.longest_without, time.monotonic() - last)
                last = time.monotonic()
            elif self.node.deaths != deaths or not self.node.lives:
                last = time.monotonic()


class Writer(Client):
    """Upserts and deletes of ids of its own. `certain`: id -> version or None for deleted, as acknowledged last; `doubtful`: what was
    sent later, and may be there too."""

    def __init__(self, index, node, other, over):
        super().__init__(node, over, index)
        self.index, self.other, self.version = index, other, 0
        self.certain, self.doubtful = {}, {}

    def work(self):
        self.version += 1
        ids = [f"w{self.index}-{n}" for n in self.chance.sample(range(IDS_EACH), self.chance.choice([1, 5, 20]))]
        deleting = self.chance.random() < 0.2
        now = None if deleting else self.version
        if deleting:
            answer = self.ask("/collections/docs/vectors/delete", {"ids": ids})
        else:
            answer = self.ask("/collections/docs/vectors", {"vectors": [{**row(self.version % 50, self.version), "id": key} for key in ids]})
        if answer is not None and answer.status_code == 200:
            for key in ids:
                self.certain[key] = now
                self.doubtful.pop(key, None)
            if self.chance.random() < 0.2:
                self.read_back(ids, now, answer.json()["commit"])
            return True
        if answer is None or answer.json().get("effect") == "unknown":
            for key in ids:
                self.doubtful.setdefault(key, set()).add(now)
        return False

    def read_back(self, ids, version, commit):
        """On the other node, as soon as it was acknowledged on this one."""
        lived, deaths = self.other.lives, self.other.deaths
        try:
            answer = self.session.post(self.other.url + "/collections/docs/vectors/get", json={"ids": ids, "min_commit": commit}, timeout=60)
        except requests.RequestException as error:
            if lived and self.other.lives and self.other.deaths == deaths:
                self.wrong.append(f"get of a node that lives: {error!r}")
            return
        if answer.status_code in REPEATABLE:
            return
        found = {each["id"]: each["payload"]["v"] for each in answer.json().get("vectors", [])}
        if answer.status_code != 200 or found != ({} if version is None else dict.fromkeys(ids, version)):
            self.wrong.append(f"acknowledged {version} of {ids} with {commit}, read back {answer.status_code} {answer.text[:500]}")


class Reader(Client):
    def work(self):
        if self.chance.random() < 0.7:
            answer = self.ask("/collections/docs/search", {"vector": [self.chance.random() for _ in range(DIM)], "top_k": 10})
            found = answer is not None and answer.status_code == 200 and [each["id"] for each in answer.json()["results"]]
            if found and len(set(found)) != len(found):
                self.wrong.append(f"one id twice: {found}")
        else:
            answer = self.ask("/collections/docs/vectors/count", {})
        return answer is not None and answer.status_code == 200


class Keeper(Client):
    """What an operator's jobs do."""

    def work(self):
        time.sleep(0.5)
        name = self.chance.choice(["flush", "flush", "merge"])
        answer = self.ask(f"/collections/docs/{name}", {})
        return answer is not None and answer.status_code < 300


def everything(server):
    """Id -> version; repeated while the answer says so."""
    def once():
        nothing = server.request("POST", "/collections/docs/vectors/delete", {"ids": ["absent"]})
        return nothing.status_code == 200 and nothing.json()["commit"]
    commit = until(once, "a write")
    rows = {}
    for each in server.scroll("docs", min_commit=commit):
        assert each["id"] not in rows, f"{each['id']} twice"
        rows[each["id"]] = each["payload"]["v"]
    return rows


def assert_kept(rows, writers):
    problems = []
    for writer in writers:
        for key in (f"w{writer.index}-{n}" for n in range(IDS_EACH)):
            allowed = {writer.certain.get(key), *writer.doubtful.get(key, ())}
            if rows.get(key) not in allowed:
                problems.append(f"{key}: stored {rows.get(key)}, allowed {allowed}")
    assert problems == []


@pytest.fixture
def seconds(request):
    return 600 if request.config.getoption("--slow") else 12


def test_the_clients_of_one_node_do_not_suffer_when_the_other_is_killed(make_node, minio, bucket, seconds):  # noqa: F811
    nodes = [Node(make_node(minio, bucket, *FLAGS, name=name).start()) for name in ("first", "second")]
    nodes[0].server.create("docs", DIM)
    over = threading.Event()
    writers = [Writer(i, nodes[i % 2], nodes[1 - i % 2], over) for i in range(2 * WRITERS_EACH)]
    clients = writers + [Reader(nodes[i % 2], over, 100 + i) for i in range(2)] + [Keeper(nodes[i], over, 200 + i) for i in range(2)]
    for client in clients:
        client.start()
    chance = random.Random(7)
    begun = time.monotonic()
    try:
        while time.monotonic() < begun + seconds and not any(client.wrong for client in clients):
            time.sleep(chance.uniform(1, 6))
            victim = chance.choice(nodes)
            victim.kill()
            # Back before the other has noticed, or long after.
            time.sleep(chance.choice([0, chance.uniform(0, 2), chance.uniform(4, 8)]))
            victim.start(empty=chance.random() < 0.3)
    finally:
        over.set()
        for client in clients:
            client.join()
    told = sum((client.told for client in clients), collections.Counter())
    print(f"{sum(node.deaths for node in nodes)} kills in {time.monotonic() - begun:.0f} s; answers: {dict(told)}; slowest answer "
          f"{max(client.slowest for client in clients):.2f} s; longest time without a success on a node that lived: writes "
          f"{max(client.longest_without for client in writers):.2f} s, reads {max(c.longest_without for c in clients if isinstance(c, Reader)):.2f} s")
    for node in nodes:
        assert_kept(everything(node.server), writers)
    assert [wrong for client in clients for wrong in client.wrong] == []
    assert max(client.slowest for client in clients) < ANSWER_SECONDS_MAX
    assert all(client.told[200] + client.told[202] > 0 for client in clients)
    for node in nodes:
        node.server.kill()
    start_empty(nodes[0].server)
    assert_kept(everything(nodes[0].server), writers)
