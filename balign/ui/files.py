"""Serve the files of runs: a few kinds and the zip of them, by run id, from that run's folder only."""

import logging
import re
from functools import partial
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from balign.host import status, visitors
from balign.host.limits import public
from balign.refusal import Refusal
from balign.runs.folder import Run, find
from balign.runs.outcome import bundle
from balign.runs.outcome.link_card import link_card
from balign.runs.outcome.sheet import Side, sheet
from balign.runs.tryout import ballots
from balign.runs.tryout.exports import MADE
from balign.stored_zip import Pieces
from balign.ui import run_title

log = logging.getLogger(__name__)
PICTURE = r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,80}\.png"
NAME = "[A-Za-z0-9_-]{1,40}"
IMAGES = re.compile(rf"(previews|drawn|images/(own-[0-9a-f]{{12}}/)?(before|after|reference))/{PICTURE}")
DRAWN = re.compile(rf"(strength|probes|(tries|votes)/{NAME}|attacks(/{NAME}){{3}})/{PICTURE}")
EXPORTED = re.compile(r"exports/strength-\d\.\d\d\.safetensors")
"""The changed weights at another strength."""
WEIGHTS, VOTES = bundle.WEIGHTS, ballots.VOTES
PICTURES_CSV, STEPS_CSV = bundle.PICTURES_CSV, bundle.STEPS_CSV
TABLES = (PICTURES_CSV, STEPS_CSV)
"""Tables that are made as they are asked for."""
DOWNLOADS = {
    "report.html": "text/html; charset=utf-8",
    "report.json": "application/json",
    WEIGHTS: "application/octet-stream",
    VOTES: "text/csv; charset=utf-8",
}
BUNDLE = "bundle.zip"
"""The whole run as one file, made as it is sent."""
RANGE = re.compile(r"bytes=(?=\d|-\d)(\d{0,18})-(\d{0,18})")
"""One part of a file. Whoever asks for several gets the whole, as is allowed."""
MISSING = (404, "There is no such file.")
RECHECKED, KEPT = {"Cache-Control": "no-cache"}, {"Cache-Control": "private, max-age=31536000, immutable"}
"""How long a browser may keep an answer: until it has asked whether that changed, or for good."""
LOCKED = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""The content security policy of every file: a report is a page that may run nothing and fetch nothing."""


def url(run: Run, name: str) -> str:
    """The address of a run's file, relative to the page so that it holds behind a proxy; empty if it is not served.

    A picture's tells when it was written, so that a browser need never ask again for one that it has.
    """
    path = run.file(name) if IMAGES.fullmatch(name) else None
    version = f"?v={path.stat().st_mtime_ns:x}" if path else ""
    return f"files/{run.id}/{name}{version}" if allowed(name) else ""


def keyed(run: Run, name: str) -> str:
    """The same with the owner's key, without which a public instance does not serve what only the owner may have."""
    return f"{url(run, name)}?key={visitors.key(run)}" if public() and private(name) else url(run, name)


def allowed(name: str) -> bool:
    """Whether a browser may ask for a file of this name."""
    return name in DOWNLOADS or name in TABLES or private(name) or IMAGES.fullmatch(name) is not None


def private(name: str) -> bool:
    """Whether only the owner may have a file of this name: weights, zip, and whatever was drawn in the Try tab."""
    return name in (WEIGHTS, BUNDLE, VOTES) or any(kind.fullmatch(name) for kind in (DRAWN, EXPORTED, MADE))


def locate(run_id: str, name: str, key: str | None = None) -> Path | None:
    """The file on disk; None for anything but an allowed, plain file inside the run's folder."""
    run = find(run_id)
    if run is None or not allowed(name) or name == BUNDLE or (private(name) and not visitors.opens(run, key)):
        return None
    return run.file(name)


def serve_state(request: Request) -> Response:
    """How far a run is, for a tab that is hidden. Raises 404 without saying why."""
    run = find(request.path_params["run_id"])
    if run is None:
        raise HTTPException(*MISSING)
    view = status.look(run)
    return JSONResponse({"title": run_title.title(view), "live": view.live}, headers={"Cache-Control": "no-store"})


def serve_card(request: Request) -> Response:
    """The picture of a link to the run. Raises 404 without saying why."""
    run = find(request.path_params["run_id"])
    try:
        card = link_card(run) if run else None
    except (Refusal, OSError):
        card = None
    if card is None:
        raise HTTPException(*MISSING)
    return Response(card, headers={"X-Content-Type-Options": "nosniff"} | RECHECKED, media_type="image/png")


