"""Send the page and its scripts from memory, compressed, with a head of ours; it finds its server under any path.

Gradio makes `/` and `/config` anew for every visitor, in 75 ms where memory takes 10 (`benchmarks/load.py`, "browse"),
sends 260 kB where 40 are enough (`benchmarks/weight.py`), and calls every link "Gradio". Both depend only on the
address under which the studio was requested, which proxies tell in headers, so every header that is not known to be
without influence is part of the key. What a link shows of a run depends on that run besides.
"""

import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import Iterable
from urllib.parse import parse_qs

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from balign.host import status
from balign.markup.render import render
from balign.runs.folder import find
from balign.ui import run_title
from balign.ui.compressed import Compressed

PATHS = ("/", "/config")
ASSET = re.compile(r"/assets/[\w.-]+\.(js|css)")
"""Gradio's scripts and style sheets, which are files whose names change with their contents."""
KEPT = 96
"""How many answers are kept; anybody can ask under as many names as they like."""
IDLE = frozenset(
    b"accept accept-encoding accept-language authorization cache-control connection cookie dnt if-none-match origin "
    b"pragma priority referer te upgrade-insecure-requests user-agent via x-amzn-trace-id x-forwarded-for x-real-ip "
    b"x-request-id".split()
)
"""Headers, beside sec-*, on which neither answer depends: who has the password sees the same page."""
PREVIEW = re.compile(r'\s*<meta\s+(?:property="og:|name="twitter:)[^>]*>')
FRAMED = re.compile(r"\s*script\.src = new URL\([^;]*iframeResizer[^;]*;\s*script\.async = true;[^;]*;")
"""Where it loads what tells a frame around it how tall it is; only the hub frames the studio."""
ROOT = re.compile(r'const root = "([^"<>]*)"')
"""The address under which the page was requested, as gradio understood the headers."""
PREFIX = re.compile(r"(/[A-Za-z0-9._~-]{1,60}){1,8}", re.ASCII)
"""The path that a proxy has taken off, as it names it in X-Forwarded-Prefix."""
CONFIG = re.compile(r"<script\b[^<]*window\.gradio_api_info = ")
"""What follows gradio's own address of the server in the page."""
Key = tuple[object, ...]


class Frontpage:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.made: OrderedDict[Key, list[Message]] = OrderedDict()
        self.compressed = Compressed()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = _key(scope)
        if key is None and (scope["type"] != "http" or scope["path"] not in PATHS):
            return await self.app(scope, receive, send)
        told = (self.made.get(key) if key else None) or await self._ask(key, scope, receive)
        if _whole(told) and scope["method"] == "GET":
            told = await self._ours(key, told, scope)
        for message in told:
            await send(_copied(message))

    async def _ask(self, key: Key | None, scope: Scope, receive: Receive) -> list[Message]:
        """Gradio's answer, kept if it is a good one to a request that anybody may make."""
        told: list[Message] = []

        async def tell(message: Message) -> None:
            told.append(dict(message))

        await self.app(_prefixed(scope), receive, tell)
        if key and _whole(told):
            self.made[key] = told
            if len(self.made) > KEPT:
                self.made.popitem(last=False)
        return told

    def _fetched(self) -> dict[str, str]:
        """The scripts and style sheets that pages have asked for, so that the next page gets all of them at once.

        A style sheet that can stand in the page itself comes with its text: thirty requests cost more than they bring.
        """
        files = {str(path): _body(told) for (path, *rest), told in self.made.items() if not rest}
        alone = {path for path, text in files.items() if path.endswith(".css") and b"url(" not in text}
        return {path: text.decode() if path in alone else "" for path, text in files.items()}

    async def _ours(self, key: Key | None, told: list[Message], scope: Scope) -> list[Message]:
        """The same with our head, compressed for who takes that."""
        body, tag = _body(told), ""
        if scope["path"] == "/":
            head = await run_in_threadpool(_head, scope, body.decode(), self._fetched())
            body = _with_head(_found_here(body.decode()), head).encode()
        start = {"type": told[0]["type"], "status": told[0]["status"], "headers": list(told[0]["headers"])}
        headers = MutableHeaders(scope=start)
        headers["vary"] = "accept-encoding"
        if ASSET.fullmatch(scope["path"]):  # its name says which it is, for good; 70 such headers are 6 kB
            for name in ("last-modified", "etag", "accept-ranges"):
                del headers[name]
            headers["cache-control"] = "public, max-age=31536000, immutable"
        else:
            headers["etag"] = tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
            if Headers(scope=scope).get("if-none-match") == tag:
                del headers["content-length"]
                return [start | {"status": 304}, {"type": "http.response.body", "body": b""}]
        if key and "br" in Headers(scope=scope).get("accept-encoding", ""):
            body = await run_in_threadpool(self.compressed.of, (*key, tag), body)
            headers["content-encoding"] = "br"
        headers["content-length"] = str(len(body))
        return [start, {"type": "http.response.body", "body": body}]


