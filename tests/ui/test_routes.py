"""Fuzz of every route and event of a server without a credential: no 5xx, no trace, no byte of another's run.

Set BALIGN_FUZZ to the number of requests to each instance, for a longer one than that of every day.
"""

import asyncio
import hashlib
import json
import os
import random
import secrets
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from balign.host import visitors
from balign.host.visitors import Visitor
from balign.plain_text import harmless
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from tests.browser.conftest import ROOT, Studio
from tests.host import fake_run
from tests.ui import serve_routes
from tests.ui.api.test_endpoints import NAMES
from tests.ui.fuzz import FOREIGN, METHODS, Fuzz, Heard, ask, events
from tests.ui.hostile import HOSTILE

COUNT = int(os.environ.get("BALIGN_FUZZ", "900"))
CANARY, LOCKED = f"canary{secrets.token_hex(8)}", f"locked{secrets.token_hex(8)}"
"""Words in what may be seen by who knows the id of a run, and in what its owner alone may have."""
OWNERS = (
    "bundle.zip", "erased.safetensors", "votes.csv", "exports/strength-1.00.safetensors", "strength/0-0.png",
    "probes/before-0.png", "tries/20260101-000000-00000000/x.png", "tries/20260101-000000-00000000/try.json", "owner",
    "label", "config.json", "telemetry.jsonl", "reproduces.json", "log.txt", "tryout.json", ".lock", "pid", "stop",
)  # fmt: skip
JSON = [v for v in HOSTILE if not isinstance(v, bytes | float) and len(str(v)) < 2_000 and "\ud800" not in str(v)]
pytestmark = pytest.mark.slow


class Served:
    """A server with runs of somebody else in it, and what it must not tell."""

    def __init__(self, folder: Path, public: bool) -> None:
        self.public, self.secret = public, secrets.token_urlsafe(32)
        folder.mkdir()
        self.run = self._planted(folder / "runs")
        more = {"BALIGN_PUBLIC": str(int(public)), "GRADIO_TEMP_DIR": str(folder / "uploads")}
        self.studio = Studio(folder, pause=0.01, steps=4, script=Path(serve_routes.__file__), **more)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BALIGN_PUBLIC", "1")
            self.key = visitors.key(self.run)
        self.before = self._contents()
        self.routes = [(path, methods) for path, methods in json.loads((folder / "routes").read_text())]
        self.events = json.loads(ask(self.studio.port, "GET", "/config").body.partition(b"\n\n")[2])["dependencies"]
        self.calls = 0

    def _planted(self, root: Path) -> Run:
        """A finished run with words in every file that nobody else may read."""
        config = RunConfig.parse({"erase": ["cat"], "keep": [f"{CANARY} prompt"]})
        run = Run.create(config, root)
        fake_run.main(str(run.path))
        run.rename(f"{CANARY} label")
        visitors.sign(run, Visitor(self.secret))
        for name in ("votes.csv", *OWNERS[3:8]):
            (run.path / name).parent.mkdir(parents=True, exist_ok=True)
            (run.path / name).write_text(LOCKED)
        for kind, word in ((".safetensors", LOCKED), (".png", CANARY), (".html", CANARY)):
            for path in run.path.glob(f"[eir]*/**/*{kind}") if kind == ".png" else run.path.glob(f"*{kind}"):
                path.write_bytes(path.read_bytes() + word.encode())
        upload = root.parent / "uploads" / ".balign-uploads" / ("0" * 64) / "hers.zip"
        upload.parent.mkdir(parents=True)
        upload.write_text(LOCKED)
        return run

    def _contents(self) -> dict[str, str]:
        files = [path for path in self.run.path.rglob("*") if path.is_file() and path.name != ".lock"]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def check(self, heard: Heard, what: object, known: bool = False) -> None:
        """No error of the server's, nothing of the run, and no folder of the machine to a stranger.

        known: the stranger knows the run's id, and may see of it what its link shows.
        """
        self.calls += 1
        assert heard.status < 500 or heard.status == 501, (what, heard)
        hidden = [LOCKED, self.secret, *((self.run.path / visitors.FILE).read_text().split()), self.key]
        hidden += [] if known else [CANARY, self.run.id]
        places = [str(self.studio.folder), f"{Path.home()}/", str(ROOT), sys.prefix]
        for word in (hidden + places) if self.public else []:
            place = heard.body.find(word.encode())
            assert place < 0 or word in str(what), (what, word, heard.body[max(0, place - 300) : place + 300])

    def end(self) -> None:
        """What is to hold when all is over: the run is as it was, and each call cost one line of the log at most."""
        self.studio.kill()
        self.studio.end_runs()
        log = self.studio.log()
        assert "Traceback" not in log, log[log.find("Traceback") - 500 :][:3_000]
        assert harmless(log) == log
        assert log.count("\n") <= self.calls + 20, log[-3_000:]
        assert self._contents() == self.before


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Served]]:
    """A public and a private server."""
    root = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as both:
        for name in ("SPACE_ID", "BALIGN_HOSTS", "SPACES_ZERO_GPU"):
            patch.delenv(name, raising=False)
        patch.setenv("FAKE_PAUSE", "0")
        patch.setenv("FAKE_STEPS", "4")
        made = list(both.map(lambda public: Served(root / str(public), public), (False, True)))
    yield {server.public: server for server in made}
    for server in made:
        server.end()


