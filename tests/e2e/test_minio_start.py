"""A store that cannot be used is refused at the start, with a message that names what is wrong."""

import http.server
import re
import ssl
import threading

import pytest
from faults import Answered, Rule
from minio import make_certificate

SECONDS_MAX = 60
EXIT_CODES = {1, 2, 3, 5}
PAGE = "<!DOCTYPE html><html><body>Please log in to the guest network</body></html>"


@pytest.fixture
def refused(make_server, minio):
    """refused(bucket, *flags, **environment) -> what the server said before it ended."""
    def start(bucket, *flags, **environment):
        server = make_server("--store", f"s3://{bucket}/db", *flags, environment={**minio.akidb_environment(), **environment})
        server.launch()
        code = server.process.wait(SECONDS_MAX)
        assert code in EXIT_CODES, f"ended with {code}: {server.log()}"
        return server.log()
    return start


@pytest.fixture
def web_server():
    """web_server(certificate) -> the URL of a server that is no store: every path is a page."""
    running = []

    class Page(http.server.BaseHTTPRequestHandler):
        def answer(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(PAGE.encode())

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

        def log_message(self, *_):
            pass

    def start(certificate=None):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate / "public.crt", certificate / "private.key")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        running.append((server, thread))
        return f"http{'s' if certificate else ''}://127.0.0.1:{server.server_address[1]}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_wrong_access_key(refused, bucket):
    said = refused(bucket, AKIDB_S3_ACCESS_KEY="nobody")
    assert "InvalidAccessKeyId" in said or "access key" in said


def test_a_wrong_secret_key_is_not_printed(refused, bucket):
    said = refused(bucket, AKIDB_S3_SECRET_KEY="not-the-secret")
    assert "SignatureDoesNotMatch" in said or "secret key" in said
    assert "not-the-secret" not in said


def test_a_wrong_region(refused, bucket):
    said = refused(bucket, AKIDB_S3_REGION="mars-1")
    assert "region" in said and "us-east-1" in said


def test_a_missing_bucket(refused):
    said = refused("no-such-bucket")
    assert "no-such-bucket" in said and "--create-bucket" in said


def test_a_bucket_name_that_is_none(refused):
    assert "Bad_Name" in refused("Bad_Name")


def test_an_endpoint_that_is_none(refused, bucket):
    assert "not a url" in refused(bucket, AKIDB_S3_ENDPOINT="not a url")


def test_nobody_listens(refused, bucket):
    assert re.search(r"127\.0\.0\.1(:| port )9\b.*refused", refused(bucket, AKIDB_S3_ENDPOINT="http://127.0.0.1:9"))


def test_an_endpoint_that_is_not_s3(refused, bucket, web_server):
    url = web_server()
    said = refused(bucket, AKIDB_S3_ENDPOINT=url)
    assert url.removeprefix("http://") in said and "S3" in said


def test_a_proxy_that_answers_html(refused, bucket, proxy):
    """Whatever status it comes with, a page is never taken for an object, for a list, or for absence."""
    for status in (200, 403, 404, 502):
        proxy.clear()
        proxy.add(Rule(Answered(status, PAGE, Content_Type="text/html"), count=None))
        said = refused(bucket, AKIDB_S3_ENDPOINT=proxy.endpoint)
        assert "S3" in said and proxy.endpoint.removeprefix("http://") in said
        assert proxy.counted("PUT") == 0 or status != 404, "a page that says 404 was taken for an empty store"


def test_a_certificate_of_another_authority(refused, bucket, web_server, tmp_path):
    url = web_server(make_certificate(tmp_path / "server"))
    stranger = make_certificate(tmp_path / "stranger") / "public.crt"
    said = refused(bucket, "--set", f"s3.ca_file={stranger}", AKIDB_S3_ENDPOINT=url)
    assert "certificate" in said


def test_a_ca_file_that_is_missing(refused, bucket, tmp_path):
    assert "no-such.crt" in refused(bucket, "--set", f"s3.ca_file={tmp_path / 'no-such.crt'}", AKIDB_S3_ENDPOINT="https://127.0.0.1:9")


def test_the_right_authority_is_enough(make_server, own_minio, tmp_path):
    minio = own_minio(certs=make_certificate(tmp_path / "certs"))
    bucket = minio.bucket()
    server = make_server("--store", f"s3://{bucket}/db", "--set", f"s3.ca_file={minio.ca_file}", environment=minio.akidb_environment())
    server.start()
    server.create("docs", 2)
    server.upsert("docs", [{"id": "a", "vector": [1, 1]}])
    server.kill()
    assert server.start().count("docs") == 1


def everything(minio, bucket):
    """Every version of every key, delete markers too."""
    return minio.client().ok("GET", bucket, query={"versions": ""}).body.count(b"<VersionId>")


def test_a_bucket_without_versioning_where_it_is_required(refused, minio):
    bucket = minio.bucket(versioning=False)
    said = refused(bucket, "--set", "s3.require_versioning=yes")
    assert f"versioning of bucket '{bucket}' is off" in said and "s3.require_versioning" in said
    assert everything(minio, bucket) == 0


def test_a_bucket_without_lock_where_objects_are_to_be_locked(refused, minio, bucket):
    said = refused(bucket, "--set", "s3.lock_mode=compliance", "--set", "s3.lock_retain=1h")
    assert f"bucket '{bucket}' has no Object Lock" in said and "s3.lock_mode" in said
    assert everything(minio, bucket) == 0


def test_what_is_locked_is_what_stays(make_server, minio):
    """Segments, manifests and the catalog; not the log, which is trimmed, nor the probe's scratch."""
    bucket = minio.bucket(lock=True)
    server = make_server("--store", f"s3://{bucket}/db", "--set", "s3.lock_mode=governance", "--set", "s3.lock_retain=1h",
                         "--set", "s3.require_versioning=yes", environment=minio.akidb_environment()).start()
    server.create("docs", 2)
    server.upsert("docs", [{"id": "a", "vector": [1, 1]}])
    server.ok("POST", "/collections/docs/flush", {})
    client = minio.client()
    locked = {key: client.request("GET", bucket, key, query={"retention": ""}).status == 200 for key in client.keys(bucket)}
    assert {key for key, is_locked in locked.items() if not is_locked} == {key for key in locked if "/wal/" in key or "/probe/" in key or "/nodes/" in key}
    assert any(key.endswith(".seg") for key in locked) and any("/wal/" in key for key in locked)


@pytest.mark.parametrize("prefix,key", [("db", "db"), ("db", "db/catalog"), ("db", "db/t/default/c"), ("a/b/db", "a/b")])
def test_a_foreign_object_above_our_keys_never_makes_the_database_look_empty(make_server, minio, bucket, prefix, key):
    """MinIO leaves everything below such an object out of its listings, while GET still finds it."""
    server = make_server("--store", f"s3://{bucket}/{prefix}", environment=minio.akidb_environment()).start()
    server.create("docs", 2)
    server.upsert("docs", [{"id": "a", "vector": [1, 1]}])
    server.kill()
    put = minio.client().put(bucket, key, b"not ours")
    assert put.status == 200
    server.launch()
    assert server.process.wait(SECONDS_MAX) == 1
    assert f"object '{key}'" in server.log()
    server.kill()
    minio.client().delete(bucket, key, version_id=put.version_id)
    assert server.start().count("docs") == 1
