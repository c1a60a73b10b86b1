"""The file route: a run's pictures and report, and nothing else on this disk."""

import gc
import hashlib
import io
import os
import socket
import threading
import zipfile
from collections.abc import Iterator
from types import GeneratorType

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.testclient import TestClient

from balign import stored_zip
from balign.runs.folder import Run
from balign.runs.outcome import bundle
from balign.ui import files
from balign.ui.files import ROUTES
from tests.host.test_scheduler import wait_for


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=ROUTES)) as client:
        yield client


def test_pictures_are_served_as_they_are_on_disk(client: TestClient, finished: Run) -> None:
    answer = client.get("/" + files.url(finished, "images/before/0000.png"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == (finished.path / "images/before/0000.png").read_bytes()


def test_pictures_of_own_test_prompts_are_served_too(client: TestClient, finished: Run) -> None:
    name = f"images/own-{'0a' * 6}/after/0003.png"
    assert files.url(finished, name) == f"files/{finished.id}/{name}"
    (finished.path / name).parent.mkdir(parents=True)
    (finished.path / name).write_bytes((finished.path / "images/after/0000.png").read_bytes())
    assert client.get("/" + files.url(finished, name)).status_code == 200


def test_the_report_may_run_nothing(client: TestClient, finished: Run) -> None:
    answer = client.get("/" + files.url(finished, "report.html"))
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "pid",
        "log.txt",
        "telemetry.jsonl",
        "",
        "images",
        "images/before/",
        "images/before/../../config.json",
        "images/before/%2e%2e/%2e%2e/config.json",
        "../",
        "images/before/none.png",
        "images/before/.png",
        "images/before/a%00.png",
        "/etc/passwd",
        "images\\before\\0000.png",
        "IMAGES/BEFORE/0000.PNG",
    ],
)
def test_nothing_else_is_served(client: TestClient, finished: Run, name: str) -> None:
    answer = client.get(f"/files/{finished.id}/{name}")
    assert answer.status_code == 404
    assert "Traceback" not in answer.text
    assert str(finished.path) not in answer.text


def test_the_root_and_other_ids_are_not_served(client: TestClient, finished: Run) -> None:
    for path in ("/files/", "/files/x", "/files/../images/before/0000.png", f"/files/{finished.id[:-1]}/report.html"):
        assert client.get(path).status_code == 404


def test_a_link_out_of_the_folder_is_not_followed(client: TestClient, finished: Run) -> None:
    secret = finished.path.parent / "secret.png"
    secret.write_bytes(b"secret")
    os.symlink(secret, finished.path / "images/before/link.png")
    assert client.get("/" + files.url(finished, "images/before/link.png")).status_code == 404


def test_a_name_that_may_not_be_asked_for_has_no_address(finished: Run) -> None:
    assert files.url(finished, "../config.json") == ""


def test_the_bundle_is_made_as_it_is_sent(client: TestClient, finished: Run) -> None:
    answer = client.get("/" + files.url(finished, "bundle.zip"))
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="balign-{finished.id}.zip"'
    assert answer.content == b"".join(bundle.stream(finished))


@pytest.mark.parametrize("name", ["report.json", "erased.safetensors"])
def test_an_unfinished_run_has_no_bundle(client: TestClient, finished: Run, name: str) -> None:
    (finished.path / name).unlink()
    assert client.get("/" + files.url(finished, "bundle.zip")).status_code == 404
    assert client.get("/files/nobodyhere/bundle.zip").status_code == 404


def test_a_report_that_was_tampered_with_has_no_bundle(client: TestClient, finished: Run) -> None:
    (finished.path / "report.json").write_text('{"groups": 7}')
    assert client.get("/" + files.url(finished, "bundle.zip")).status_code == 404


class Download:
    """A download of the zip over a real socket, as much of it as is taken."""

    def __init__(self, url: str, run: Run, **headers: str) -> None:
        address = httpx.URL(url)
        self.socket = socket.create_connection((address.host, address.port or 80), timeout=30)
        lines = [f"GET /{files.url(run, files.BUNDLE)} HTTP/1.1", f"Host: {address.host}:{address.port}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.socket.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        self.status = int(head.split()[1])
        self.headers = httpx.Headers(dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:-2]))

    def take(self, most: int = 2**40) -> bytes:
        """So many bytes, or as many as come."""
        taken = b""
        while len(taken) < most and (piece := self.socket.recv(min(65_536, most - len(taken)))):
            taken += piece
        if len(taken) < most:  # it has ended
            self.socket.close()
        return taken