def serve_table(name: str, request: Request) -> Response:
    """A table of the run's pictures or steps as csv. Raises 404 without saying why."""
    run = find(request.path_params["run_id"])
    if run is None:
        raise HTTPException(*MISSING)
    try:
        text = bundle.table(run, name)
    except (Refusal, OSError):
        raise HTTPException(*MISSING) from None
    headers = {"X-Content-Type-Options": "nosniff"} | RECHECKED
    headers |= {"Content-Disposition": f'attachment; filename="{run.id}-{name}"'}
    return Response(text, headers=headers, media_type="text/csv; charset=utf-8")


def serve_sheet(side: Side, request: Request) -> Response:
    """A few pictures of an example as one, before or after. Raises 404 for any other run."""
    run = find(request.path_params["run_id"])
    if run is None or not run.example:
        raise HTTPException(*MISSING)
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "max-age=86400"}
    return Response(sheet(run, side), headers=headers, media_type="image/webp")


async def serve(request: Request) -> FileResponse:
    """The file. Raises 404 without saying why."""
    name = request.path_params["name"]
    path = locate(request.path_params["run_id"], name, request.query_params.get("key"))
    if path is None:
        raise HTTPException(*MISSING)
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": LOCKED}
    headers |= KEPT if "v" in request.query_params and IMAGES.fullmatch(name) else RECHECKED
    exported, made = EXPORTED.fullmatch(name) is not None, MADE.fullmatch(name) is not None
    if exported or made or name in (WEIGHTS, VOTES):  # what a browser saves rather than shows
        told = made or name == VOTES
        saved = path.name if told else f"{path.stem}-changed-weights{path.suffix}"  # and no whole model
        headers["Content-Disposition"] = f'attachment; filename="{saved}"'
    kind = DOWNLOADS.get(WEIGHTS if exported or made else name, "image/png")
    return FileResponse(path, media_type=kind, headers=headers)


def serve_bundle(request: Request) -> Response:
    """The run's zip as it is made, or the part of it that is asked for. Raises 404 without saying why."""
    run = find(request.path_params["run_id"])
    if run is None or not visitors.opens(run, request.query_params.get("key")):
        raise HTTPException(*MISSING)
    try:
        whole = bundle.packed(run)
    except (Refusal, OSError):
        raise HTTPException(*MISSING) from None
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Accept-Ranges": "bytes"}
    headers |= {"ETag": f'"{whole.tag}"', "Content-Disposition": f'attachment; filename="balign-{run.id}.zip"'}
    start, end, status = 0, whole.size, 200
    asked = RANGE.fullmatch(request.headers.get("range", ""))
    if asked and request.headers.get("if-range", headers["ETag"]) == headers["ETag"]:
        first, last = asked.groups()
        start = int(first) if first else max(whole.size - int(last), 0)
        end, status = min(int(last) + 1, whole.size) if first and last else whole.size, 206
        if start >= end:
            raise HTTPException(416, "There are not so many bytes.", {"Content-Range": f"bytes */{whole.size}"})
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{whole.size}"
    headers["Content-Length"] = str(end - start)
    pieces = whole.pieces(start, start if request.method == "HEAD" else end)
    return PiecesResponse(pieces, status, headers, "application/zip")


class PiecesResponse(StreamingResponse):
    """Sends pieces as they are made. It ends their making when nobody takes them, and breaks off when that fails."""

    def __init__(self, pieces: Pieces, status: int, headers: dict[str, str], kind: str) -> None:
        super().__init__(pieces, status, headers, kind)
        self.pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except Refusal as refusal:  # the length was told: who gets less of it knows that it is not all
            log.warning("%s is broken off: %s", scope["path"], refusal)
        finally:
            self.pieces.close()


ROUTES = [
    Route("/files/{run_id}/sheet-before.webp", partial(serve_sheet, "before")),
    Route("/files/{run_id}/sheet-after.webp", partial(serve_sheet, "after")),
    Route(f"/files/{{run_id}}/{BUNDLE}", serve_bundle),
    *(Route(f"/files/{{run_id}}/{name}", partial(serve_table, name)) for name in TABLES),
    Route("/files/{run_id}/state.json", serve_state),
    Route("/files/{run_id}/card.png", serve_card),
    Route("/files/{run_id}/{name:path}", serve),
]
