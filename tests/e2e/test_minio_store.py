"""What AkiDB relies on when its store is MinIO, seen on a real one; docs/operating/minio.md says it in words.

No AkiDB here: if one of these fails, the store has changed and the code above it is built on sand.
"""

import base64
import concurrent.futures
import hashlib
import http.client
import re
import ssl
import threading
import time
import urllib.parse

import minio as minio_module
import pytest
import s3

ABSENT = {"if_none_match": "*"}


@pytest.fixture
def client(minio):
    return minio.client()


def put(client, bucket, key, body=b"body", **conditions):
    """Status and S3's word for the error."""
    answer = client.put(bucket, key, body, **conditions)
    return answer.status, answer.code


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.02)


def test_create_if_absent_succeeds_once(client, bucket):
    assert put(client, bucket, "k", b"first", **ABSENT) == (200, "")
    assert put(client, bucket, "k", b"second", **ABSENT) == (412, "PreconditionFailed")
    assert client.get(bucket, "k").body == b"first"


def test_create_if_absent_succeeds_over_a_delete_marker(client, bucket):
    """So a key that must never be free again is not deleted: old manifests become tombstones."""
    first = client.put(bucket, "k", b"first")
    assert client.delete(bucket, "k").headers["x-amz-delete-marker"] == "true"
    assert client.get(bucket, "k").status == 404
    assert put(client, bucket, "k", b"second", **ABSENT) == (200, "")
    assert client.get(bucket, "k", version_id=first.version_id).body == b"first"


def test_replace_if_unchanged_refuses_a_stale_etag(client, bucket):
    old = client.put(bucket, "k", b"old")
    assert put(client, bucket, "k", b"new", if_match=old.etag) == (200, "")
    assert put(client, bucket, "k", b"newer", if_match=old.etag) == (412, "PreconditionFailed")
    assert put(client, bucket, "absent", b"x", if_match=old.etag) == (404, "NoSuchKey")
    assert client.get(bucket, "k").body == b"new"


def test_a_conditional_delete_is_not_to_be_had(client, bucket):
    """MinIO ignores the condition, so AkiDB deletes only what nobody can want any more."""
    client.put(bucket, "k", b"body")
    assert client.request("DELETE", bucket, "k", headers={"If-Match": '"stale"'}).status == 204
    assert client.get(bucket, "k").status == 404


@pytest.mark.parametrize("lock", [False, True])
def test_of_many_who_create_one_key_exactly_one_wins(minio, client, lock):
    bucket = minio.bucket(lock=lock)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for n in range(20):
            answers = list(pool.map(lambda racer: put(client, bucket, f"k{n}", b"%d" % racer, **ABSENT), range(16)))
            assert sorted(answers) == [(200, "")] + [(412, "PreconditionFailed")] * 15
            assert client.get(bucket, f"k{n}").body == b"%d" % answers.index((200, ""))


def test_a_version_is_read_whatever_came_after(client, bucket):
    versions = [client.put(bucket, "k", b"%d" % n).version_id for n in range(3)]
    client.delete(bucket, "k")
    assert [client.get(bucket, "k", version_id=v).body for v in versions] == [b"0", b"1", b"2"]
    client.delete(bucket, "k", version_id=versions[1])
    assert client.get(bucket, "k", version_id=versions[1]).code == "NoSuchVersion"


@pytest.mark.parametrize("header", ["content-md5", "x-amz-checksum-sha256"])
def test_a_body_that_is_not_what_its_checksum_says_is_refused(client, bucket, header):
    algorithm = hashlib.md5 if header == "content-md5" else hashlib.sha256
    wrong = base64.b64encode(algorithm(b"another body").digest()).decode()
    answer = client.request("PUT", bucket, "k", headers={header: wrong}, body=b"body")
    assert answer.status == 400
    assert client.get(bucket, "k").status == 404


def complete_upload(client, bucket, key, body, **headers):
    """An upload of one part, up to the completion, which is not sent: a function that sends it."""
    started = client.ok("POST", bucket, key, query={"uploads": ""}).body.decode()
    upload = started.split("<UploadId>")[1].split("<")[0]
    etag = client.ok("PUT", bucket, key, query={"uploadId": upload, "partNumber": "1"}, body=body).etag
    parts = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    return lambda: client.request("POST", bucket, key, query={"uploadId": upload}, headers=headers, body=parts.encode())


def test_a_multipart_upload_is_completed_only_if_absent(client, bucket):
    assert complete_upload(client, bucket, "k", b"first", **{"if-none-match": "*"})().status == 200
    second = complete_upload(client, bucket, "k", b"second", **{"if-none-match": "*"})
    assert second().status == 412
    client.delete(bucket, "k")
    assert second().status == 200, "a refused completion leaves the upload as it was"
    assert client.get(bucket, "k").body == b"second"


