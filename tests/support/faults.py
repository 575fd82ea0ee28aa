"""Faults of a connection between a client and a store, and when they strike.

A rule says which requests it is for and what happens to them. It counts the requests that match it and nothing else decides,
so a test that sends the same requests meets the same faults, however fast the machine is.
"""

import dataclasses
import re
import threading


class Fault:
    """What happens to one request and its answer. The base class lets both pass; faults say what they change."""

    request_bytes_max = None  # of head and body together; then the connection is reset
    answer_bytes_max = None   # of head and body together; then the connection ends as `end` says
    end = "reset"             # or "close": an orderly end; or "silence": it stays open and nothing more comes
    own_answer = None         # bytes that are sent instead of asking the store
    flipped_byte = None       # index in the answer's body
    body_bytes_max = None     # of the answer's body
    released = None           # an event: the request is forwarded only then, and its client is reset at once


@dataclasses.dataclass
class Reset(Fault):
    """A reset after so many bytes of the request (0: the store never hears of it) or of the answer (0: it was carried out)."""
    after_request_bytes: int | None = None
    after_answer_bytes: int | None = None

    def __post_init__(self):
        assert (self.after_request_bytes is None) != (self.after_answer_bytes is None), "say which of the two"
        self.request_bytes_max, self.answer_bytes_max = self.after_request_bytes, self.after_answer_bytes


class LostAnswer(Fault):
    """The store carried it out and answered; the client gets a reset. It cannot know."""
    answer_bytes_max = 0


class Silence(Fault):
    """The store carried it out and answered; the client waits for ever."""
    answer_bytes_max = 0
    end = "silence"


@dataclasses.dataclass
class TruncatedBody(Fault):
    """So many bytes of a body whose head promised more, then an orderly end."""
    body_bytes_max: int
    end = "close"


@dataclasses.dataclass
class FlippedByte(Fault):
    """One byte of the answer's body is another one."""
    flipped_byte: int = 0


class Answered(Fault):
    """Somebody else answers: a store that is overloaded, or a proxy that was not meant to be there."""

    def __init__(self, status, body=b"", reason="Answered", **headers):
        body = body.encode() if isinstance(body, str) else body
        head = {"Content-Length": len(body), **{name.replace("_", "-"): value for name, value in headers.items()}}
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in head.items())]
        self.own_answer = "\r\n".join([*lines, "", ""]).encode() + body


class Late(Fault):
    """The client is reset at once; the store gets the whole request when the test calls release(), which may be an hour later."""

    def __init__(self):
        self.released = threading.Event()
        self.landed = threading.Event()

    def release(self, timeout=30):
        self.released.set()
        assert self.landed.wait(timeout), "the store did not answer the late request"


def slow_down(retry_after=None):
    """How S3 says that it is overloaded."""
    body = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'
    headers = {"Content_Type": "application/xml", **({"Retry_After": retry_after} if retry_after is not None else {})}
    return Answered(503, body, "Slow Down", **headers)


@dataclasses.dataclass
class Rule:
    """After `skip` matches the fault strikes one in `every`, the first at once, `count` times; count None: for ever."""
    fault: Fault
    method: str = ""
    target: str = ""  # a regular expression that is searched in path and query
    skip: int = 0
    count: int | None = 1
    every: int = 1
    matched: int = 0
    struck: int = 0

    def strikes(self, method, target):
        if (self.method and method != self.method) or not re.search(self.target, target):
            return False
        self.matched += 1
        if self.matched <= self.skip or (self.count is not None and self.struck >= self.count):
            return False
        if (self.matched - self.skip - 1) % self.every != 0:
            return False
        self.struck += 1
        return True
