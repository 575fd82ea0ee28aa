"""The S3 requests that tests send beside AkiDB's: signed (SigV4), one at a time, with nothing hidden and nothing repeated."""

import base64
import datetime
import hashlib
import hmac
import http.client
import json
import re
import ssl
import urllib.parse
import xml.etree.ElementTree as ElementTree

REGION = "us-east-1"


def quoted(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "-_.~")


def signed_headers(method, host, path, query, headers, body, access_key, secret_key, region=REGION, service="s3"):
    """The headers of a request, with those that SigV4 wants. `path` and `query` are quoted already."""
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    headers = {**{k.lower(): v for k, v in headers.items()}, "host": host, "x-amz-date": stamp, "x-amz-content-sha256": digest}
    names = sorted(headers)
    canonical = "\n".join([method, path, query, *(f"{n}:{headers[n].strip()}" for n in names), "", ";".join(names), digest])
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    key = ("AWS4" + secret_key).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={';'.join(names)}, "
                                f"Signature={hmac.new(key, text.encode(), 'sha256').hexdigest()}")
    return headers


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, {k.lower(): v for k, v in headers}, body

    @property
    def code(self):
        """S3's word for the error, empty without one."""
        found = re.search(rb"<Code>(\w+)</Code>", self.body)
        return found[1].decode() if found else ""

    @property
    def version_id(self):
        return self.headers.get("x-amz-version-id", "")

    @property
    def etag(self):
        return self.headers.get("etag", "")

    def __repr__(self):
        return f"<{self.status} {self.code or self.body[:80]!r}>"


class Client:
    """One endpoint and one pair of keys. Every call is a connection of its own, so that none depends on the one before."""

    def __init__(self, endpoint, access_key, secret_key, region=REGION, ca_file=None, timeout=30):
        self.endpoint, self.access_key, self.secret_key, self.region = endpoint, access_key, secret_key, region
        self.ca_file, self.timeout = ca_file, timeout

    def request(self, method, bucket="", key="", query=None, headers=None, body=b""):
        url = urllib.parse.urlsplit(self.endpoint)
        path = "/" + quoted(f"{bucket}/{key}" if key else bucket, "/")
        query = "&".join(f"{quoted(k)}={quoted(v)}" for k, v in sorted((query or {}).items()))
        signed = signed_headers(method, url.netloc, path, query, headers or {}, body, self.access_key, self.secret_key, self.region)
        return self.send(method, path + ("?" + query if query else ""), body, signed)

    def send(self, method, target, body, headers):
        url = urllib.parse.urlsplit(self.endpoint)
        if url.scheme == "https":
            connection = http.client.HTTPSConnection(url.netloc, timeout=self.timeout, context=ssl.create_default_context(cafile=self.ca_file))
        else:
            connection = http.client.HTTPConnection(url.netloc, timeout=self.timeout)
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def ok(self, method, *arguments, **more):
        answer = self.request(method, *arguments, **more)
        assert answer.status < 300, f"{method} {arguments}: {answer.status} {answer.body[:500]}"
        return answer

    def create_bucket(self, name, versioning=True, lock=False):
        self.ok("PUT", name, headers={"x-amz-bucket-object-lock-enabled": "true"} if lock else {})
        if versioning and not lock:
            self.ok("PUT", name, query={"versioning": ""},
                    body=b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
        return name

    def put(self, bucket, key, body, if_none_match=None, if_match=None, **headers):
        conditions = {"If-None-Match": if_none_match, "If-Match": if_match}
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        return self.request("PUT", bucket, key, body=body,
                            headers={"content-md5": md5, **{k: v for k, v in conditions.items() if v}, **headers})

    def get(self, bucket, key, version_id=None, **headers):
        return self.request("GET", bucket, key, query={"versionId": version_id} if version_id else {}, headers=headers)

    def head(self, bucket, key):
        return self.request("HEAD", bucket, key)

    def delete(self, bucket, key, version_id=None, **headers):
        return self.request("DELETE", bucket, key, query={"versionId": version_id} if version_id else {}, headers=headers)

    def assume_role(self, policy):
        """Access key, secret key and session token that may do what the policy (a dict) allows, for an hour."""
        body = urllib.parse.urlencode({"Action": "AssumeRole", "Version": "2011-06-15", "Policy": json.dumps(policy)}).encode()
        url = urllib.parse.urlsplit(self.endpoint)
        signed = signed_headers("POST", url.netloc, "/", "", {"content-type": "application/x-www-form-urlencoded"}, body,
                                self.access_key, self.secret_key, self.region, service="sts")
        answer = self.send("POST", "/", body, signed)
        assert answer.status == 200, answer.body
        return tuple(re.search(rb"<%s>(.*?)</" % name, answer.body)[1].decode() for name in (b"AccessKeyId", b"SecretAccessKey", b"SessionToken"))

    def versions(self, bucket, prefix=""):
        """The key of every version and delete marker under the prefix, at most 1,000."""
        page = ElementTree.fromstring(self.ok("GET", bucket, query={"versions": "", "prefix": prefix}).body)
        name = page.tag.removesuffix("ListVersionsResult")
        return [each.findtext(f"{name}Key") for each in page if each.tag in (f"{name}Version", f"{name}DeleteMarker")]

    def keys(self, bucket, prefix=""):
        """Every key under the prefix."""
        found, token = [], None
        while True:
            query = {"list-type": "2", "prefix": prefix, **({"continuation-token": token} if token else {})}
            page = ElementTree.fromstring(self.ok("GET", bucket, query=query).body)
            name = page.tag.removesuffix("ListBucketResult")
            found += [each.findtext(f"{name}Key") for each in page.iter(f"{name}Contents")]
            token = page.findtext(f"{name}NextContinuationToken")
            if not token:
                return found
