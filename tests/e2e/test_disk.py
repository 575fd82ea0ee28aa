"""Disks and directories that misbehave: full, shared, damaged."""

import shutil
import subprocess

import pytest
from akidb import Server, assert_problem, run_cli

SMALL_LOG = ["--set", "engine.wal_file_bytes=1MiB", "--set", "limits.request_bytes_max=256KiB"]


def row(n, text=""):
    return {"id": f"d{n}", "vector": [n + 1.0, 1.0], "payload": {"text": text}}


def test_a_second_server_is_refused_and_told_who_is_there(server):
    second = run_cli("serve", "--data-dir", server.data_dir, "--listen", "127.0.0.1:0", timeout=30)
    assert second.returncode == 5, second.stderr
    assert f"process {server.process.pid}" in second.stderr and str(server.data_dir) in second.stderr
    assert server.request("GET", "/health/ready").status_code == 200


def test_two_data_directories_cannot_share_a_store(server, tmp_path):
    second = run_cli("serve", "--data-dir", tmp_path / "other", "--store", f"file:{server.data_dir}/store", "--listen", "127.0.0.1:0",
                     timeout=30)
    assert second.returncode == 5, second.stderr
    assert f"process {server.process.pid}" in second.stderr


def test_a_killed_servers_directory_is_free_again(server):
    server.kill()
    server.start()
    assert server.request("GET", "/health/ready").status_code == 200


def damaged_log(server, offset):
    """A log of acknowledged groups, each of one block, with one byte flipped."""
    server.create("docs", 2)
    for n in range(20):
        server.upsert("docs", [row(n)])
    server.kill()
    files = sorted((server.data_dir / "wal").glob("*.wal"))
    with open(files[-1], "r+b") as log:
        log.seek(offset)
        byte = log.read(1)
        log.seek(offset)
        log.write(bytes([byte[0] ^ 0x10]))
    return files[-1]


@pytest.mark.parametrize("offset", [4096 * 3 + 70, 4096 * 5 + 8, 4096 * 10 + 4095])
def test_a_flipped_byte_in_the_middle_of_the_log_refuses_the_start(server, offset):
    path = damaged_log(server, offset)
    before = path.read_bytes()
    start = run_cli("serve", "--data-dir", server.data_dir, "--listen", "127.0.0.1:0", timeout=60)
    assert start.returncode == 6, start.stderr
    group = offset // 4096 * 4096
    assert path.name in start.stderr and f"offset {group}" in start.stderr, start.stderr
    assert path.read_bytes() == before
    inspected = run_cli("wal", "inspect", server.data_dir)
    assert inspected.returncode == 6
    assert path.name in inspected.stdout + inspected.stderr


def test_a_torn_tail_is_cut(server):
    """The last group was never acknowledged to anybody if its bytes are not whole: no reason to refuse."""
    server.create("docs", 2)
    for n in range(5):
        server.upsert("docs", [row(n)])
    server.kill()
    path = sorted((server.data_dir / "wal").glob("*.wal"))[-1]
    content = path.read_bytes()
    last = max(offset for offset in range(0, len(content), 4096) if content[offset:offset + 4] == b"AKWG")
    with open(path, "r+b") as log:
        log.seek(last + 100)
        log.write(b"\xff" * 8)
    server.start()
    assert server.count("docs") == 4


@pytest.fixture
def small_disk(tmp_path):
    path = tmp_path / "small"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(path)], capture_output=True, text=True)
    assert mounted.returncode == 0, f"this test needs to mount a small tmpfs (run as root): {mounted.stderr}"
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_a_disk_full_in_the_middle_of_a_batch(small_disk):
    """Writes are refused whole, with 507; reads go on; with space again, so do writes; a kill loses nothing."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (8 << 20))
    server = Server(small_disk / "data", *SMALL_LOG)
    server.log_path = small_disk.with_name("server.log")
    server.start()
    try:
        server.create("docs", 2)
        stored, refused = 0, None
        while refused is None and stored < 100000:
            answer = server.request("POST", "/collections/docs/vectors", {"vectors": [row(stored + i, f"{stored} " * 500) for i in range(20)]})
            if answer.status_code == 200:
                stored += 20
            elif answer.status_code != 429:
                refused = answer
        assert_problem(refused, 507, "disk_full")
        assert server.count("docs") == stored > 0
        assert_problem(server.request("GET", f"/collections/docs/vectors/d{stored}"), 404)
        assert server.ok("POST", "/collections/docs/search", {"vector": [1, 1], "top_k": 1})["results"]
        assert server.request("GET", "/health/ready").status_code == 503

        server.kill()
        ballast.unlink()
        server.start()
        assert {r["id"] for r in server.scroll("docs")} == {f"d{n}" for n in range(stored)}
        server.upsert("docs", [row(stored)])
        assert server.count("docs") == stored + 1
    finally:
        server.kill()


def test_the_store_of_a_stopped_server_is_the_whole_database(server, make_server, tmp_path):
    """What docs/operating/durability.md calls a backup."""
    server.create("docs", 2)
    server.upsert("docs", [row(n) for n in range(100)])
    server.ok("POST", "/collections/docs/vectors/delete", {"ids": ["d7"]})
    assert server.stop() == 0
    shutil.copytree(server.data_dir / "store", tmp_path / "copy")
    restored = make_server("--store", f"file:{tmp_path / 'copy'}", name="other").start()
    assert {r["id"] for r in restored.scroll("docs")} == {f"d{n}" for n in range(100)} - {"d7"}
    restored.upsert("docs", [row(7)])
    restored.kill()
    restored.start()
    assert restored.count("docs") == 100
