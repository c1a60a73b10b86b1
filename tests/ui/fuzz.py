"""Hostile requests to a server: every route, each with paths, queries, headers and bodies that no page would send."""

import contextlib
import http.client
import json
import random
import re
import secrets
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.ui.hostile import HOSTILE, TEXTS

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
FOREIGN = (
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Host": "evil.example"},
    {"Host": "x.localhost"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
)
"""What a browser sends along for the page of somebody else."""
HEADERS: tuple[dict[str, str], ...] = (
    {"Range": "bytes=0-,5-1,-9999999"}, {"Range": "bytes=" + "0-1," * 900}, {"If-None-Match": '"' * 99},
    {"Cookie": "access-token=x; access-token-unsecure=\xff"}, {"Authorization": "Bearer \xff"}, {"Accept": "\xff"},
    {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher"}, {"X-Forwarded-For": "%s" * 50},
    {"Content-Encoding": "gzip"}, {"Content-Type": "multipart/form-data"}, {"X-Gradio-User": "app"},
    {"Content-Type": "multipart/form-data; boundary=b"}, {"Content-Type": "application/json; charset=utf-9"},
    {"Content-Type": "\xff/\xff"}, {"Mcp-Session-Id": "none"}, {"Accept": "application/json, text/event-stream"},
    {"X-HF-Authorization": "x"}, {"X-IP-Token": "x.y.z"}, {"Upgrade": "websocket", "Connection": "Upgrade"},
)  # fmt: skip
DEEP = "[" * 5_000 + "]" * 5_000
FILES: tuple[Any, ...] = (
    {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
    {"path": "../../etc/passwd", "url": "file:///etc/passwd", "meta": {"_type": "gradio.FileData"}},
    {"path": "http://127.0.0.1:1/x", "url": "http://127.0.0.1:1/x", "meta": {"_type": "gradio.FileData"}},
    {"path": None, "meta": {"_type": "gradio.FileData"}},
)
RPC = ("initialize", "tools/call", "tools/list", "resources/read", "prompts/get", "logging/setLevel", "no/such", "")
STEP = ("__class__", "data", "fn_index", "session_hash", "event_id", "trigger_id", "event_data", "simple_format")
VALUES = tuple(v for v in (*HOSTILE, *FILES) if not isinstance(v, bytes) and (not isinstance(v, str) or len(v) < 5_000))


class Heard(NamedTuple):
    """An answer: its status, and all of it as bytes, headers too."""

    status: int
    body: bytes


def ask(port: int, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Heard:
    """Send a request as it is; of an answer that never ends only the beginning is waited for."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        given = {"Host": f"127.0.0.1:{port}"} | (headers or {})
        given |= {} if body is None else {"Content-Length": str(len(body))}
        for name, value in given.items():
            connection.putheader(name, value.encode("latin-1"))
        connection.endheaders(body)
        answer = connection.getresponse()
        head, read = str(answer.headers).encode("utf-8", "replace"), b""
        if "event-stream" in answer.headers.get("content-type", ""):
            connection.sock.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            while len(read) < 3_000_000 and (piece := answer.read1(65_536)):
                read += piece
        return Heard(answer.status, head + read)
    finally:
        connection.close()


class Fuzz:
    """A stream of requests that follows from its seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def path(self, route: str) -> str:
        """The route's path with a hostile value in each of its parameters, now and then misspelt, and with a query."""
        path = re.sub(r"\{[^}]*\}", lambda _: self._part(), route)
        if self.chance.random() < 0.1:
            path = self.chance.choice(("/" + path, path + "/", path + "%00", path + ";x", path.upper(), path + "/.."))
        if self.chance.random() < 0.4:
            names = ("session_hash", "run", "key", "__theme", "view", "page", "deep_link", "upload_id", "event_id", "x")
            query = {self.chance.choice(names): self._part() for _ in range(self.chance.randrange(1, 4))}
            path += "?" + "&".join(f"{name}={value}" for name, value in query.items())
        return path[:8_000]

    def body(self) -> bytes | None:
        kinds = (None, b"", b"{", b"\xff\xfe", b"null", b"[1]", b'"x"', DEEP.encode(), b'{"a":' * 3_000, b"1" * 5_000)
        kind = self.chance.randrange(6)
        if kind < 2:
            return self.chance.choice(kinds)
        if kind == 2:
            name = self.chance.choice(("a.zip", "../../x", "%00", "\x1b[2J", "x" * 300, ""))
            part = f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\nx\r\n--b--'
            return part.encode()[: self.chance.randrange(5, 400)]
        if kind == 3:
            asked = {"jsonrpc": "2.0", "id": self.value(), "method": self.chance.choice(RPC)}
            return json.dumps(asked | {"params": {"name": self.value(), "arguments": self.value()}}).encode()
        return json.dumps({name: self.value() for name in self.chance.sample(STEP, 4)}).encode()

    def headers(self) -> dict[str, str]:
        json_body = {"Content-Type": "application/json"} if self.chance.random() < 0.7 else {}
        return json_body | (self.chance.choice(HEADERS) if self.chance.random() < 0.5 else {})

    def value(self) -> Any:
        return self.chance.choice(VALUES)

    def event(self, number: int, inputs: int) -> dict[str, Any]:
        """An event of the page, with values that are none, too few or too many of them."""
        count = inputs if self.chance.random() < 0.8 else self.chance.randrange(20)
        asked: dict[str, Any] = {"data": [self._typed() for _ in range(count)], "fn_index": number}
        more = {name: self.value() for name in ("event_data", "trigger_id", "event_id", "batched") if self._rarely()}
        return asked | more

    def _typed(self) -> Any:
        store = {"run": self.value(), "owner": self.value()}
        return self.chance.choice((self.value(), self.value(), store, None, 1, "cat", {"path": self.value()}))

    def _rarely(self) -> bool:
        return self.chance.random() < 0.05

    def _part(self) -> str:
        raw = (
            "..",
            "..%2f..%2fetc%2fpasswd",
            "%252e%252e",
            "%ff%fe",
            "%",
            "x",
            "start",
            "handle",
            "app",
            "0",
            "%0d%0aX:y",
        )
        if self.chance.random() < 0.5:
            return self.chance.choice(raw)
        return urllib.parse.quote(self.chance.choice(TEXTS)[:2_000].encode("utf-8", "surrogatepass"), safe="")


def events(port: int, asked: list[dict[str, Any]]) -> Iterator[Heard]:
    """The answers to events of one page: what joining said, and what came of those that were let in."""
    session, waiting = secrets.token_hex(5), 0
    for one in asked:
        body = json.dumps(one | {"session_hash": session}).encode()
        joined = ask(port, "POST", "/gradio_api/queue/join", {"Content-Type": "application/json"}, body)
        waiting += joined.status == 200
        yield joined
    if waiting:
        connection, until = http.client.HTTPConnection("127.0.0.1", port, timeout=60), time.monotonic() + 60
        connection.request("GET", f"/gradio_api/queue/data?session_hash={session}")
        answer, read = connection.getresponse(), b""
        while waiting > read.count(b'"process_completed"') and (piece := answer.read1(65_536)):
            read += piece
            assert time.monotonic() < until, "events were not answered"
        connection.close()
        assert waiting == read.count(b'"process_completed"'), read[-500:]
        yield Heard(answer.status, read)
