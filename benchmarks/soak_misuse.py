"""The other half of a soak's visitors' habits: what belongs to somebody else, and calls that are none."""

import json
import secrets
from collections.abc import Callable
from typing import Any

import httpx

from benchmarks.session import Session
from benchmarks.soak_checks import Known
from benchmarks.soak_visitors import ZIP, Visitor

SHUT = (
    "monitoring", "monitoring/summary", "gradio_api/deep_link?session_hash=x", "gradio_api/process_recording",
    "gradio_api/component_server", "gradio_api/dev/reload", "gradio_api/proxy=http://127.0.0.1:1/", "docs",
    "openapi.json", "gradio_api/run/start", "gradio_api/file=/etc/passwd", "gradio_api/queue/status",
)  # fmt: skip
TRICKS = (
    "../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc/passwd", "%252e%252e/config.json", "config.json",
    "images/before/../../owner", "owner", "queued", "log.txt", "telemetry.jsonl", "%00", "report.json%00.png",
    "/etc/passwd", "bundle.zip/", "a/" * 200, "x" * 3_000, "images/before/%0a.png",
)  # fmt: skip
LARGE = 3_000_000
CHEAP, SESSIONS, TRIES = 200, 30, 20
"""Calls at once, pages opened one after another, and starts with secrets of no one."""