def test_object_lock_protects_a_version_and_not_its_key(minio, client):
    bucket = minio.bucket(lock=True)
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    locked = client.put(bucket, "k", b"first", **{"x-amz-object-lock-mode": "COMPLIANCE", "x-amz-object-lock-retain-until-date": until})
    assert locked.status == 200
    assert client.delete(bucket, "k", version_id=locked.version_id).status == 400
    assert client.delete(bucket, "k").status == 204
    assert put(client, bucket, "k", b"second", **ABSENT) == (200, "")
    assert client.get(bucket, "k", version_id=locked.version_id).body == b"first"


def test_the_lifecycle_rule_of_the_manual_is_accepted(client, bucket):
    text = (minio_module.ROOT / "docs" / "operating" / "minio.md").read_text()
    rule = re.search(r"^```xml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1].encode()
    md5 = base64.b64encode(hashlib.md5(rule).digest()).decode()
    assert client.request("PUT", bucket, query={"lifecycle": ""}, headers={"content-md5": md5}, body=rule).status == 200
    assert b"<NoncurrentDays>7<" in client.ok("GET", bucket, query={"lifecycle": ""}).body


def test_an_etag_is_not_always_the_md5(client, bucket):
    """With SSE-KMS it is something else, so it is compared and never computed."""
    answer = client.put(bucket, "k", b"body", **{"x-amz-server-side-encryption": "aws:kms"})
    assert answer.status == 200
    assert answer.etag.strip('"') != hashlib.md5(b"body").hexdigest()
    assert client.get(bucket, "k").body == b"body"


def test_wrong_keys_a_wrong_region_and_a_wrong_clock_are_told_apart(minio, client, bucket):
    access_key, secret_key = minio.credentials
    refusals = {
        "InvalidAccessKeyId": s3.Client(minio.endpoint, "nobody", secret_key),
        "SignatureDoesNotMatch": s3.Client(minio.endpoint, access_key, "wrong"),
        "AuthorizationHeaderMalformed": s3.Client(minio.endpoint, access_key, secret_key, region="mars-1"),
    }
    for code, wrong in refusals.items():
        answer = wrong.get(bucket, "k")
        assert answer.status in (400, 403) and answer.code == code
    assert client.get("no-such-bucket", "k").code == "NoSuchBucket"
    assert client.get(bucket, "k").code == "NoSuchKey"


def test_tls_is_spoken_to_those_who_know_the_authority(own_minio, tmp_path):
    minio = own_minio(certs=minio_module.make_certificate(tmp_path / "certs"))
    bucket = minio.bucket()
    assert minio.client().put(bucket, "k", b"body").status == 200
    stranger = minio_module.make_certificate(tmp_path / "other") / "public.crt"
    with pytest.raises(ssl.SSLCertVerificationError):
        s3.Client(minio.endpoint, *minio.credentials, ca_file=stranger).get(bucket, "k")


def test_a_listing_is_in_byte_order_and_paged(client, bucket):
    keys = ["a/1", "a/10", "a/2", "a0", "b"]
    for key in reversed(keys):
        client.put(bucket, key, b"")
    assert client.keys(bucket) == sorted(keys)
    assert client.keys(bucket, "a/") == ["a/1", "a/10", "a/2"]
    page = client.ok("GET", bucket, query={"list-type": "2", "start-after": "a/1", "max-keys": "2"}).body
    assert page.count(b"<Key>") == 2 and b"<Key>a/10</Key>" in page and b"<IsTruncated>true<" in page


def test_an_object_hides_the_keys_below_it_from_listings(client, bucket):
    """So no key of ours goes on with a slash where another one ends."""
    client.put(bucket, "a/1", b"below")
    assert client.keys(bucket) == ["a/1"]
    assert put(client, bucket, "a", b"above", **ABSENT) == (200, "")
    assert client.keys(bucket) == ["a"]
    assert client.keys(bucket, "a/") == []
    assert client.get(bucket, "a/1").body == b"below"
    client.delete(bucket, "a")
    assert client.keys(bucket) == []


def test_a_writer_that_stalls_inside_its_body_blocks_that_key_only(minio, client, bucket):
    """Why conditional bodies are small and go out in one burst."""
    client.put(bucket, "k", b"old")
    url = urllib.parse.urlsplit(minio.endpoint)
    body = b"x" * (1 << 20)
    headers = s3.signed_headers("PUT", url.netloc, f"/{bucket}/k", "", {"if-none-match": "*"}, body, *minio.credentials)
    stalled = http.client.HTTPConnection(url.netloc, timeout=30)
    stalled.putrequest("PUT", f"/{bucket}/k", skip_host=True, skip_accept_encoding=True)
    for name, value in {**headers, "content-length": str(len(body))}.items():
        stalled.putheader(name, value)
    stalled.endheaders(body[:1000])
    try:
        assert put(client, bucket, "other", b"body") == (200, "")
    finally:
        stalled.close()
    wait_until(lambda: client.get(bucket, "k").body == b"old")


def test_what_was_acknowledged_survives_a_kill_and_what_was_not_is_whole_or_absent(own_minio):
    minio = own_minio()
    bucket, client = minio.bucket(), minio.client()
    acknowledged, doubtful = [], []

    def write(writer):
        for n in range(100000):
            key = f"w{writer}/{n}"
            try:
                status = client.put(bucket, key, key.encode() * 100).status
            except (OSError, http.client.HTTPException):
                doubtful.append(key)
                return
            (acknowledged if status == 200 else doubtful).append(key)

    writers = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for writer in writers:
        writer.start()
    wait_until(lambda: len(acknowledged) >= 200, 120)
    minio.kill()
    for writer in writers:
        writer.join()
    minio.start()
    assert len(doubtful) >= 8
    for key in acknowledged:
        assert client.get(bucket, key).body == key.encode() * 100
    for key in doubtful:
        answer = client.get(bucket, key)
        assert answer.status == 404 or answer.body == key.encode() * 100
    assert set(client.keys(bucket)) - set(doubtful) == set(acknowledged)


def test_a_paused_server_answers_nothing_and_forgets_nothing(own_minio):
    minio = own_minio()
    bucket = minio.bucket()
    minio.client().put(bucket, "k", b"body")
    minio.pause()
    with pytest.raises(TimeoutError):
        minio.client(timeout=0.5).put(bucket, "k2", b"body", **ABSENT)
    minio.resume()
    client = minio.client()
    assert client.get(bucket, "k").body == b"body"
    wait_until(lambda: put(client, bucket, "k2", b"other", **ABSENT) == (412, "PreconditionFailed"))


def test_one_lost_drive_of_four_is_nothing(own_minio):
    minio = own_minio(drives=4)
    bucket, client = minio.bucket(), minio.client()
    client.put(bucket, "before", b"body")
    minio.lose_drive(1)
    assert client.get(bucket, "before").body == b"body"
    assert put(client, bucket, "while", b"body", **ABSENT) == (200, "")
    assert put(client, bucket, "while", b"body", **ABSENT) == (412, "PreconditionFailed")
    minio.return_drive(1)
    assert client.get(bucket, "while").body == b"body"


def test_two_lost_drives_of_four_leave_reads(own_minio):
    """Writes are refused with 503 and leave nothing; conditions never hold by accident."""
    minio = own_minio(drives=4)
    bucket, client = minio.bucket(), minio.client()
    client.put(bucket, "before", b"body")
    minio.lose_drive(1)
    minio.lose_drive(2)
    assert client.get(bucket, "before").body == b"body"
    for key in ("new", "before"):
        answer = client.put(bucket, key, b"body", **ABSENT)
        assert answer.status in (412, 503), answer
        assert answer.status == 503 or key == "before"
    minio.return_drive(1)
    minio.return_drive(2)
    wait_until(lambda: put(client, bucket, "after", b"body", **ABSENT) == (200, ""))
    assert client.get(bucket, "new").status == 404
    assert client.get(bucket, "before").body == b"body"


def test_a_delete_that_is_refused_may_happen_later(own_minio):
    """With two drives lost it leaves its marker on the others, which wins or loses when all are back. Until then a listing and a
    GET may contradict each other."""
    minio = own_minio(drives=4)
    bucket, client = minio.bucket(), minio.client()
    keys = [f"k{n}" for n in range(4)]
    for key in keys:
        client.put(bucket, key, b"body")
    minio.lose_drive(1)
    minio.lose_drive(2)
    assert {client.delete(bucket, key).code for key in keys} == {"SlowDownWrite"}
    minio.return_drive(1)
    minio.return_drive(2)
    wait_until(lambda: put(client, bucket, "healed", b"body") == (200, ""))
    read = [key for key in keys if client.get(bucket, key).status == 200]
    listed = [key for key in client.keys(bucket) if key in keys]
    assert (read, listed) != (keys, keys), "this store undoes what it refused: the effect of such a delete is none"


def test_a_delete_that_is_acknowledged_without_quorum_may_not_have_happened(own_minio):
    minio = own_minio(drives=4)
    bucket, client = minio.bucket(), minio.client()
    client.put(bucket, "k", b"body")
    for number in (1, 2, 3):
        minio.lose_drive(number)
    # 204 for the first second, 503 afterwards.
    assert client.delete(bucket, "k").status in (204, 503)
    for number in (1, 2, 3):
        minio.return_drive(number)
    wait_until(lambda: client.get(bucket, "k").status == 200)


def test_three_lost_drives_of_four_may_claim_absence(own_minio):
    """A store without quorum says 404, 403 or 503 of what is there. None of it is proof (I11), and all heals."""
    minio = own_minio(drives=4)
    bucket, client = minio.bucket(), minio.client()
    client.put(bucket, "before", b"body")
    for number in (1, 2, 3):
        minio.lose_drive(number)
    seen = {client.get(bucket, "before").status for _ in range(20)}
    assert seen <= {404, 403, 503} and seen
    answers = {client.put(bucket, key, b"other", **ABSENT).status for key in ("before", "new") for _ in range(5)}
    assert 200 not in answers, "a condition held although nobody could know"
    for number in (1, 2, 3):
        minio.return_drive(number)
    wait_until(lambda: client.get(bucket, "before").status == 200)
    assert client.get(bucket, "before").body == b"body"
    wait_until(lambda: put(client, bucket, "new", b"body", **ABSENT) == (200, ""))
