"""What somebody else did to the bucket, the disk or the clock: a clear error that names it, and nothing else changed."""

import pathlib
import shutil
import subprocess

import pytest
import xxhash
from akidb import ROOT, assert_problem
from test_minio import DIM, make_node, row, start_empty, stored  # noqa: F401  (make_node is a fixture)

SEARCH = {"vector": [1, 1, 0, 1], "top_k": 3}
WAITING = {"timeout": 120}


def segments(minio, bucket):
    return [key for key in minio.client().keys(bucket, "db/t/default/c/") if key.endswith(".seg")]


def manifests(minio, bucket, collection):
    return [key for key in minio.client().keys(bucket, f"db/t/default/c/{collection}/manifest/")]


@pytest.fixture
def two(make_node, minio, bucket):  # noqa: F811
    """A server with two collections, "docs" (number 1) and "other", that has stopped."""
    return made_two(make_node, minio, bucket)


@pytest.fixture
def plain_bucket(minio):
    """One that keeps no versions: what is deleted or overwritten is gone."""
    return minio.bucket(versioning=False)


def made_two(make_node, minio, bucket):  # noqa: F811
    node = make_node(minio, bucket).start()
    for name in ("docs", "other"):
        node.create(name, DIM)
        node.upsert(name, [row(n) for n in range(50)])
        node.ok("POST", f"/collections/{name}/flush", {})
    assert node.stop() == 0
    return node


def assert_refuses(node, minio, bucket, named, *codes):
    """"docs" is refused with an error that names `named`, "other" is served, and the bucket keeps what it has."""
    before = minio.client().keys(bucket)
    start_empty(node)
    answers = [node.request("POST", "/collections/docs/search", SEARCH, **WAITING),
               node.request("POST", "/collections/docs/vectors", {"vectors": [row(100)]}, **WAITING),
               node.request("POST", "/collections/docs/vectors/scroll", {"limit": 100}, **WAITING)]
    for answer in answers:
        problem = assert_problem(answer, answer.status_code)
        assert answer.status_code in codes and named in problem["detail"], problem
    assert len(node.ok("POST", "/collections/other/search", SEARCH)["results"]) == 3
    assert node.count("other") == 50
    assert [c["name"] for c in node.ok("GET", "/collections")["collections"]] == ["docs", "other"]
    node.kill()
    assert set(before) <= set(minio.client().keys(bucket)), "something was deleted"


def test_a_segment_deleted_behind_our_back_is_named(make_node, minio, plain_bucket):  # noqa: F811
    node, client = made_two(make_node, minio, plain_bucket), minio.client()
    key = next(key for key in segments(minio, plain_bucket) if "/c/1/" in key)
    body = client.get(plain_bucket, key).body
    client.delete(plain_bucket, key)
    assert_refuses(node, minio, plain_bucket, key.removeprefix("db/"), 503)
    client.put(plain_bucket, key, body)
    assert {f"d{n}" for n in range(50)} <= stored(start_empty(node)).keys(), "all is well when it is back"


