"""Uploads: how large, one file each, and how much of one address and of everybody within an hour."""

import asyncio
import errno
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from balign.host import rates
from balign.ui import doors, uploads
from balign.ui.uploads import UPLOAD
from tests.ui.served import serving


async def _read(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{len(await request.body())}")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(uploads, "UPLOADED", rates.Rate())
    routes = [Route("/{path:path}", _read, methods=["GET", "POST"])]
    app = Starlette(routes=routes, middleware=[Middleware(doors.Doors)])
    with TestClient(app, base_url="http://127.0.0.1:7860") as client:
        yield client


def test_an_upload_may_be_larger_but_must_say_how_large(client: TestClient) -> None:
    assert client.post(UPLOAD, content=b"x" * (doors.MAX_BODY + 1)).status_code == 200
    assert client.post(UPLOAD, content=(b"x" for _ in range(3))).status_code == 413


@pytest.mark.usefixtures("public")
def test_uploads_of_a_public_instance_are_counted(client: TestClient, limit: Callable[..., None]) -> None:
    limit(upload_bytes_each=2_500, upload_bytes_all=100_000)
    sent = [client.post(UPLOAD, content=b"x" * 1_000).status_code for _ in range(3)]
    assert sent == [200, 200, 429]
    assert client.get("/").status_code == 200


@pytest.mark.usefixtures("public")
def test_what_is_said_and_not_sent_costs_nobody_else(client: TestClient, limit: Callable[..., None]) -> None:
    limit(upload_bytes_each=2_000, upload_bytes_all=2_500)
    said = {"content-length": "1900"}
    assert client.post(UPLOAD, headers=said, content=b"").status_code == 200
    assert client.post(UPLOAD, headers=said, content=b"").status_code == 429
    assert uploads.UPLOADED._seen.get("bytes") is None
    limit(upload_bytes_each=10_000, upload_bytes_all=2_500)
    assert client.post(UPLOAD, content=b"x" * 2_000).status_code == 200
    refused = client.post(UPLOAD, content=b"x" * 1_000)
    assert refused.status_code == 429
    assert "2,500 bytes may be uploaded by everybody within an hour" in refused.json()["error"]
    late = client.post(UPLOAD, headers={"content-length": "400"}, content=b"x" * 1_000)  # more than it says
    assert late.status_code == 429


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize(
    ("most", "words"), [({"uploads_each": 2}, "from here"), ({"uploads_all": 2}, "by everybody")], ids=str
)
def test_files_are_counted_too(
    client: TestClient, limit: Callable[..., None], most: dict[str, int], words: str
) -> None:
    limit(**most)
    sent = [client.post(UPLOAD, content=b"x") for _ in range(3)]
    assert [answer.status_code for answer in sent] == [200, 200, 429]
    assert f"2 files may be uploaded {words} within an hour" in sent[-1].json()["error"]


def test_an_upload_is_one_file() -> None:
    with serving(BALIGN_PUBLIC="1") as server:
        for count, status in ((1, 200), (2, 400)):
            files = [("files", (f"{k}.txt", b"x")) for k in range(count)]
            assert httpx.post(server + UPLOAD, files=files).status_code == status


class _Full:
    """A file whose last bytes have no room."""

    def close(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("full", [False, True], ids=["sender left", "and the disk is full"])
def test_of_an_upload_that_breaks_off_nothing_stays(tmp_path: Path, full: bool) -> None:
    """Nor does the file complain when it is forgotten, which would be a traceback in the log."""

    async def sent() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n' + b"y" * 100
        [file] = parsers[0]._files_to_close_on_error
        assert list(tmp_path.iterdir()) == [Path(file.name)]
        if full:
            file.close()
            file._closer.close_called, file._closer.file = False, _Full()
        raise ClientDisconnect

    headers = Headers({"Content-Type": "multipart/form-data; boundary=x"})
    parsers = [uploads.OneFile(headers, sent(), upload_dir=str(tmp_path), max_file_size=10_000)]

    async def parse() -> None:
        with pytest.raises(ClientDisconnect):
            await parsers[0].parse()

    with ThreadPoolExecutor(1) as elsewhere:  # a browser test before this one leaves its loop running in this thread
        elsewhere.submit(lambda: asyncio.run(parse())).result()
    parsers.clear()
    gc.collect()
    assert list(tmp_path.iterdir()) == []
