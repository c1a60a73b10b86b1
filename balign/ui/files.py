"""Serve the files of runs: a few kinds and the zip of them, by run id, from that run's folder only."""

import re
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, StreamingResponse
from starlette.routing import Route

from balign.host import visitors
from balign.host.limits import public
from balign.refusal import Refusal
from balign.runs.folder import Run, find
from balign.runs.outcome import bundle
from balign.runs.tryout import ballots

PICTURE = r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,80}\.png"
IMAGES = re.compile(rf"(previews|images/before|images/after)/{PICTURE}")
DRAWN = re.compile(rf"(strength|probes|(tries|votes)/[A-Za-z0-9_-]{{1,40}})/{PICTURE}")
EXPORTED = re.compile(r"exports/strength-\d\.\d\d\.safetensors")
"""The changed weights at another strength."""
WEIGHTS, VOTES = bundle.WEIGHTS, ballots.VOTES
DOWNLOADS = {
    "report.html": "text/html; charset=utf-8",
    "report.json": "application/json",
    WEIGHTS: "application/octet-stream",
    VOTES: "text/csv; charset=utf-8",
}
BUNDLE = "bundle.zip"
"""The whole run as one file, made as it is sent."""
MISSING = (404, "There is no such file.")
LOCKED = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""The content security policy of every file: a report is a page that may run nothing and fetch nothing."""


def url(run: Run, name: str) -> str:
    """The address of a run's file, relative to the page so that it holds behind a proxy; empty if it is not served."""
    return f"files/{run.id}/{name}" if allowed(name) else ""


def keyed(run: Run, name: str) -> str:
    """The same with the owner's key, without which a public instance does not serve what only the owner may have."""
    return f"{url(run, name)}?key={visitors.key(run)}" if public() and private(name) else url(run, name)


def allowed(name: str) -> bool:
    """Whether a browser may ask for a file of this name."""
    return name in DOWNLOADS or private(name) or IMAGES.fullmatch(name) is not None


def private(name: str) -> bool:
    """Whether only the owner may have a file of this name: weights, zip, and whatever was drawn in the Try tab."""
    return name in (WEIGHTS, BUNDLE, VOTES) or any(kind.fullmatch(name) for kind in (DRAWN, EXPORTED))


def locate(run_id: str, name: str, key: str | None = None) -> Path | None:
    """The file on disk; None for anything but an allowed, plain file inside the run's folder."""
    run = find(run_id)
    if run is None or not allowed(name) or name == BUNDLE or (private(name) and not visitors.opens(run, key)):
        return None
    return run.file(name)


async def serve(request: Request) -> FileResponse:
    """The file. Raises 404 without saying why."""
    name = request.path_params["name"]
    path = locate(request.path_params["run_id"], name, request.query_params.get("key"))
    if path is None:
        raise HTTPException(*MISSING)
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": LOCKED, "Cache-Control": "no-cache"}
    exported = EXPORTED.fullmatch(name) is not None
    if exported or name in (WEIGHTS, VOTES):  # what a browser saves rather than shows
        headers["Content-Disposition"] = f'attachment; filename="{path.name}"'
    kind = DOWNLOADS.get(WEIGHTS if exported else name, "image/png")
    return FileResponse(path, media_type=kind, headers=headers)


def serve_bundle(request: Request) -> StreamingResponse:
    """The run's zip as it is made. Raises 404 without saying why."""
    run = find(request.path_params["run_id"])
    if run is None or not visitors.opens(run, request.query_params.get("key")):
        raise HTTPException(*MISSING)
    try:
        pieces = bundle.stream(run)
    except (Refusal, OSError):
        raise HTTPException(*MISSING) from None
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    headers["Content-Disposition"] = f'attachment; filename="balign-{run.id}.zip"'
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)


ROUTES = [Route(f"/files/{{run_id}}/{BUNDLE}", serve_bundle), Route("/files/{run_id}/{name:path}", serve)]
