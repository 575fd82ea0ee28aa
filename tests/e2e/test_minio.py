"""AkiDB on a real MinIO: the bucket is the database, and the node may be thrown away."""

import json
import os
import random
import re
import shutil
import subprocess
import threading
import time

import pytest
import requests
from akidb import ROOT, assert_problem
from fault_proxy import FaultProxy
from faults import FlippedByte, Late, LostAnswer, Reset, Rule, slow_down
from test_crash import FLAGS as CRASH_FLAGS
from test_crash import survive_kills
from test_documents import BLOCK, free_port

DIM = 4
# Small and early, so that flushes and merges reach the store while a test runs.
FLAGS = ["--set", "engine.seal_bytes=256KiB", "--set", "engine.seal_age=1s"]
SECONDS_MAX = 60


def row(n, version=0):
    return {"id": f"d{n}", "vector": [n + 1.0, 1.0, 0.0, 1.0], "payload": {"v": version}}


def try_upsert(server, rows):
    """The status of the answer, None without one."""
    try:
        return server.request("POST", "/collections/docs/vectors", {"vectors": rows}, timeout=120).status_code
    except requests.RequestException:
        return None


def stored(server):
    """Id -> version of everything there, each once."""
    rows = {}
    for each in server.scroll("docs"):
        assert each["id"] not in rows, f"{each['id']} twice"
        rows[each["id"]] = each["payload"]["v"]
    return rows


def until(condition, what, seconds=SECONDS_MAX):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return result


@pytest.fixture
def make_node(make_server):
    """make_node(minio, bucket, name=..., endpoint=...) -> a server on that bucket, with a data directory of its own."""
    def make(minio, bucket, *flags, name="data", endpoint=None):
        environment = minio.akidb_environment()
        if endpoint:
            environment["AKIDB_S3_ENDPOINT"] = endpoint
        return make_server("--store", f"s3://{bucket}/db", *FLAGS, *flags, name=name, environment=environment)
    return make


@pytest.fixture
def node(make_node, minio, bucket):
    return make_node(minio, bucket).start()


@pytest.fixture
def proxied(make_node, minio, bucket, proxy):
    """A server that reaches its store through the proxy."""
    return make_node(minio, bucket, endpoint=proxy.endpoint).start()


def start_empty(server):
    """What a new machine does."""
    shutil.rmtree(server.data_dir)
    return server.start()


def test_the_readme_on_minio_survives_the_loss_of_the_whole_data_directory(tmp_path):
    port, data = str(free_port()), tmp_path / "akidb-data"
    environment = {**os.environ, "AKIDB_SERVER": f"http://127.0.0.1:{port}", "NO_PROXY": "*", "no_proxy": "*"}

    def run(script):
        script = re.sub(r"\./scripts/dev-init\.sh", f"./scripts/dev-init.sh --minio --port {port} --data-dir {data}", script)
        script = script.replace("akidb-data/", f"{data}/").replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        result = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True,
                                timeout=900, stdin=subprocess.DEVNULL)
        assert result.returncode == 0, f"{script}\n{result.stdout}{result.stderr}"
        return result.stdout

    def everything():
        session = requests.Session()
        session.trust_env = False
        rows = {}
        for name in ("recipes", "notes"):
            answer = session.post(f"http://127.0.0.1:{port}/collections/{name}/vectors/scroll", json={"limit": 10000}, timeout=60)
            rows[name] = answer.json()["vectors"]
        return rows

    try:
        run("./scripts/dev-init.sh")
        for script, _ in BLOCK.findall((ROOT / "README.md").read_text()):
            run(script)
        before = everything()
        assert len(before["recipes"]) == 1000 and [r["id"] for r in before["notes"]] == ["a", "c"]
        run("./scripts/dev-init.sh --stop")
        shutil.rmtree(data)
        run("./scripts/dev-init.sh")
        assert everything() == before
    finally:
        subprocess.run([str(ROOT / "scripts" / "dev-init.sh"), "--stop", "--data-dir", str(data)], check=True, capture_output=True)


