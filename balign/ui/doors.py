"""Which requests the server answers at all: an ASGI middleware that is asked before anything reads a request."""

import errno
import ipaddress
import json
import logging
import os
import re
import traceback
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import balign
from balign.host import limits, visitors
from balign.refusal import Refusal
from balign.ui import password, uploads
from balign.ui.frontpage import ASSET
from balign.ui.uploads import UPLOAD

log = logging.getLogger(__name__)
ROUTES = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|robots\.txt|manifest\.json|login(/huggingface|/callback)?|logout)/?"
    r"|/pwa_icon(/\d+)?|/(assets|static|svelte|files)/.+"
    r"|/gradio_api/((info|app_id|user|login_check|token|startup-events|theme\.css|cancel|reset|upload|upload_progress"
    r"|queue/join|queue/data)/?|heartbeat/[\w-]+|call/(v2/)?\w+(/\w+)?/?|file=.+"
    r"|mcp(/.*)?)"
)
"""What exists. Gradio's other routes (deep links, monitoring, recordings, proxies) are no part of the studio."""
HOST = re.compile(r"(?P<name>[a-z0-9_.-]+|\[(?P<v6>[0-9a-f:.]+)\])(:(?P<port>[1-9][0-9]{0,4}))?")
"""A Host header in small letters: no user, no zone, no empty port."""
PASSED = ("doors.py", "frontpage.py", "event_queue.py", "events.py")
"""The files through which every request or event goes."""
MCP = "/gradio_api/mcp"
BUSY = "{} presses or calls from your address are not answered yet; wait until they are, and try again."
UNREADABLE = "The request cannot be read; see the API page of the documentation for what is accepted."
MAX_BODY = 1_000_000
"""Bytes of a request that is no upload."""
SPACES = "https://huggingface.co https://*.hf.space"
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; worker-src 'self' blob:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors {frames}"
)
"""The page is gradio's, whose scripts stand in the html itself; nothing is fetched from, or sent to, elsewhere."""


class TooLong(Refusal):
    """A body has more bytes than are accepted."""


class Doors:
    """The middleware. Its answers to refused requests are one sentence as json."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.calls = Counter[str]()  # of MCP by address, which no queue of events counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["path"].startswith("//"):  # what a proxy leaves of `/balign/` where its own rule has no last slash
            scope = {**scope, "path": f"/{scope['path'].lstrip('/')}"}
        if scope["type"] != "http":  # nothing of the studio is a websocket
            return await send({"type": "websocket.close", "code": 1008})
        started: Headers | None = None

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                _protect(message, scope["path"])
                started = Headers(raw=message["headers"])
            await send(message)

        address = visitors.address(Request(scope))
        try:
            status, words = _refusal(scope, address)
            if not status and scope["path"].startswith(MCP) and limits.public():
                status, words = await self._call(scope, receive, answer, address)
            elif not status:
                await self.app(scope, _bounded(scope, receive), answer)
            if not status:
                return
        except Exception as error:
            events = started is not None and "event-stream" in started.get("content-type", "")
            if started is not None and not events:
                raise
            status, words = _failure(scope, error)
            if events:  # nothing but their end can be told any more
                return await send({"type": "http.response.body", "body": b""})
        await _tell(answer, status, words)

    async def _call(self, scope: Scope, receive: Receive, answer: Send, address: str) -> tuple[int, str]:
        """Answer a program's call, unless its address has as many open as it may."""
        if self.calls[address] >= limits.LIMITS.events:
            return 429, BUSY.format(limits.LIMITS.events)
        self.calls[address] += 1
        try:
            await self.app(scope, _bounded(scope, receive), answer)
        finally:
            self.calls[address] -= 1
            self.calls += Counter()  # drops who has none
        return 0, ""


def _refusal(scope: Scope, address: str) -> tuple[int, str]:
    """The status and the sentence that this request is refused with; 0 if it is not."""
    headers = Headers(scope=scope)
    upload = scope["path"].rstrip("/") == UPLOAD and scope["method"] == "POST"
    if not ROUTES.fullmatch(scope["path"]):
        return 404, "There is no such page."
    host = headers.get("host", "")
    if not limits.public() and not _this_machine(host):
        return 403, f"The host {host[:80]!r} is not known here; localhost, an address or a name in BALIGN_HOSTS is."
    # Strangers need no visitor's browser to use a public studio, unless it has a password, which the browser knows.
    if (not limits.public() or password.needed()) and not _same_page(headers, scope["method"]):
        return 403, "This request comes from another web page; the studio answers its own page and programs only."
    status, words = password.refusal(scope["path"], headers.get("authorization"), address)
    if status:
        return status, words
    length = headers.get("content-length", "none" if upload else "0")
    if not length.isdecimal() or int(length) > _most(scope["path"]):
        return 413, f"The request has {length[:20]} bytes; at most {_most(scope['path']):,} are accepted here."
    if upload and limits.public():
        try:
            uploads.admit(address, int(length))
        except Refusal as refusal:
            return 429, str(refusal)
    return 0, ""


