"""Connections of a real server: as many as the system allows, none without a request, one line about each trouble."""

import errno
import logging
import resource
import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace

import httpx
import pytest

from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.outcome import bundle
from balign.ui import connections
from tests.ui.served import serving


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, serving() as address:
        patch.setattr(connections, "HEAD", 1.0)
        yield address


@pytest.mark.parametrize("sent", [b"", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
@pytest.mark.parametrize("after", [False, True], ids=["first", "second"])
def test_a_connection_without_a_request_is_closed(server: str, sent: bytes, after: bool) -> None:
    whole = b"GET /robots.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(server.rpartition(":")[2])), timeout=20) as line:
        if after:
            line.sendall(whole)
            assert line.recv(65_536).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        line.settimeout(0.3)
        while time.monotonic() < began + 15:  # a little at a time, so that it never says nothing for long
            try:
                line.sendall(sent[:1] if sent != b"G" else b"")
                sent = sent[1:] + sent[:1]
                if not line.recv(65_536):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("it is still open")


def test_who_brings_a_request_in_time_is_answered_however_long_that_takes(server: str) -> None:
    with httpx.Client() as client:
        for _ in range(3):
            assert client.get(f"{server}/robots.txt").status_code == 200
            time.sleep(0.7)
    head = b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(server.rpartition(":")[2])), timeout=20) as line:
        line.sendall(head)
        time.sleep(2)
        line.sendall(b"null")
        assert line.recv(65_536).startswith(b"HTTP/1.1 4")


def test_the_soft_limit_of_open_files_is_raised() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] - 1, before[1]))
        connections.prepare()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_machine_without_files_says_so_in_one_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_told", float("-inf"))
    connections.prepare()
    log = logging.getLogger("asyncio")
    for _ in range(50):
        error = OSError(errno.EMFILE, "Too many open files")
        log.error("socket.accept() out of system resource\nsocket: <x>", exc_info=(OSError, error, None))
    log.error("something else")
    first, second = caplog.records
    assert first.getMessage() == "no connection can be taken: [Errno 24] Too many open files"
    assert (first.exc_info, first.exc_text, second.getMessage()) == (None, None, "something else")


def test_a_zip_that_is_broken_off_is_one_line(
    server: str, finished: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def pieces(start: int, end: int) -> Iterator[bytes]:
        yield b"x"
        raise Refusal("The run changed.")

    monkeypatch.setattr(bundle, "packed", lambda run: SimpleNamespace(size=100, tag="t", pieces=pieces))
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.addHandler(caplog.handler)
    try:
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{server}/files/{finished.id}/bundle.zip")
        time.sleep(0.3)
    finally:
        uvicorn.removeHandler(caplog.handler)
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "is broken off: The run changed." in record.getMessage()
