"""A real nginx in front of a studio, by the block of docs/hosting.md, and by one as people write it."""

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "hosting.md"
WHOLE = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    {documented}
    {bare}
  }}
}}
"""
BARE = "location /bare {{ proxy_pass http://127.0.0.1:{port}/; proxy_set_header Host $http_host; }}"
"""Without a slash in its own name and without a header of the prefix: it serves the page at `/bare`."""


class Nginx:
    """Serves the studio of this port under `/balign/` and `/bare`, from a folder of its own."""

    def __init__(self, folder: Path, studio_port: int) -> None:
        path = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if path is None:
            required = os.environ.get("CI") == "true" or os.environ.get("BALIGN_REQUIRE_BROWSER") == "1"
            (pytest.fail if required else pytest.skip)("nginx was not found; install Debian's nginx-light.")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        folder.mkdir()
        documented = documented_block().replace("127.0.0.1:7860", f"127.0.0.1:{studio_port}")
        text = WHOLE.format(folder=folder, port=self.port, documented=documented, bare=BARE.format(port=studio_port))
        (folder / "nginx.conf").write_text(text)
        self.folder, self.url = folder, f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen([path, "-p", str(folder), "-c", str(folder / "nginx.conf")])
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                assert self.process.poll() is None, (folder / "error.log").read_text()
                assert time.monotonic() < end
                time.sleep(0.1)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def requests(self) -> str:
        """What it wrote of every request."""
        return (self.folder / "access.log").read_text()


def documented_block() -> str:
    """The block of the documentation."""
    found = re.search(r"```nginx\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]
