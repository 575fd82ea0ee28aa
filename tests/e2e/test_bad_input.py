"""Bad input gets a clear error, changes nothing, and leaves the server alive."""

import concurrent.futures
import json
import os
import socket

import pyarrow
import pyarrow.parquet
import pytest
from akidb import assert_problem, json_lines, run_cli

DIM = 4
GOOD = {"id": "good", "vector": [1, 2, 3, 4]}


@pytest.fixture(scope="module")
def server(shared_server):
    shared_server.create("docs", DIM)
    shared_server.upsert("docs", [{"id": f"d{i}", "vector": [i + 1, 1, 0, 1], "payload": {"n": i}} for i in range(10)])
    return shared_server


def nest(depth):
    """A filter of this depth."""
    node = {"key": "n", "value": 1}
    for _ in range(depth - 1):
        node = {"must": [node]}
    return node


def post(server, path, body):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return server.request("POST", path, data=body, headers={"Content-Type": "application/json"})


def rows(*vectors):
    return {"vectors": [GOOD, *vectors]}


BAD_WRITES = {
    "wrong dimension": (rows({"id": "x", "vector": [1, 2, 3]}), "wrong_dimension"),
    "too long a vector": (rows({"id": "x", "vector": [1, 2, 3, 4, 5]}), "wrong_dimension"),
    "NaN": (b'{"vectors":[{"id":"good","vector":[1,2,3,4]},{"id":"x","vector":[1,NaN,3,4]}]}', None),
    "Infinity": (b'{"vectors":[{"id":"good","vector":[1,2,3,4]},{"id":"x","vector":[1,Infinity,3,4]}]}', None),
    "a number beyond float32": (b'{"vectors":[{"id":"good","vector":[1,2,3,4]},{"id":"x","vector":[1,1e39,3,4]}]}', None),
    "a number beyond double": (b'{"vectors":[{"id":"good","vector":[1,2,3,4]},{"id":"x","vector":[1,1e999,3,4]}]}', None),
    "a string in a vector": (rows({"id": "x", "vector": [1, "2", 3, 4]}), None),
    "zero vector under Cosine": (rows({"id": "x", "vector": [0, 0, 0, 0]}), "zero_vector"),
    "empty id": (rows({"id": "", "vector": [1, 2, 3, 4]}), "empty_id"),
    "600-byte id": (rows({"id": "x" * 600, "vector": [1, 2, 3, 4]}), "id_too_long"),
    "fractional id": (rows({"id": 1.5, "vector": [1, 2, 3, 4]}), None),
    "no id": (rows({"vector": [1, 2, 3, 4]}), None),
    "no vector": (rows({"id": "x"}), None),
    "duplicate ids in one batch": (rows(GOOD), "duplicate_id"),
    "300 KiB payload": (rows({"id": "x", "vector": [1, 2, 3, 4], "payload": {"t": "y" * (300 << 10)}}), "payload_too_large"),
    "payload that is no object": (rows({"id": "x", "vector": [1, 2, 3, 4], "payload": [1]}), None),
    "unknown field in a row": (rows({"id": "x", "vector": [1, 2, 3, 4], "colour": 1}), None),
    "unknown field in the body": ({"vectors": [GOOD], "colour": 1}, None),
    "unknown mode": ({"vectors": [GOOD], "mode": "replace"}, None),
    "unknown ack": ({"vectors": [GOOD], "ack": "never"}, None),
    "10,001 rows": ({"vectors": [{"id": i, "vector": [1, 2, 3, 4]} for i in range(10001)]}, "too_many_vectors"),
    "invalid UTF-8 in an id": (b'{"vectors":[{"id":"good","vector":[1,2,3,4]},{"id":"\xff\xfe","vector":[1,2,3,4]}]}', None),
    "invalid UTF-8 in a payload": (b'{"vectors":[{"id":"x","vector":[1,2,3,4],"payload":{"t":"\xc3\x28"}}]}', None),
    "half a surrogate pair": (b'{"vectors":[{"id":"\\ud800","vector":[1,2,3,4]}]}', None),
    "truncated JSON": (b'{"vectors":[{"id":"good","vector":[1,2,3,4]},{"id":"x","vec', None),
    "JSON twice": (b'{"vectors":[]}{"vectors":[]}', None),
    "an empty body": (b"", None),
    "an array": (b"[]", None),
    "deeply nested nonsense": (b"[" * 100000, None),
}