@pytest.fixture
def heavy(finished: Run) -> Run:
    """A finished run with weights that no buffer of a connection holds."""
    with open(finished.path / "erased.safetensors", "ab") as file:
        file.write(os.urandom(30_000_000))
    return finished


@pytest.fixture
def url() -> Iterator[str]:
    """A server of the files in this process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=ROUTES), port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def test_a_download_that_broke_off_goes_on_and_is_whole(heavy: Run, url: str) -> None:
    first = Download(url, heavy)
    got = first.take(20_000_000)
    first.socket.close()
    rest = Download(url, heavy, Range=f"bytes={len(got)}-", If_Range=first.headers["etag"])
    size = int(first.headers["content-length"])
    assert (first.status, rest.status, first.headers["accept-ranges"]) == (200, 206, "bytes")
    assert rest.headers["content-range"] == f"bytes {len(got)}-{size - 1}/{size}"
    got += rest.take()
    assert len(got) == size
    with zipfile.ZipFile(io.BytesIO(got)) as archive:
        assert archive.testzip() is None
        sums = dict(line.split("  ")[::-1] for line in archive.read("SHA256SUMS").decode().splitlines())
        assert all(hashlib.sha256(archive.read(name)).hexdigest() == sum for name, sum in sums.items())


def test_a_run_that_changed_is_sent_again_whole(heavy: Run, url: str) -> None:
    first = Download(url, heavy)
    first.socket.close()
    with open(heavy.path / "erased.safetensors", "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    again = Download(url, heavy, Range="bytes=20000000-", If_Range=first.headers["etag"])
    assert (again.status, "content-range" in again.headers) == (200, False)
    assert again.headers["etag"] != first.headers["etag"]
    assert again.take() == b"".join(bundle.stream(heavy))


@pytest.mark.parametrize("change", ["truncated", "written"])
def test_weights_that_change_while_they_are_sent_break_the_download_off(heavy: Run, url: str, change: str) -> None:
    download = Download(url, heavy)
    got = download.take(5_000_000)
    with open(heavy.path / "erased.safetensors", "r+b") as file:
        file.truncate(29_000_000) if change == "truncated" else file.write(b"x")
    got += download.take()
    assert len(got) < int(download.headers["content-length"])


def test_downloads_that_break_off_leave_no_file_open(heavy: Run, url: str) -> None:
    gc.disable()
    try:
        before = len(os.listdir("/proc/self/fd"))
        downloads = [Download(url, heavy) for _ in range(60)]
        for download in downloads:
            download.take(1_000_000)
            download.socket.close()
        wait_for(lambda: len(os.listdir("/proc/self/fd")) <= before + 2)
        wait_for(lambda: not [one for one in gc.get_objects() if type(one) is GeneratorType and alive(one)])
    finally:
        gc.enable()


def alive(generator: "GeneratorType[object, None, None]") -> bool:
    """Whether it makes the pieces of a zip."""
    return generator.gi_code is stored_zip.StoredZip.pieces.__code__ and generator.gi_frame is not None


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-", 206, 0, None),
        ("bytes=5-9", 206, 5, 10),
        ("bytes=-30", 206, -30, None),
        ("bytes=7-999999999999", 206, 7, None),
        ("bytes=999999999999-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        *((odd, 200, 0, None) for odd in ("bytes=-", "bytes=9-5x", "bytes=0-1,5-6", "lines=0-1", "bytes=\u0664-", "x")),
    ],
)
def test_a_part_of_the_zip(
    client: TestClient, finished: Run, asked: str, status: int, start: int, end: int | None
) -> None:
    answer = client.get("/" + files.url(finished, files.BUNDLE), headers={b"Range": asked.encode()})
    assert answer.status_code == status
    if status != 416:
        assert answer.content == b"".join(bundle.stream(finished))[start:end]


def test_the_head_of_the_zip_tells_its_length(
    client: TestClient, finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(stored_zip, "_read", lambda *_: pytest.fail("read, though only the head is asked for"))
        head = client.head("/" + files.url(finished, files.BUNDLE))
    assert int(head.headers["content-length"]) == len(b"".join(bundle.stream(finished)))
    assert (head.content, head.headers["accept-ranges"]) == (b"", "bytes")


def test_weights_and_pictures_are_sent_in_parts_too(client: TestClient, finished: Run) -> None:
    for name in ("erased.safetensors", "images/before/0000.png"):
        answer = client.get("/" + files.url(finished, name), headers={"Range": "bytes=3-8"})
        assert (answer.status_code, answer.content) == (206, (finished.path / name).read_bytes()[3:9])
