import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

import akidb  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="more rounds of what takes long")


@pytest.fixture(scope="session", autouse=True)
def binary():
    assert akidb.BINARY.exists(), f"{akidb.BINARY} is missing; build it: scripts/dev-init.sh --no-start"


@pytest.fixture
def make_server(tmp_path):
    """make_server(*flags, name=...) -> a server with a data directory of its own, killed at the end; not yet started."""
    servers = []

    def make(*flags, name="data"):
        servers.append(akidb.Server(tmp_path / name, *flags))
        return servers[-1]

    yield make
    for server in servers:
        server.kill()


@pytest.fixture
def server(make_server):
    return make_server().start()


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory):
    """One server for the tests of a module that leave nothing behind."""
    server = akidb.Server(tmp_path_factory.mktemp("shared") / "data").start()
    yield server
    server.kill()