BAD_SEARCHES = {
    "wrong dimension": ({"vector": [1, 2]}, "wrong_dimension"),
    "zero vector under Cosine": ({"vector": [0, 0, 0, 0]}, "zero_vector"),
    "no vector": ({"top_k": 3}, "missing_field"),
    "top_k 0": ({"vector": [1, 2, 3, 4], "top_k": 0}, None),
    "top_k -1": ({"vector": [1, 2, 3, 4], "top_k": -1}, None),
    "top_k 2^63": ({"vector": [1, 2, 3, 4], "top_k": 2**63}, None),
    "top_k 2^64": ({"vector": [1, 2, 3, 4], "top_k": 2**64}, None),
    "top_k 1.5": ({"vector": [1, 2, 3, 4], "top_k": 1.5}, None),
    "top_k as text": ({"vector": [1, 2, 3, 4], "top_k": "10"}, None),
    "offset and top_k beyond the limit": ({"vector": [1, 2, 3, 4], "top_k": 9999, "offset": 2}, "invalid_top_k"),
    "33-deep filter": ({"vector": [1, 2, 3, 4], "filter": nest(33)}, "invalid_filter"),
    "1,001 filter nodes": ({"vector": [1, 2, 3, 4], "filter": {"must": [{"key": "n", "value": 1}] * 1001}}, "invalid_filter"),
    "text in a numeric range": ({"vector": [1, 2, 3, 4], "filter": {"key": "n", "range": {"gte": True}}}, "invalid_filter"),
    "a filter that is a list": ({"vector": [1, 2, 3, 4], "filter": [1]}, "invalid_filter"),
    "a condition without a key": ({"vector": [1, 2, 3, 4], "filter": {"match": {"value": 1}}}, "invalid_filter"),
    "must that is no list": ({"vector": [1, 2, 3, 4], "filter": {"must": 3}}, "invalid_filter"),
    "an unknown operator": ({"vector": [1, 2, 3, 4], "filter": {"key": "n", "sounds_like": 1}}, "invalid_filter"),
    "unknown field": ({"vector": [1, 2, 3, 4], "topk": 3}, "unknown_field"),
    "misspelt vector": ({"vetor": [1, 2, 3, 4]}, "unknown_field"),
    "a field twice": (b'{"vector":[1,2,3,4],"top_k":1,"top_k":2}', "duplicate_field"),
}

BAD_COLLECTIONS = {
    "no name": {"vector_dim": 4, "distance": "Cosine"},
    "empty name": {"name": "", "vector_dim": 4, "distance": "Cosine"},
    "dot-dot": {"name": "..", "vector_dim": 4, "distance": "Cosine"},
    "a path": {"name": "../evil", "vector_dim": 4, "distance": "Cosine"},
    "an absolute path": {"name": "/etc/evil", "vector_dim": 4, "distance": "Cosine"},
    "backslashes": {"name": "..\\evil", "vector_dim": 4, "distance": "Cosine"},
    "a percent sign": {"name": "..%2fevil", "vector_dim": 4, "distance": "Cosine"},
    "a NUL": {"name": "a\u0000b", "vector_dim": 4, "distance": "Cosine"},
    "a line break": {"name": "a\nb", "vector_dim": 4, "distance": "Cosine"},
    "300-byte name": {"name": "n" * 300, "vector_dim": 4, "distance": "Cosine"},
    "dimension 0": {"name": "bad", "vector_dim": 0, "distance": "Cosine"},
    "dimension 16,385": {"name": "bad", "vector_dim": 16385, "distance": "Cosine"},
    "dimension as text": {"name": "bad", "vector_dim": "4", "distance": "Cosine"},
    "unknown distance": {"name": "bad", "vector_dim": 4, "distance": "Manhattan"},
    "unknown field": {"name": "bad", "vector_dim": 4, "distance": "Cosine", "shards": 3},
    "unknown vector type": {"name": "bad", "vector_dim": 4, "distance": "Cosine", "vector_type": "f8"},
}


@pytest.mark.parametrize("case", BAD_WRITES)
def test_bad_write_changes_nothing(server, case):
    body, code = BAD_WRITES[case]
    assert_problem(post(server, "/collections/docs/vectors", body), 400, code)
    assert server.count("docs") == 10
    assert_problem(server.request("GET", "/collections/docs/vectors/good"), 404, "id_not_found")


@pytest.mark.parametrize("case", BAD_SEARCHES)
def test_bad_search_is_refused(server, case):
    body, code = BAD_SEARCHES[case]
    assert_problem(post(server, "/collections/docs/search", body), 400, code)


@pytest.mark.parametrize("case", BAD_COLLECTIONS)
def test_bad_collection_is_not_created(server, case):
    assert_problem(post(server, "/collections", BAD_COLLECTIONS[case]), 400)
    assert [c["name"] for c in server.ok("GET", "/collections")["collections"]] == ["docs"]