def _listed() -> set[str]:
    return {name.strip() for name in os.environ.get("BALIGN_HOSTS", "").lower().split(",")} - {""}


def _this_machine(host: str) -> bool:
    """Whether a Host header names this machine. An address cannot be rebound; a name can, `x.localhost` too."""
    parts = HOST.fullmatch(host.lower())
    if not parts or int(parts["port"] or 1) > 65_535:
        return False
    if parts["name"] in {re.sub(r":\d+$", "", name) for name in _listed()} | {"localhost"}:
        return True
    try:
        ipaddress.IPv6Address(parts["v6"]) if parts["v6"] else ipaddress.IPv4Address(parts["name"])
    except ValueError:
        return False
    return True


def _same_page(headers: Mapping[str, str], method: str) -> bool:
    """Whether a request comes from the studio's own page, from a program, or from a link that somebody followed.

    A proxy may have another name than the host that it hands on: what stands in BALIGN_HOSTS is the page's own too,
    with its port, since another port of the same name is another program.
    """
    origin = urlsplit(headers.get("origin", f"//{headers.get('host', '')}"))
    if origin.netloc.lower() != headers.get("host", "").lower() and origin.netloc.lower() not in _listed():
        return False
    shown = ("document", "iframe") if os.environ.get("SPACE_ID") else ("document",)  # the hub frames its Spaces
    followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") in shown
    return headers.get("sec-fetch-site", "none") in ("none", "same-origin") or (followed and method == "GET")


def _most(path: str) -> int:
    return limits.LIMITS.upload_bytes if path.rstrip("/") == UPLOAD else MAX_BODY


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """The body as it comes, which ends with an error when it is longer than accepted, and counts if it is an upload."""
    left = _most(scope["path"])
    counted = scope["path"].rstrip("/") == UPLOAD and limits.public()

    async def read() -> Message:
        nonlocal left
        message = await receive()
        length = len(message.get("body", b""))
        left -= length
        if left < 0:
            raise TooLong(f"The request is longer than the {_most(scope['path']):,} bytes accepted here.")
        if counted and length:
            uploads.arrived(length)
        return message

    return read


def _failure(scope: Scope, error: Exception) -> tuple[int, str]:
    """What a request is answered whose handling failed. What gradio cannot read is a bad call, not a bug of ours."""
    if isinstance(error, Refusal):
        return 413 if isinstance(error, TooLong) else 429, str(error)
    status, words = of_the_machine(error)
    if status:
        log.warning("%s %.200r failed: %s", scope["method"], scope["path"], getattr(error, "strerror", ""))
        return status, words
    if ours(error):
        log.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
        return 500, "Something went wrong in balign itself; the server's log has the details."
    log.warning("bad request %s %.200r: %s", scope["method"], scope["path"], type(error).__name__)
    return 400, UNREADABLE


def of_the_machine(error: Exception) -> tuple[int, str]:
    """The status and the sentence for what the machine could not do; 0 for any other error.

    A name that is too long is what somebody asked for.
    """
    if not isinstance(error, OSError) or error.errno in (None, errno.ENAMETOOLONG):
        return 0, ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return 507, "The disk is full; come back later."
    return 503, "The machine cannot do this at the moment; come back later."


def ours(error: Exception) -> bool:
    """Whether an error came out of code of this package, beside that which every request or event passes."""
    files = {Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)}
    files -= {Path(__file__).with_name(name) for name in PASSED}
    return any(file.is_relative_to(Path(balign.__file__).parent) for file in files)


def _protect(message: Message, path: str) -> None:
    """Headers of every answer: what a page may fetch, who may frame it, no guessing of kinds.

    Gradio's scripts and style sheets, of which a page has seventy, are no pages and obey the page's policy, and so need
    the last alone.
    """
    headers = MutableHeaders(scope=message)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    if ASSET.fullmatch(path) and message["status"] == 200:
        return
    frames = f"'self' {SPACES}" if os.environ.get("SPACE_ID") else "'self'"
    headers.setdefault("Content-Security-Policy", POLICY.format(frames=frames))
    headers.setdefault("Referrer-Policy", "same-origin")
    if not os.environ.get("SPACE_ID"):
        headers.setdefault("X-Frame-Options", "SAMEORIGIN")


async def _tell(send: Send, status: int, words: str) -> None:
    body = json.dumps({"error": words, "detail": words}).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        head.append((b"www-authenticate", password.CHALLENGE.encode()))
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
