"""`akidb store check` on a real MinIO: what it says, what it makes, what it refuses, what it leaves behind."""

import json
import re

import pytest
from akidb import ROOT, run_cli

MANUAL = ROOT / "docs" / "operating" / "stores.md"


def check(minio, url, *flags, **environment):
    return run_cli("store", "check", url, *flags, **{**minio.akidb_environment(), **environment})


def checked(minio, url, *flags):
    """What it said in JSON, of a store that passed."""
    result = check(minio, url, "--json", *flags)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def results(said):
    return {each["name"]: each["result"] for each in said["checks"]}


def versions(minio, bucket):
    """Everything that ever was and still is in the bucket, delete markers too."""
    listed = minio.client().ok("GET", bucket, query={"versions": ""}).body
    return re.findall(rb"<Key>(.*?)</Key>", listed)


def test_a_bucket_with_versions_is_fit_for_several_nodes_and_left_empty(minio, bucket):
    said = checked(minio, f"s3://{bucket}/db")
    assert (said["store"], said["one_node"], said["several_nodes"], said["lock"]) == ("s3", True, True, False)
    assert said["bucket"] == {"name": bucket, "created": False, "versioning": "enabled", "object_lock": False}
    assert {name for name, result in results(said).items() if result != "ok"} == {"object_lock"}
    assert versions(minio, bucket) == []


def test_a_bucket_without_versions_is_fit_too(minio):
    bucket = minio.bucket(versioning=False)
    said = checked(minio, f"s3://{bucket}/db")
    assert said["several_nodes"] and said["bucket"]["versioning"] == "off"
    assert {name for name, result in results(said).items() if result != "ok"} == {"versioned_read", "object_lock"}
    assert minio.client().keys(bucket) == []


def test_a_missing_bucket_is_made_with_versioning(minio):
    result = check(minio, "s3://made-here/db")
    assert result.returncode == 3 and "made-here" in result.stderr and "--create-bucket" in result.stderr
    said = checked(minio, "s3://made-here/db", "--create-bucket")
    assert said["bucket"] == {"name": "made-here", "created": True, "versioning": "enabled", "object_lock": False}
    assert checked(minio, "s3://made-here/db", "--create-bucket")["bucket"]["created"] is False


def test_object_lock_is_made_with_the_bucket_tried_and_cleaned_up(minio):
    said = checked(minio, "s3://made-with-lock/db", "--create-bucket", "--lock")
    assert said["bucket"] == {"name": "made-with-lock", "created": True, "versioning": "enabled", "object_lock": True}
    assert said["lock"] and set(results(said).values()) == {"ok"}
    assert versions(minio, "made-with-lock") == []


def test_object_lock_is_not_to_be_had_later(minio, bucket):
    result = check(minio, f"s3://{bucket}/db", "--create-bucket", "--lock")
    assert result.returncode == 1 and "only be had when a bucket is created" in result.stderr
    assert versions(minio, bucket) == []


def test_credentials_that_may_not_lock_are_no_reason_to_refuse(minio):
    """Those of the manual: the lock cannot be tried with them, everything else can."""
    from test_minio import policy_of_the_manual
    bucket = minio.bucket(lock=True)
    keys = minio.client().assume_role(policy_of_the_manual(bucket))
    names = ("AKIDB_S3_ACCESS_KEY", "AKIDB_S3_SECRET_KEY", "AKIDB_S3__SESSION_TOKEN")
    result = check(minio, f"s3://{bucket}/db", "--json", **dict(zip(names, keys)))
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert said["several_nodes"] and results(said)["object_lock"] == "not_applicable"
    assert minio.client().keys(bucket) == []


@pytest.mark.parametrize("key", ["db", "db/catalog", "db/probe", "db/t/default/c"])
def test_a_foreign_object_above_our_keys_is_named(minio, bucket, key):
    minio.client().put(bucket, key, b"not ours")
    result = check(minio, f"s3://{bucket}/db")
    assert result.returncode == 1 and f"'{key}'" in result.stderr and "another prefix" in result.stderr
    assert versions(minio, bucket) == [key.encode()]


def test_a_directory_has_one_owner_and_no_versions(tmp_path):
    result = run_cli("store", "check", f"file:{tmp_path / 'store'}", "--json")
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert (said["store"], said["one_node"], said["several_nodes"], said["lock"]) == ("localfs", True, False, False)


def test_a_bucket_is_not_made_for_a_directory(tmp_path):
    result = run_cli("store", "check", f"file:{tmp_path / 'store'}", "--create-bucket")
    assert result.returncode == 2 and "s3://" in result.stderr
    assert not (tmp_path / "store").exists()


def table_of_the_manual(title):
    """The block below this heading, without what differs from run to run."""
    text = MANUAL.read_text()
    block = re.search(rf"^### {re.escape(title)}\n.*?^```text\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1]
    return without_times(block)


def without_times(text):
    return [re.sub(r"\s+\d[\d.]* (us|ms|s)\b", " -", line).split() for line in text.splitlines()]


def printed(result):
    assert result.returncode == 0, result.stderr
    return without_times(result.stdout)


@pytest.mark.parametrize("drives,title", [(1, "MinIO, one drive"), (4, "MinIO, four drives")])
def test_the_output_in_the_manual_is_what_minio_gets(own_minio, drives, title):
    minio = own_minio(drives=drives)
    assert printed(check(minio, "s3://vectors/db", "--create-bucket", "--lock")) == table_of_the_manual(title)


def test_the_output_in_the_manual_is_what_a_directory_gets(tmp_path):
    assert printed(run_cli("store", "check", f"file:{tmp_path / 'store'}")) == table_of_the_manual("A local directory")


def test_races_on_a_real_minio_have_one_winner(minio, bucket, request):
    rounds = 2000 if request.config.getoption("--slow") else 100
    said = checked(minio, f"s3://{bucket}/db", "--racers", "8", "--rounds", str(rounds))
    assert next(each for each in said["checks"] if each["name"] == "create_race")["detail"] == f"8 racers x {rounds} rounds"