def test_wrong_types_in_a_filter_match_nothing_and_do_not_fail(server):
    """A well-formed condition on a field of another type is no error: such rows do not match."""
    found = server.ok("POST", "/collections/docs/search",
                      {"vector": [1, 2, 3, 4], "filter": {"key": "n", "match": {"value": "three"}}})
    assert found["results"] == []


def test_unknown_collection_is_404_on_every_verb(server):
    for method, path, body in [("GET", "", None), ("DELETE", "", None), ("POST", "/vectors", {"vectors": [GOOD]}),
                               ("POST", "/search", {"vector": [1]}), ("POST", "/vectors/scroll", {}), ("POST", "/flush", {})]:
        assert_problem(server.request(method, "/collections/nowhere" + path, body), 404, "collection_not_found")


ESCAPES = ["../evil", "..%2fevil", "..%2Fevil", "%2e%2e/evil", "%2e%2e%2fevil", "%252e%252e%252fevil", "..%5cevil", "..\\evil",
           "....//evil", "%c0%ae%c0%ae%c0%afevil", "%e0%80%ae%e0%80%ae%e0%80%afevil", "..%00/evil", "%uff0e%uff0e%u2215evil",
           "/etc/passwd", "..;/evil", ".%2e/evil", "%2e./evil"]


def files_below(path):
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)


@pytest.mark.parametrize("name", ESCAPES)
def test_names_never_leave_the_data_directory(server, name):
    outside = server.data_dir.parent
    before = [path for path in files_below(outside) if not path.startswith(str(server.data_dir) + os.sep)]
    for method, target, body in [("GET", f"/collections/{name}", b""), ("DELETE", f"/collections/{name}", b""),
                                 ("POST", f"/collections/{name}/vectors", json.dumps({"vectors": [GOOD]}).encode()),
                                 ("GET", f"/collections/docs/vectors/{name}", b""), ("GET", f"/{name}", b""),
                                 ("GET", f"/jobs/{name}", b"")]:
        status, _, answer = server.raw(method, target, body)
        assert status in (400, 404, 405), (method, target, status, answer[:200])
    body = json.dumps({"name": name, "vector_dim": 4, "distance": "Cosine"}).encode()
    assert server.raw("POST", "/collections", body)[0] == 400
    assert [path for path in files_below(outside) if not path.startswith(str(server.data_dir) + os.sep)] == before
    assert not any("evil" in path for path in files_below(outside))


def test_an_id_may_look_like_a_path(server):
    server.create("paths", DIM)
    server.upsert("paths", [{"id": "../../evil", "vector": [1, 2, 3, 4]}])
    assert server.ok("GET", "/collections/paths/vectors/..%2f..%2fevil")["id"] == "../../evil"
    server.ok("DELETE", "/collections/paths")


def test_a_body_over_the_limit_is_413(server):
    body = b'{"vectors":[' + b" " * (64 << 20) + b"]}"
    try:
        answer = post(server, "/collections/docs/vectors", body)
    except OSError:  # refused before it was sent whole; requests' ConnectionError is an OSError
        status, _, answer_body = oversized_header(server)
        assert (status, json.loads(answer_body)["code"]) == (413, "body_too_large")
    else:
        assert_problem(answer, 413, "body_too_large")
    assert server.count("docs") == 10


