import contextlib
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

import akidb  # noqa: E402
import minio as minio_module  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="more rounds of what takes long")


@pytest.fixture(scope="session", autouse=True)
def binary():
    assert akidb.BINARY.exists(), f"{akidb.BINARY} is missing; build it: scripts/dev-init.sh --no-start"


@pytest.fixture
def make_server(tmp_path):
    """make_server(*flags, name=..., environment=...) -> a server with a data directory of its own, killed at the end; not
    yet started."""
    servers = []

    def make(*flags, name="data", environment=None):
        servers.append(akidb.Server(tmp_path / name, *flags, environment=environment))
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


@pytest.fixture(scope="session")
def minio(tmp_path_factory):
    """The MinIO of all tests that do not hurt it: one drive. Without it these tests fail; they are never skipped."""
    with minio_module.running(tmp_path_factory.mktemp("minio") / "one", kms=True) as server:
        yield server


@pytest.fixture
def own_minio(tmp_path):
    """own_minio(**options) -> a running MinIO for one test, which may kill it and take its drives."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(minio_module.running(tmp_path / "minio", **options))


@pytest.fixture
def bucket(minio):
    """An empty bucket with versioning."""
    return minio.bucket()


@pytest.fixture
def proxy(minio):
    """A proxy before `minio` that fails where the test says."""
    with FaultProxy("127.0.0.1", minio.port) as proxy:
        yield proxy
