"""The studio as its own process, for benchmarks: started on a free port, waited for, ended.

It knows no page and no endpoint, only that an answer at the root is html.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradio_client import Client

ROOT = Path(__file__).parents[1]
PATIENCE = 180.0
"""Seconds to wait for the page; a busy machine is slow."""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def environment(**more: str) -> dict[str, str]:
    """This process's, with the project's own sources first."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return os.environ | {"PYTHONPATH": path, "GRADIO_SERVER_NAME": "127.0.0.1", "BALIGN_PUBLIC": "0"} | more


def connected(url: str) -> "Client":
    """A client that does nothing but call. Loading certificates would take ten times as long as a call."""
    from gradio_client import Client

    return Client(url, verbose=False, download_files=False, analytics_enabled=False, ssl_verify=False)


@contextmanager
def studio(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`python app.py` with its runs and its log in this folder: its address and process, once the page is there."""
    port = free_port()
    more = {"BALIGN_RUNS": str(folder / "runs"), "GRADIO_SERVER_PORT": str(port)}
    server = start([sys.executable, str(ROOT / "app.py")], port, folder, **more)
    try:
        yield address(port), server
    finally:
        server.kill()
        server.wait()


def address(port: int) -> str:
    return f"http://127.0.0.1:{port}/"


def start(command: Sequence[str], port: int, folder: Path, **more: str) -> subprocess.Popen[bytes]:
    """A server's process, with its log in this folder, once it answers with a page. Raises SystemExit if it never does.

    more: variables of its environment.
    """
    with open(folder / "server.log", "ab") as log:
        server = subprocess.Popen(command, env=environment(**more), cwd=folder, stdout=log, stderr=log)
    try:
        _wait(address(port), server, folder)
    except BaseException:
        server.kill()
        server.wait()
        raise
    return server


def _wait(url: str, server: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                if answer.status == 200 and b"<html" in answer.read(4096):
                    return
        except OSError:
            time.sleep(0.02)
        if server.poll() is not None:
            break
    raise SystemExit(f"The page was never served:\n{(folder / 'server.log').read_text()}")