@pytest.mark.parametrize("public", [True, False], ids=["public", "private"])
def test_no_request_to_any_route_is_an_error_of_the_server(served: dict[bool, Served], public: bool) -> None:
    server, fuzz = served[public], Fuzz(int(public))
    assert len(server.routes) > 60
    asked = [(path, method) for path, known in server.routes for method in known or ("GET", "POST", "DELETE")]
    asked += [(path, fuzz.chance.choice(METHODS)) for path, _ in server.routes]
    while len(asked) < COUNT:
        path, known = fuzz.chance.choice(server.routes)
        asked.append((path, fuzz.chance.choice(known or METHODS)))
    for route, method in asked:
        path, headers, body = fuzz.path(route), fuzz.headers(), fuzz.body()
        server.check(ask(server.studio.port, method, path, headers, body), (method, path, headers, body))


@pytest.mark.parametrize("public", [True, False], ids=["public", "private"])
def test_no_event_is_an_error_of_the_server(served: dict[bool, Served], public: bool) -> None:
    server, fuzz = served[public], Fuzz(2 + int(public))
    assert len(server.events) > 50
    for _ in range(max(1, COUNT // 300)):
        for first in range(0, len(server.events), 8):
            asked = [fuzz.event(event["id"], len(event["inputs"])) for event in server.events[first : first + 8]]
            for heard in events(server.studio.port, asked):
                server.check(heard, asked)


def test_a_page_of_somebody_else_is_told_nothing(served: dict[bool, Served]) -> None:
    server, fuzz = served[False], Fuzz(4)
    for route, known in server.routes:
        path, method, foreign = fuzz.path(route), fuzz.chance.choice(known or METHODS), fuzz.chance.choice(FOREIGN)
        heard = ask(server.studio.port, method, path, fuzz.headers() | foreign, fuzz.body())
        assert heard.status in (400, 403, 404, 413), (method, path, foreign, heard)
        assert CANARY.encode() not in heard.body


def test_who_knows_the_id_may_watch_and_no_more(served: dict[bool, Served]) -> None:
    server = served[True]
    port, run = server.studio.port, server.run.id
    for name in OWNERS:
        for key in ("", server.secret[:40], "0" * 40, "x" * 43):
            heard = ask(port, "GET", f"/files/{run}/{name}?key={key}")
            assert heard.status == 404, (name, heard)
            server.check(heard, name, known=True)
    for owner, value in (("", run), ("b" * 43, run), ("b" * 43, [run]), ("b" * 43, "1.00")):
        for first in range(0, len(server.events), 8):
            asked = [
                {"fn_index": e["id"], "data": [{"run": run, "owner": owner}, *[value] * (len(e["inputs"]) - 1)]}
                for e in server.events[first : first + 8]
            ]
            for heard in events(port, asked):
                server.check(heard, asked, known=True)
    for name, *more in (("stop", True), ("stop", False), ("export", "bundle"), ("export", "weights")):
        for owner in ("", "b" * 43, run, server.key):
            (*_, heard) = events(port, [{"fn_index": NAMES.index(name), "data": [run, *more, owner]}])
            assert b"This run is somebody else's" in heard.body
    assert server._contents() == server.before


def sentence(words: str) -> bool:
    """Whether an answer is one sentence of ours, or of the two programs in between."""
    return "\n" not in words and "Traceback" not in words and str(ROOT) not in words and 0 < len(words) < 1_500


def test_hostile_values_over_gradios_client_are_answered_with_a_sentence(served: dict[bool, Served]) -> None:
    server, told = served[True], []
    client = Client(server.studio.url, verbose=False)
    for name in NAMES:
        count = len(server.events[NAMES.index(name)]["inputs"])
        for value in random.Random(name).sample(JSON, min(len(JSON), COUNT // 75)):
            job = client.submit(*[value] * count, api_name=f"/{name}")
            error = job.exception(timeout=60)
            server.check(Heard(200, str(error or job.result()).encode()), (name, value))
            assert error is None or (isinstance(error, AppError) and sentence(str(error))), (name, value, error)
            told.append(error)
    assert len(told) - told.count(None) > 50


def test_hostile_values_over_mcp_are_answered_with_a_sentence(served: dict[bool, Served]) -> None:
    server = served[True]

    async def talk() -> int:
        told = 0
        address = f"{server.studio.url}gradio_api/mcp/"
        async with streamable_http_client(address) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            for tool in (await session.list_tools()).tools:
                for value in random.Random(tool.name).sample(JSON, min(len(JSON), COUNT // 75)):
                    answer = await session.call_tool(tool.name, dict.fromkeys(tool.inputSchema["properties"], value))
                    words = "".join(getattr(content, "text", "") for content in answer.content)
                    server.check(Heard(200, words.encode()), (tool.name, value))
                    assert not answer.isError or sentence(words), (tool.name, value, words)
                    told += answer.isError
        return told

    with ThreadPoolExecutor(1) as elsewhere:
        assert elsewhere.submit(lambda: asyncio.run(talk())).result() > 50


def test_the_fuzz_finds_what_is_planted(served: dict[bool, Served]) -> None:
    """A test that could not fail would be none: with the id, a picture is found by the canary in it."""
    server = served[True]
    path = f"/files/{server.run.id}/images/before/0000.png"
    heard = ask(server.studio.port, "GET", path)
    assert CANARY.encode() in heard.body
    with pytest.raises(AssertionError):
        server.check(heard, path)