def oversized_header(server):
    """The answer to a header that announces 64 MiB, read without sending them."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(b"POST /collections/docs/vectors HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                           b"Content-Length: 67108864\r\n\r\n")
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    return int(head.split()[1]), head, body


def read_all(connection):
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


@pytest.mark.parametrize("sent", [0, 1, 100, 1000])
def test_a_truncated_body_changes_nothing(server, sent):
    body = json.dumps({"vectors": [{"id": f"t{i}", "vector": [1, 2, 3, 4]} for i in range(100)]}).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(b"POST /collections/docs/vectors HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                           b"Content-Length: %d\r\n\r\n" % len(body) + body[:sent])
        connection.shutdown(socket.SHUT_WR)
        head = read_all(connection)
    assert head == b"" or head.startswith(b"HTTP/1.1 400"), head[:200]
    assert server.count("docs") == 10


@pytest.mark.parametrize("garbage", [b"\x00" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01",
                                     b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"GET /" + b"a" * 100000])
def test_bytes_that_are_no_request_are_refused(server, garbage):
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        try:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            head = read_all(connection)
        except ConnectionError:
            head = b""
    assert head == b"" or head.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4", b"HTTP/1.1 505")), head[:200]
    assert server.request("GET", "/health/live").status_code == 200


def test_wrong_content_type_method_and_route(server):
    answer = server.request("POST", "/collections/docs/search", data=b"vector=1", headers={"Content-Type": "text/plain"})
    assert_problem(answer, 415, "unsupported_media_type")
    answer = server.request("PUT", "/collections/docs")
    assert_problem(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]
    assert_problem(server.request("GET", "/collections/docs?colour=red"), 400, "unknown_parameter")
    assert_problem(server.request("GET", "/nothing/here"), 404, "route_not_found")


def test_partial_reports_each_item(server):
    server.create("partial", DIM)
    answer = server.request("POST", "/collections/partial/vectors",
                            {"partial": True, "vectors": [GOOD, {"id": "", "vector": [1, 2, 3, 4]}, {"id": "short", "vector": [1]}]})
    assert answer.status_code == 207
    items = answer.json()["items"]
    assert [(item["id"], item["status"], item.get("code")) for item in items] == [
        ("good", 200, None), ("", 400, "empty_id"), ("short", 400, "wrong_dimension")]
    assert server.count("partial") == 1
    server.ok("DELETE", "/collections/partial")


def test_concurrent_creates_of_one_name_have_one_winner(server):
    def create(_):
        return server.raw("POST", "/collections", json.dumps({"name": "race", "vector_dim": 4, "distance": "Cosine"}).encode())[0]

    for _ in range(5):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            statuses = sorted(pool.map(create, range(16)))
        assert statuses == [201] + [409] * 15
        server.ok("DELETE", "/collections/race")


def test_parquet_without_the_columns_is_refused(server, tmp_path):
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"key": ["a"], "text": ["b"]}), path)
    result = run_cli("ingest", path, "--collection", "docs", "--server", server.url)
    assert result.returncode == 2, result.stderr
    assert "id" in result.stderr and "column" in result.stderr
    assert server.count("docs") == 10


def test_ragged_csv_rows_are_refused_and_the_others_kept(server, tmp_path):
    path, errors = tmp_path / "rows.csv", tmp_path / "errors.jsonl"
    path.write_text('id,n,vector\na,1,"1 2 3 4"\nb,2\nc,3,"1 2 3 4",extra\nd,4,"1 2 3 4"\n')
    result = run_cli("ingest", path, "--collection", "csv", "--create", "--server", server.url, "--errors", errors)
    assert result.returncode == 1, result.stderr
    assert sorted(row["id"] for row in server.scroll("csv")) == ["a", "d"]
    assert [line["row"] for line in json_lines(errors)] == [2, 3]
    server.ok("DELETE", "/collections/csv")


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080", "example.invalid:1", "127.0.0.1", ":8080", "127.0.0.1:99999"])
def test_only_loopback_is_listened_on(tmp_path, address):
    result = run_cli("serve", "--data-dir", tmp_path / "data", "--listen", address, timeout=30)
    assert result.returncode == 2, result.stderr
    assert "server.listen" in result.stderr
    assert not (tmp_path / "data").exists()


def test_unknown_configuration_is_refused(tmp_path):
    config = tmp_path / "akidb.yaml"
    config.write_text("server:\n  lissten: 127.0.0.1:0\n")
    result = run_cli("serve", "--data-dir", tmp_path / "data", "--config", config, timeout=30)
    assert result.returncode == 2 and "lissten" in result.stderr


def test_a_mistyped_command_line_says_what_was_meant():
    result = run_cli("search", "docs", "--like", "d1", "--topk", "3")
    assert result.returncode == 2 and "did you mean '--top-k'" in result.stderr, result.stderr
    result = run_cli("--json", "colection", "list")
    assert result.returncode == 2
    error = json.loads(result.stderr)["error"]
    assert error["exit_code"] == 2 and "did you mean 'collection'" in error["message"]


def test_ingest_without_the_collection_names_the_flag_that_makes_it(server, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "a", "vector": [1, 2, 3, 4]}\n')
    result = run_cli("ingest", path, "--collection", "none", "--server", server.url)
    assert result.returncode == 3 and "collection 'none' does not exist; --create makes it" in result.stderr, result.stderr


def test_doctor_knows_a_taken_port_from_a_server_of_its_own(server, tmp_path):
    def port(number):
        found = run_cli("doctor", "--json", "--data-dir", tmp_path / "data", "--listen", f"127.0.0.1:{number}")
        return next(check for check in json.loads(found.stdout) if check["check"] == "port")

    assert port(server.port)["verdict"] == "ok" and "is serving" in port(server.port)["detail"]
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        assert port(other.getsockname()[1])["verdict"] == "FAILED"
