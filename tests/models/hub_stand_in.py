"""As much of the Hugging Face hub as a push asks of it: a real server on this machine that keeps what it is sent."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_a-secret-of-this-test"
READ_ONLY = "hf_may-only-read-in-this-test"


class Shelf:
    """What the hub has, and how it is to behave."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        """By repository, as of its last commit."""
        self.large: dict[str, bytes] = {}
        """By their sha256; they arrive before the commit."""
        self.uploads = 0
        self.cut = False
        """Whether the connection breaks in the middle of the second large file."""
        self.address = ""


class Answers(BaseHTTPRequestHandler):
    """The hub's interface."""

    shelf: Shelf

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._send(200, {"sha": "0" * 40, "id": "x/y", "siblings": []})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("?")[0]
        given = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if path == "/api/validate-yaml":
            self._send(200, {"errors": [], "warnings": []})
        elif given != TOKEN:
            self._send(403 if given == READ_ONLY else 401, {"error": "You don't have the rights to do this"})
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif "/preupload/" in path:
            files = json.loads(body)["files"]
            modes = [{"path": f["path"], "uploadMode": _mode(f["path"]), "shouldIgnore": False} for f in files]
            self._send(200, {"files": modes})
        elif path.endswith("/info/lfs/objects/batch"):
            self._send(200, {"transfer": "basic", "objects": [self._object(o) for o in json.loads(body)["objects"]]})
        elif "/commit/" in path:
            self._commit(path, body)
        else:
            self._send(404, {})

    def do_PUT(self) -> None:
        shelf, length = self.shelf, int(self.headers["Content-Length"])
        shelf.uploads += 1
        if shelf.cut and len(shelf.large) >= 1:
            self.rfile.read(min(length, 100))
            self.close_connection = True
            self.connection.close()
            return
        content = self.rfile.read(length)
        shelf.large[hashlib.sha256(content).hexdigest()] = content
        self._send(200, {})

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked.get('organization', 'me')}/{asked['name']}"
        known = name in self.shelf.repositories
        self.shelf.repositories.setdefault(name, asked)
        kind = "spaces/" if asked.get("type") == "space" else ""
        address = f"{self.shelf.address}/{kind}{name}"
        self._send(409 if known else 200, {"url": address, "name": name, "id": "1"})

    def _object(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Where a large file goes; nowhere if it is here already."""
        if asked["oid"] in self.shelf.large:
            return asked
        return asked | {"actions": {"upload": {"href": f"{self.shelf.address}/put/{asked['oid']}", "header": {}}}}

    def _commit(self, path: str, body: bytes) -> None:
        name = "/".join(path.split("/")[3:5])
        files = self.shelf.files.setdefault(name, {})
        for line in map(json.loads, body.decode().splitlines()):
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "lfsFile":
                files[line["value"]["path"]] = self.shelf.large[line["value"]["oid"]]
        self._send(200, {"commitUrl": f"{self.shelf.address}/{name}/commit/{'0' * 40}", "commitOid": "0" * 40})

    def _send(self, code: int, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _mode(path: str) -> str:
    return "lfs" if path.endswith(".safetensors") else "regular"


@contextmanager
def hub() -> Iterator[Shelf]:
    shelf = Shelf()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Answers,), {"shelf": shelf}))
    shelf.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield shelf
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