class Stranger(Visitor):
    """A visitor who also misbehaves."""

    def actions(self) -> dict[Callable[[], None], float]:
        bad = (self.foreign, self.files_of_others, self.tricks, self.bad_calls, self.shut_routes, self.bad_uploads)
        rare = (self.large_bodies, self.many_sessions, self.refused_starts, self.strange_hosts, self.burst)
        return super().actions() | dict.fromkeys(bad, 1.5) | dict.fromkeys(rare, 0.4)

    def _others(self) -> Known | None:
        """A run of another visitor."""
        others = [known for known in self.world.living() if known.secret != self.secret]
        return self.chance.choice(others) if others else None

    def _refused(self, what: str, refused: bool, rule: str, detail: str) -> None:
        """Count a try, which must have been refused."""
        self.book.count(what, refused)
        if not refused:
            self.book.breach(rule, f"{what}: {detail}")

    def foreign(self) -> None:
        """Stop, take, resume, draw with and delete somebody else's run, by endpoint and by page."""
        if not (known := self._others()):
            return
        what, rule = "with another's run", "a foreign run was used"
        wrong = self.chance.choice(("", self.secret, known.id, secrets.token_urlsafe(32), "x" * 100))
        for name, *given in (("stop", False), ("export", "bundle"), ("export", "weights")):
            refusal, answer = self.call(name, known.id, *given, wrong)
            self._refused(what, bool(refusal), rule, f"{name} {given}: {answer}")
        for label in ("Stop", "Resume", "Draw", "Draw the probes"):
            refusal, answer = self.press(label, known.id, Prompt="a cat")
            nothing = "Nothing is" in json.dumps(answer)  # the run was deleted a moment ago
            self._refused(what, bool(refusal) or nothing, rule, f"{label}: {json.dumps(answer)[:200]}")
        refusal, answer = self.press("Delete", _=known.id)
        self._refused(what, bool(refusal), rule, f"Delete: {json.dumps(answer)[:200]}")
        self.press("Delete for good", known.id)

    def files_of_others(self) -> None:
        """What is the owner's alone, without the key and with wrong ones."""
        if not (known := self._others()):
            return
        for name in ("bundle.zip", "erased.safetensors", "votes.csv", "strength/0-0.png", "probes/before-0.png"):
            for key in ("", "0" * 40, self.secret, known.id):
                self._shut(f"files/{known.id}/{name}?key={key}", "another's files", "a foreign file was sent")

    def tricks(self) -> None:
        run = self.chance.choice([known.id for known in self.world.living()] or ["20260101-000000-none"])
        for name in self.chance.sample(TRICKS, 6):
            self._shut(f"files/{run}/{name}", "path tricks", "a path trick worked")

    def shut_routes(self) -> None:
        for path in self.chance.sample(SHUT, 4):
            self._shut(path, "routes that are shut", "a route is open")

    def _shut(self, path: str, what: str, rule: str) -> None:
        self.world.bad += 1
        with self.client.stream("GET", path) as answer:  # one of gradio's routes never ends
            status = answer.status_code
        self._refused(what, 400 <= status < 500, rule, f"{status} for {path[:200]}")

    def bad_calls(self) -> None:
        """Events there are none of, too few values, and json that is too deep."""
        start = self.page.endpoint("start")["id"]
        common: dict[str, Any] = {"session_hash": self.page.hash}
        deep = b'{"data": ' + b"[" * 50_000 + b"]" * 50_000 + b', "fn_index": 0, "session_hash": "x"}'
        asked = [{"data": [], "fn_index": number} for number in (9999, -1, start, "x", None)]
        bodies = [*(json.dumps(one | common).encode() for one in asked), deep, b"{", b"", b"[1]", b'{"data": 1}']
        for body in self.chance.sample(bodies, 4):
            self.world.bad += 1
            headers = {"content-type": "application/json"}
            answer = self.client.post(f"{self.page.api}/queue/join", content=body, headers=headers)
            refused = answer.is_error
            if not refused:  # taken into gradio's queue; then it must fail there
                refused = not any(outcome["success"] for outcome in self.page.wait(answer).outcomes)
            self._refused("bad calls", refused, "a bad call was answered", body[:200].decode())
        self.page = Session(self.client)

    def bad_uploads(self) -> None:
        """Zips that are none, and half of one that is; some are uploaded and not used."""
        content = self._zip() or b"PK\x05\x06" + b"\0" * 18
        content = self.chance.choice((content[: len(content) // 2], b"PK" + secrets.token_bytes(5_000), b""))
        self.world.bad += 1
        file = self.send(content)
        if file and self.chance.random() < 0.7:
            refusal, answer = self.press(ZIP, trigger="upload", **{ZIP: file})
            self._refused("garbage as a zip", bool(refusal), "garbage was taken", json.dumps(answer)[:200])
        else:
            self.book.count("leave an upload", file is None)

    def large_bodies(self) -> None:
        body = b'{"data": ["' + b"x" * LARGE + b'"], "fn_index": 0, "session_hash": "large"}'
        self.world.bad += 1
        headers = {"content-type": "application/json"}
        try:
            status = self.client.post(f"{self.page.api}/queue/join", content=body, headers=headers).status_code
        except httpx.WriteError:  # refused and closed before all was sent
            status = 413
        self._refused("bodies that are too large", status == 413, "a large body was taken", f"HTTP {status}")

    def many_sessions(self) -> None:
        """A program that polls under a new name each time."""
        known = self._others()
        for _ in range(SESSIONS):
            if not self.world.over.is_set():
                page = self.page.reopened()
                page.ask(page.endpoint("status"), [known.id if known else "none"])
                self.book.count("pages opened by a program")

    def refused_starts(self) -> None:
        """Starts that are refused whoever asks, each with a new secret."""
        for _ in range(TRIES):
            if self.world.over.is_set():
                return
            refusal, answer = self.call("start", "cat", "", "", "no/model", "balign", {}, secrets.token_urlsafe(32))
            self._refused("starts of no model", bool(refusal), "a start was taken", str(answer))

    def strange_hosts(self) -> None:
        """Names that a public instance may go by, or not; whatever it answers, nothing of another's is in it."""
        for headers in (
            {"host": "evil.example"}, {"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"},
            {"x-forwarded-for": "1.2.3.4"}, {"x-forwarded-host": "evil.example"},
        ):  # fmt: skip
            for path in ("", "config", f"{self.page.api}/info"):
                self.world.bad += 1
                answer = self.client.get(path, headers=headers)
                self.book.count("strange hosts and origins", answer.is_error)
        alien = self.client.get("config", headers={"origin": "http://evil.example"}).headers
        if alien.get("access-control-allow-credentials") and "evil" in alien.get("access-control-allow-origin", ""):
            self.book.breach("another origin may read", "config")

    def burst(self) -> None:
        """Many cheap calls at once."""
        event, known = self.page.endpoint("status"), self._others()
        joined = [self.page.join(event, [known.id if known else "none"]) for _ in range(CHEAP)]
        taken = [answer for answer in joined if not answer.is_error]
        self.world.bad += CHEAP
        answered = len(self.page.wait(taken[0]).outcomes) if taken else 0
        self.book.done["calls at once"] += CHEAP
        self.book.refused["calls at once"] += CHEAP - len(taken)
        if answered < len(taken):
            self.book.breach("calls without an answer", f"{len(taken) - answered} of {len(taken)}")