def test_a_segment_with_other_bytes_is_named(make_node, minio, plain_bucket):  # noqa: F811
    node, client = made_two(make_node, minio, plain_bucket), minio.client()
    key = next(key for key in segments(minio, plain_bucket) if "/c/1/" in key)
    body = client.get(plain_bucket, key).body
    for at in (len(body) // 2, len(body) - 10):
        client.put(plain_bucket, key, body[:at] + bytes([body[at] ^ 1]) + body[at + 1:])
        start_empty(node)
        answer = node.request("POST", "/collections/docs/vectors/scroll", {"limit": 100, "with_vector": True}, **WAITING)
        problem = assert_problem(answer, 500, "data_loss")
        assert key.removeprefix("db/") in problem["detail"], problem
        assert node.count("other") == 50
        node.kill()
    client.put(plain_bucket, key, body)
    assert len(stored(start_empty(node))) == 50


def test_versions_outlive_a_delete_and_an_overwrite_behind_our_back(two, minio, bucket):
    """A manifest names the version of a segment, and that is what is read."""
    first, second = segments(minio, bucket)
    minio.client().delete(bucket, first)
    minio.client().put(bucket, second, b"not a segment")
    start_empty(two)
    assert len(stored(two)) == 50 and two.count("other") == 50
    assert len(two.ok("POST", "/collections/other/search", SEARCH)["results"]) == 3


def test_a_manifest_that_is_no_whole_one_is_named(two, minio, bucket):
    client = minio.client()
    key = manifests(minio, bucket, 1)[-1]
    body = client.get(bucket, key).body
    client.put(bucket, key, body.replace(b'"created_at":"2', b'"created_at":"3'))
    assert_refuses(two, minio, bucket, key.removeprefix("db/"), 500)
    client.put(bucket, key, body)
    assert len(stored(start_empty(two))) == 50


def sealed_again(manifest):
    """As somebody would leave it who knows the format: only the chain of hashes shows that it was edited."""
    covered = manifest[:manifest.rindex(b',"xxh3"')].replace(b'"created_at":"2', b'"created_at":"1')
    return covered + b',"xxh3":"' + xxhash.xxh3_64_hexdigest(covered).encode() + b'"}'


def test_a_version_of_the_past_that_was_edited_by_hand_is_not_shown(make_node, minio, bucket):  # noqa: F811
    node = make_node(minio, bucket).start()
    node.create("docs", DIM)
    node.upsert("docs", [row(n) for n in range(10)])
    taken = node.ok("POST", "/collections/docs/snapshots", {"name": "good"})["version"]
    node.upsert("docs", [row(n, version=1) for n in range(20)])
    node.ok("POST", "/collections/docs/flush", {})
    assert node.stop() == 0
    client = minio.client()
    key = f"db/t/default/c/1/manifest/{taken:020}.json"
    body = client.get(bucket, key).body
    client.put(bucket, key, sealed_again(body))
    start_empty(node)
    for answer in (node.request("POST", "/collections/docs/search", {**SEARCH, "at": "good"}),
                   node.request("POST", "/collections/docs/snapshots/good/revert", {})):
        problem = assert_problem(answer, 500, "data_loss")
        assert key.removeprefix("db/") in problem["detail"] and "successor" in problem["detail"], problem
    assert stored(node) == {f"d{n}": 1 for n in range(20)}
    node.kill()
    client.put(bucket, key, body)
    assert len(list(start_empty(node).scroll("docs", at="good"))) == 10


def test_foreign_objects_beside_ours_are_left_alone(two, make_node, minio, bucket):  # noqa: F811
    """Whatever lies there, also where listings go: it is neither taken for ours nor deleted."""
    client = minio.client()
    foreign = ["db/", "db/readme.txt", "db/catalog/", "db/catalog/readme.txt", "db/catalog/99999999999999999999.txt", "db/nodes/x",
               "db/t/default/c/1/manifest/notes", "db/t/default/c/1/segments/foreign.seg", "db/t/default/c/1/segments/sub/x.seg",
               "db/t/default/c/1/wal/junk", "db/t/default/c/1/wal/00000000000000000001/x", "db/t/other/c/1/manifest/x"]
    for key in foreign:
        assert client.put(bucket, key, b"not ours").status == 200, key
    node = make_node(minio, bucket, "--set", "engine.gc_grace=1s", "--set", "engine.gc_interval=200ms", "--set", "engine.retain_age=0s",
                     "--set", "engine.trim_delay=200ms", name="collects").start()
    for version in range(1, 4):
        node.upsert("docs", [row(n, version) for n in range(50)])
        node.ok("POST", "/collections/docs/flush", {})
    node.ok("POST", "/collections/docs/merge", {"wait": True, "full": True})
    collected_something(node, minio, bucket)
    assert stored(node) == {f"d{n}": 3 for n in range(50)}
    node.ok("DELETE", "/collections/other")
    assert node.stop() == 0
    assert stored(start_empty(node)) == {f"d{n}": 3 for n in range(50)}
    assert {key for key in foreign if client.get(bucket, key).body == b"not ours"} == set(foreign)


def collected_something(node, minio, bucket):
    from test_minio import until
    until(lambda: len([key for key in segments(minio, bucket) if "/c/1/" in key and not key.endswith(("foreign.seg", "x.seg"))]) == 1,
          "the collection of what was merged")


def damage(folder):
    """A flipped byte in every 512 of every file."""
    files = [path for path in pathlib.Path(folder).rglob("*") if path.is_file() and path.stat().st_size > 0]
    for path in files:
        data = bytearray(path.read_bytes())
        for at in range(0, len(data), 512):
            data[at] ^= 0xFF
        path.write_bytes(data)
    return len(files)


def test_a_damaged_disk_cache_is_healed_from_the_bucket(make_node, minio, bucket):  # noqa: F811
    node = make_node(minio, bucket).start()
    node.create("docs", DIM)
    node.upsert("docs", [{**row(n), "payload": {"v": n, "text": f"{n}" * 100}} for n in range(3000)])
    node.ok("POST", "/collections/docs/flush", {})
    assert node.stop() == 0
    expected = {f"d{n}": n for n in range(3000)}
    assert stored(start_empty(node)) == expected
    node.kill()
    assert damage(node.data_dir / "cache") > 0
    node.start()
    assert stored(node) == expected
    assert node.metric("akidb_cache_corruptions_total") > 0
    # While it runs, too: what is in memory is not asked for again, so a payload that nobody has read yet.
    damage(node.data_dir / "cache")
    assert stored(node) == expected
    shutil.rmtree(node.data_dir / "cache")
    assert stored(node) == expected
    node.kill()
    assert stored(node.start()) == expected


@pytest.fixture(scope="session")
def skewed_clock(tmp_path_factory):
    """skewed_clock(seconds) -> the environment of a process whose wall clock is that much ahead."""
    library = tmp_path_factory.mktemp("clock") / "skewed_clock.so"
    subprocess.run(["clang-19", "-shared", "-fPIC", "-O1", "-o", str(library), str(ROOT / "tests" / "support" / "skewed_clock.c")], check=True)
    return lambda seconds: {"LD_PRELOAD": str(library), "SKEWED_CLOCK_SECONDS": str(seconds)}


@pytest.mark.parametrize("minutes", [-20, -10, 10, 20])
def test_a_clock_that_is_off_is_corrected(make_server, minio, bucket, skewed_clock, minutes):
    """MinIO refuses requests whose clock is more than 15 minutes off; it says what time it is, and that is believed."""
    server = make_server("--store", f"s3://{bucket}/db", environment={**minio.akidb_environment(), **skewed_clock(60 * minutes)}).start()
    server.create("docs", DIM)
    server.upsert("docs", [row(n) for n in range(10)])
    server.ok("POST", "/collections/docs/flush", {})
    assert server.stop() == 0
    straight = make_server("--store", f"s3://{bucket}/db", name="straight", environment=minio.akidb_environment()).start()
    assert len(stored(straight)) == 10
