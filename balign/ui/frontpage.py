"""Cache `/` and `/config`, which are the same for every visitor.

Gradio builds both again for each visitor: with thirty of them that doubles the server's part of a core and takes 75 ms
where the cache takes 10 (`benchmarks/load.py`, "browse"). Both depend only on the address under which the studio was
requested, which proxies tell in headers, so every header that is not known to be without influence is part of the key.
"""

from collections import OrderedDict

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
                await send(dict(message))
            return
        told: list[Message] = []

        async def tell(message: Message) -> None:
            if key:
                told.append(dict(message))
            await send(message)

        await self.app(scope, receive, tell)
        if key and _whole(told):
            self.kept[key] = told
            if len(self.kept) > KEPT:
                self.kept.popitem(last=False)


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
