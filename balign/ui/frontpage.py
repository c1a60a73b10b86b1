"""The front page: `/` and `/config` are cached, and the page finds its server under whatever path it was opened.

Both are the same for every visitor.

Gradio builds both again for each visitor: with thirty of them that doubles the server's part of a core and takes 75 ms
where the cache takes 10 (`benchmarks/load.py`, "browse"). Both depend only on the address under which the studio was
requested, which proxies tell in headers, so every header that is not known to be without influence is part of the key.
"""

import re
from collections import OrderedDict

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATHS = ("/", "/config")
KEPT = 16
"""How many answers are kept; anybody can ask under as many names as they like."""
IDLE = frozenset(
    b"accept accept-encoding accept-language authorization cache-control connection cookie dnt origin pragma "
    b"priority referer te upgrade-insecure-requests user-agent via x-amzn-trace-id x-forwarded-for x-real-ip "
    b"x-request-id".split()
)
"""Headers, beside sec-*, on which neither answer depends: who has the password sees the same page."""
PREFIX = re.compile(r"(/[A-Za-z0-9._~-]{1,60}){1,8}", re.ASCII)
"""The path that a proxy has taken off, as it names it in X-Forwarded-Prefix."""
CONFIG = b"<script>window.gradio_api_info = "
"""What follows gradio's own address of the server in the page."""
ROOT = re.compile(rb'const root = "[^"]*";')
HERE = b"""<script>(() => {
  const path = location.pathname;
  if (!path.endsWith("/")) location.replace(`${path}/${location.search}${location.hash}`);
  for (const name of ["localStorage", "sessionStorage"]) {
    try {
      window[name].getItem("");
    } catch {
      const kept = new Map();
      const value = {
        getItem: (key) => kept.get(String(key)) ?? null,
        setItem: (key, text) => kept.set(String(key), String(text)),
        removeItem: (key) => kept.delete(String(key)),
        clear: () => kept.clear(),
        key: (k) => [...kept.keys()][k] ?? null,
        get length() { return kept.size; },
      };
      Object.defineProperty(window, name, { value, configurable: true });
      window.balignForgets = true;
    }
  }
  window.gradio_config.root = location.origin + path.replace(/\\/+$/, "");
})();</script>"""
"""Whatever a proxy takes off the path, the server is where the page is; its files are found only below a last slash.

Where storage is blocked gradio would not start: the page gets one that lasts until it is closed, and knows it.
"""
Key = tuple[object, ...]


class Frontpage:
    """ASGI middleware, within the one that compresses."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.kept: OrderedDict[Key, list[Message]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = _key(scope)
        known = self.kept.get(key) if key else None
        if known:
            for message in known:
                await send(_copied(message))
            return
        if scope["type"] != "http" or scope["path"] not in PATHS:
            return await self.app(scope, receive, send)
        told: list[Message] = []

        async def tell(message: Message) -> None:
            told.append(dict(message))

        await self.app(_prefixed(scope), receive, tell)
        told = _found_here(told) if scope["path"] == "/" else told
        if key and _whole(told):
            self.kept[key] = told
            if len(self.kept) > KEPT:
                self.kept.popitem(last=False)
        for message in told:
            await send(_copied(message))


def _copied(message: Message) -> Message:
    """The message, whose headers those who pass it on may change."""
    return {**message, "headers": [*message["headers"]]} if "headers" in message else dict(message)


def _prefixed(scope: Scope) -> Scope:
    """The request with the path that a proxy says it has taken off, from which gradio tells programs its address."""
    prefix = Headers(scope=scope).get("x-forwarded-prefix", "").rstrip("/")
    return {**scope, "root_path": prefix} if PREFIX.fullmatch(prefix) else scope


def _found_here(told: list[Message]) -> list[Message]:
    """The page, which takes its own address for that of the server."""
    body = b"".join(message.get("body", b"") for message in told)
    if not told or CONFIG not in body:
        return told
    body = ROOT.sub(b"const root = window.gradio_config.root;", body.replace(CONFIG, HERE + CONFIG, 1), count=1)
    start = dict(told[0])
    start["headers"] = [(n, v) for n, v in start["headers"] if n.lower() != b"content-length"]
    start["headers"].append((b"content-length", str(len(body)).encode()))
    return [start, {"type": "http.response.body", "body": body}]


def _key(scope: Scope) -> Key | None:
    """What the answer depends on; None for requests that are none of ours. A query is of no account but for `run`."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in PATHS:
        return None
    query: bytes = scope["query_string"]
    if query and (not query.startswith(b"run=") or b"&" in query or b";" in query):
        return None
    heads = sorted((n, v) for n, v in scope["headers"] if n not in IDLE and not n.startswith(b"sec-"))
    return scope["path"], scope["scheme"], scope.get("root_path", ""), *heads


def _whole(told: list[Message]) -> bool:
    """Whether this is a good answer to its end that is for nobody in particular."""
    if not told or told[0].get("status") != 200 or any(name == b"set-cookie" for name, _ in told[0]["headers"]):
        return False
    return told[-1]["type"] == "http.response.body" and not told[-1].get("more_body")