def _body(told: list[Message]) -> bytes:
    return b"".join(message.get("body", b"") for message in told[1:])


def _head(scope: Scope, body: str, fetched: dict[str, str]) -> str:
    """Preview of a link, by the run that it opens, else of the studio; and the scripts the page will ask for."""
    asked = parse_qs(scope["query_string"].decode("latin-1")).get("run", [""])[0]
    run, root = find(asked), ROOT.search(body)
    view = status.look(run) if run else None
    return render(
        "ui/link.html",
        root=root[1] if root else "",
        fetched=[(f".{path}", Markup(text)) for path, text in fetched.items() if f".{path}" not in body],
        run=run,
        title=run_title.title(view) if view else "",
        words=run_title.words(view) if view else "",
        pictured=view is not None and view.report is not None,
    )


def _copied(message: Message) -> Message:
    """The message, whose headers those who pass it on may change."""
    return {**message, "headers": [*message["headers"]]} if "headers" in message else dict(message)


def _prefixed(scope: Scope) -> Scope:
    """The request with the path that a proxy says it has taken off, from which gradio tells programs its address."""
    prefix = Headers(scope=scope).get("x-forwarded-prefix", "").rstrip("/")
    return {**scope, "root_path": prefix} if PREFIX.fullmatch(prefix) else scope


def _found_here(body: str) -> str:
    """The page, which takes its own address for that of the server."""
    config = CONFIG.search(body)
    if config is None:
        return body
    body = f"{body[: config.start()]}{render('ui/here.html')}{body[config.start() :]}"
    return ROOT.sub("const root = window.gradio_config.root", body, count=1)


def _with_head(body: str, head: str) -> str:
    """Gradio's page with this in the place of its own preview, and something to see while its scripts are fetched."""
    start, end, rest = body.partition("</head")
    begin, app, tail = rest.partition("<gradio-app")
    lines = PREVIEW.sub("", start)
    lines = lines if os.environ.get("SPACE_ID") else FRAMED.sub("", lines)
    return f"{lines}{head}{end}{begin}{render('ui/skeleton.html')}{app}{tail}" if end and app else body


def _key(scope: Scope) -> Key | None:
    """What the answer depends on; None for requests that are none of ours. A query is of no account but for `run`."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    if ASSET.fullmatch(scope["path"]):
        partly = any(name in (b"range", b"if-none-match", b"if-modified-since") for name, _ in scope["headers"])
        return None if partly else (scope["path"],)
    if scope["path"] not in PATHS:
        return None
    query: bytes = scope["query_string"]
    if query and (not query.startswith(b"run=") or b"&" in query or b";" in query):
        return None
    heads: Iterable[tuple[bytes, bytes]] = scope["headers"]
    matter = sorted((name, value) for name, value in heads if name not in IDLE and not name.startswith(b"sec-"))
    return scope["path"], scope["scheme"], scope.get("root_path", ""), *matter


def _whole(told: list[Message]) -> bool:
    """Whether this is a good answer to its end that is for nobody in particular."""
    if not told or told[0].get("status") != 200 or any(name == b"set-cookie" for name, _ in told[0]["headers"]):
        return False
    return told[-1]["type"] == "http.response.body" and not told[-1].get("more_body")