def test_a_killed_node_leaves_everything_in_the_bucket(node):
    """Acknowledged means stored there, without a flush and without a clean stop."""
    node.create("docs", DIM)
    node.upsert("docs", [row(n) for n in range(500)])
    node.ok("POST", "/collections/docs/vectors/delete", {"ids": ["d7"]})
    node.upsert("docs", [row(8, version=2)])
    expected = {**{f"d{n}": 0 for n in range(500)}, "d8": 2}
    del expected["d7"]
    node.kill()
    assert stored(start_empty(node)) == expected
    node.upsert("docs", [row(7)])
    assert node.stop() == 0
    assert stored(start_empty(node)) == {**expected, "d7": 0}


def test_many_who_wait_for_the_commit_share_it(make_server, minio, bucket):
    # Nothing gets old or large here: only who waits makes it publish.
    server = make_server("--store", f"s3://{bucket}/db", environment=minio.akidb_environment()).start()
    server.create("docs", DIM, ack="committed")
    each, threads_count = 20, 16
    positions = []

    def write(thread):
        session = requests.Session()
        session.trust_env = False
        for n in range(each):
            answer = session.post(server.url + "/collections/docs/vectors", json={"vectors": [row(thread * each + n)]}, timeout=60)
            assert answer.status_code == 200, answer.text
            positions.append(answer.json()["commit"])

    threads = [threading.Thread(target=write, args=(t,)) for t in range(threads_count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(positions) == each * threads_count
    described = server.ok("GET", "/collections/docs")
    assert described["growing_count"] == 0 and described["vector_count"] == each * threads_count
    versions = described["manifest_version"]
    assert versions < each * threads_count / 2, f"{versions} versions for {each * threads_count} writes of {threads_count} writers"
    server.kill()
    # The manifest has them all: the log is not needed.
    client = minio.client()
    for key in client.keys(bucket):
        if "/wal/" in key:
            client.delete(bucket, key)
    assert stored(start_empty(server)).keys() == {f"d{n}" for n in range(each * threads_count)}


def policy_of_the_manual(bucket):
    text = (ROOT / "docs" / "operating" / "minio.md").read_text()
    return json.loads(re.search(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1].replace("BUCKET", bucket).replace("PREFIX", "db"))


def test_the_policy_of_the_manual_is_enough(make_server, minio, bucket):
    keys = minio.client().assume_role(policy_of_the_manual(bucket))
    names = ("AKIDB_S3_ACCESS_KEY", "AKIDB_S3_SECRET_KEY", "AKIDB_S3__SESSION_TOKEN")
    server = make_server("--store", f"s3://{bucket}/db", *FLAGS, "--set", "engine.gc_grace=1s", "--set", "engine.retain_age=0s", "--set", "engine.gc_interval=1s",
                         "--set", "engine.trim_delay=1s", "--set", "s3.part_bytes=5MiB",
                         environment={**minio.akidb_environment(), **dict(zip(names, keys))}).start()
    server.create("docs", 384)
    vector = [1.0] * 384
    for batch in range(8):
        server.upsert("docs", [{"id": f"{batch}-{n}", "vector": [n + 1.0, *vector[1:]]} for n in range(1000)])
        server.ok("POST", "/collections/docs/flush", {})
    assert server.ok("POST", "/collections/docs/vectors/delete", {"ids": ["0-0"]})["deleted"] == 1
    # Merged into an object that goes up in parts; what it replaced is deleted.
    until(lambda: server.metric("akidb_collected_objects_total") > 0 or "collected" in server.log(), "the collection of what was merged")
    server.create("other", 2)
    server.ok("DELETE", "/collections/other")
    assert server.stop() == 0
    assert start_empty(server).count("docs") == 7999
    assert "PERMISSION_DENIED" not in server.log() and "AccessDenied" not in server.log(), server.log()[-2000:]


def test_nothing_but_keys_of_ours_lies_in_the_bucket_and_all_below_the_prefix(node, minio, bucket):
    node.create("docs", DIM)
    node.upsert("docs", [row(n) for n in range(100)])
    node.ok("POST", "/collections/docs/flush", {})
    keys = minio.client().keys(bucket)
    assert keys and all(key.startswith(("db/catalog/", "db/nodes/", "db/probe/", "db/t/default/c/")) for key in keys), keys
    # MinIO does not list what lies below an object.
    assert not any(other.startswith(key + "/") for key in keys for other in keys)


def test_a_store_that_is_away_is_said_so_and_nothing_is_lost(proxied, proxy):
    proxied.create("docs", DIM)
    proxied.upsert("docs", [row(n) for n in range(100)])
    search = {"vector": [1, 1, 0, 1], "top_k": 3}
    found = proxied.ok("POST", "/collections/docs/search", search)["results"]
    proxy.black_hole()
    answer = proxied.request("POST", "/collections/docs/vectors", {"vectors": [row(100)]}, timeout=120)
    assert answer.status_code in (503, 504)
    problem = assert_problem(answer, answer.status_code)
    assert problem["retryable"] and problem.get("effect") == "unknown"
    assert proxied.ok("POST", "/collections/docs/search", search)["results"] == found, "what was read before is served"
    proxy.heal()
    until(lambda: try_upsert(proxied, [row(101)]) == 200, "writes go on")
    proxied.kill()
    rows = stored(start_empty(proxied))
    assert rows.keys() - {"d100"} == {f"d{n}" for n in range(102)} - {"d100"}


@pytest.mark.parametrize("fault", [LostAnswer(), Reset(after_request_bytes=0), Reset(after_request_bytes=600), slow_down()],
                         ids=["lost answer", "reset before", "reset inside", "slow down"])
def test_every_third_put_that_fails_changes_nothing_but_time(proxied, proxy, fault):
    proxied.create("docs", DIM)
    proxy.add(*[Rule(fault, method="PUT", skip=skip) for skip in range(2, 90, 3)])
    expected = {}
    for version in range(18):
        rows = [row(n, version) for n in range(version, version + 10)]
        until(lambda: try_upsert(proxied, rows) == 200, "the write")
        expected.update({each["id"]: version for each in rows})
    assert sum(1 for e in proxy.exchanges if e.fault) >= 4
    assert stored(proxied) == expected
    proxy.clear()
    proxied.kill()
    assert stored(start_empty(proxied)) == expected


def test_a_late_write_of_a_dead_node_changes_nothing(proxied, proxy, make_node, minio, bucket):
    proxied.create("docs", DIM)
    proxied.upsert("docs", [row(n) for n in range(10)])
    late = proxy.add(Rule(Late(), method="PUT", target="/wal/"))
    answers = []
    sender = threading.Thread(target=lambda: answers.append(try_upsert(proxied, [row(0, version=1)])))
    sender.start()
    until(lambda: late.struck, "the write that will come late")
    proxied.kill()
    sender.join()
    successor = make_node(minio, bucket, name="successor").start()
    expected = {f"d{n}": 0 for n in range(10)}
    # Sending it again may have been quicker than the kill.
    assert stored(successor) in ([{**expected, "d0": 1}] if answers == [200] else [expected, {**expected, "d0": 1}])
    until(lambda: try_upsert(successor, [row(0, version=2)]) == 200, "the dead node is found to be dead")
    late.fault.release()
    successor.upsert("docs", [row(1, version=2)])
    expected.update({"d0": 2, "d1": 2})
    assert stored(successor) == expected
    successor.kill()
    assert stored(start_empty(successor)) == expected


def test_a_flipped_byte_is_never_served(proxied, proxy):
    proxied.create("docs", DIM)
    proxied.upsert("docs", [row(n) for n in range(1000)])
    proxied.ok("POST", "/collections/docs/flush", {})
    proxied.kill()
    proxy.add(Rule(FlippedByte(1000), method="GET", target=r"\.seg", count=1))
    start_empty(proxied)
    assert len(stored(proxied)) == 1000, "one bad answer is asked again"
    proxied.kill()
    proxy.clear()
    proxy.add(Rule(FlippedByte(1000), method="GET", target=r"\.seg", count=None))
    start_empty(proxied)
    answer = proxied.request("POST", "/collections/docs/vectors/scroll", {"limit": 1000})
    if answer.status_code == 200:
        assert len(answer.json()["vectors"]) == 1000, "the damaged bytes were not needed"
    else:
        assert_problem(answer, answer.status_code)


def write_until(server, stop, acknowledged, doubtful, seed):
    """Versions of a few ids of its own, until told to end; what got no clear answer is in doubt for the rest of the test."""
    chance = random.Random(seed)
    session = requests.Session()
    session.trust_env = False
    for version in range(1, 1000000):
        if stop.is_set():
            return
        vectors = [{**row(n, version), "id": f"w{seed}-{n}"} for n in chance.sample(range(50), 5)]
        try:
            answer = session.post(server.url + "/collections/docs/vectors", json={"vectors": vectors}, timeout=60)
            unclear = answer.status_code != 200 and answer.json().get("effect") == "unknown"
        except (requests.RequestException, ValueError):
            answer, unclear = None, True
        for each in vectors:
            if answer is not None and answer.status_code == 200:
                acknowledged[each["id"]] = version
                doubtful.pop(each["id"], None)
            elif unclear:
                doubtful.setdefault(each["id"], set()).add(version)


def assert_kept(rows, acknowledged, doubtful):
    for key in acknowledged.keys() | rows.keys():
        allowed = {acknowledged.get(key)} | doubtful.get(key, set())
        assert rows.get(key) in allowed, f"{key}: stored {rows.get(key)}, allowed {allowed}"


@pytest.fixture
def writers():
    """writers(server) -> what they were told; all of them end with the test or when its stop event is set."""
    stop, threads = threading.Event(), []

    def start(server):
        told = [({}, {}) for _ in range(4)]
        for seed, (acknowledged, doubtful) in enumerate(told):
            threads.append(threading.Thread(target=write_until, args=(server, stop, acknowledged, doubtful, seed)))
            threads[-1].start()
        return told

    def end():
        stop.set()
        for thread in threads:
            thread.join()

    start.end = end
    yield start
    end()


def acknowledged_count(told):
    return sum(len(acknowledged) for acknowledged, _ in told)


def settled(told):
    return {k: v for a, _ in told for k, v in a.items()}, {k: v for _, d in told for k, v in d.items()}


@pytest.mark.parametrize("start", [lambda server: server.start(), start_empty], ids=["with its disk", "on an empty disk"])
def test_a_node_killed_again_and_again_loses_nothing_that_was_acknowledged(make_server, minio, bucket, request, start):
    server = make_server("--store", f"s3://{bucket}/db", *CRASH_FLAGS, environment=minio.akidb_environment()).start()
    survive_kills(server, 100 if request.config.getoption("--slow") else 5, 300, start)


def test_answers_that_are_lost_lose_and_double_nothing(proxied, proxy, request):
    """Each row is an insert of its own, which is refused where the row is already."""
    wanted = 10000 if request.config.getoption("--slow") else 100
    lost = proxy.add(Rule(LostAnswer(), method="PUT", every=3, count=wanted))
    proxied.create("docs", DIM)
    acknowledged, refused = [], []

    def insert(writer):
        session = requests.Session()
        session.trust_env = False
        number = 0
        while lost.struck < wanted:
            number += 1
            key = f"{writer}-{number}"
            answer = session.post(proxied.url + "/collections/docs/vectors?mode=insert", json={"vectors": [{**row(number), "id": key}]}, timeout=120)
            (acknowledged if answer.status_code == 200 else refused).append((key, answer.text))

    threads = [threading.Thread(target=insert, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == [], "a lost answer is found out, and told to nobody"
    keys = {key for key, _ in acknowledged}
    assert stored(proxied).keys() == keys
    proxied.kill()
    assert stored(start_empty(proxied)).keys() == keys


def test_a_killed_minio_loses_nothing_that_was_acknowledged(own_minio, make_node, writers, request):
    minio = own_minio()
    node = make_node(minio, minio.bucket()).start()
    node.create("docs", DIM)
    told = writers(node)
    for _ in range(50 if request.config.getoption("--slow") else 3):
        versions = settled(told)[0]
        until(lambda: settled(told)[0] != versions and acknowledged_count(told) > 20, "writes")
        minio.kill()
        minio.start()
    versions = settled(told)[0]
    until(lambda: settled(told)[0] != versions, "writes after the last kill")
    writers.end()
    assert_kept(stored(node), *settled(told))
    node.kill()
    assert_kept(stored(start_empty(node)), *settled(told))


def test_a_node_that_starts_without_its_store_says_so_and_forgets_nothing(make_node, minio, bucket):
    with FaultProxy("127.0.0.1", minio.port) as proxy:
        node = make_node(minio, bucket, endpoint=proxy.endpoint).start()
        node.create("docs", DIM)
        node.upsert("docs", [row(n) for n in range(10)])
        node.kill()
        proxy.refuse()
        node.launch()
        assert node.process.wait(SECONDS_MAX) == 5
        assert re.search(rf"127\.0\.0\.1(:| port ){proxy.port}\b.*refused", node.log())
        node.kill()
        proxy.heal()
        assert len(stored(start_empty(node))) == 10
