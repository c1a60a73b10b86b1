"""The visitors of a soak: each a thread with a secret and an address of its own that uses the studio as it is meant."""

import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from balign.host.status import LIVE, STATES
from balign.refusal import Refusal
from balign.runs.outcome import zip_check
from benchmarks.soak_checks import Known
from benchmarks.soak_guest import Guest

WORDS = ("cat", "dog", "horse", "guitar", "tiger")
ZIP = "Reproduce a zip"
MOST_RUNS, MOST_LIVE = 5, 1
"""Runs that a visitor keeps, and those of them that are not finished."""


class Visitor(Guest):
    """One who uses the studio as it is meant."""

    def actions(self) -> dict[Callable[[], None], float]:
        """What this visitor does, and how often of all."""
        more = {self.download: 3, self.leave_download: 1, self.upload: 1, self.draw: 4, self.delete: 2}
        return {self.start_run: 1, self.look: 4, self.browse: 2, self.stop: 1, self.resume: 3, **more}

    def _note(self, run: str, config: dict[str, Any]) -> None:
        self.world.runs[run] = Known(run, self.secret, config, excused=self.world.full)

    def _state(self, known: Known) -> str:
        refusal, answer = self.call("status", known.id)
        if refusal:
            self.book.breach("no status of a run that is there", f"{known.id}: {refusal}")
            return ""
        if answer["state"] not in STATES:
            self.book.breach("an unknown state", str(answer["state"]))
        return str(answer["state"])

    def _one(self, *states: str) -> Known | None:
        """One of the visitor's runs in one of these states."""
        chosen = [known for known in self.chance.sample(self.mine, len(self.mine)) if self._state(known) in states]
        return chosen[0] if chosen else None

    def start_run(self) -> None:
        live = sum(not (self.world.root / known.id / "report.json").exists() for known in self.mine)
        if not self.begins or len(self.mine) >= MOST_RUNS or live >= MOST_LIVE:
            return
        word, numbers = (
            self.chance.choice(WORDS),
            {"steps": self.chance.randint(5, 50), "seed": self.chance.randint(0, 9)},
        )
        refusal, answer = self.call("start", word, "", "", "emoji", "balign", numbers, self.secret)
        self.book.count("start", bool(refusal))
        if not refusal:
            self._note(answer["run"], numbers)

    def look(self) -> None:
        if known := self._one(*STATES):
            for name in ("metrics", self.chance.choice(("report", "score", "pair"))):
                self.book.count("look at a run", bool(self.call(name, known.id)[0]))

    def browse(self) -> None:
        shown = self.chance.choice([known.id for known in self.mine] or [""])
        mine, self.page = [known.id for known in self.mine], self.page.reopened()
        for event in self.page.events("tick"):
            values = self.page.values(event, {"run": shown, "owner": self.secret}, {})
            refusal, answer = self.ask(event, values)
            self.book.count("look at the page", bool(refusal))
            missing = [run for run in mine if run not in json.dumps(answer)]
            if len(values) > 4 and missing:  # the list, which is asked for with a search
                self.book.breach("not in the list of runs", f"{missing}: {refusal} {json.dumps(answer)[:200]}")
        if shown:
            self.book.count("look at files")
            for name in ("report.html", "images/before/0000.png"):
                self.client.get(f"files/{shown}/{name}")

    def stop(self) -> None:
        if known := self._one(*LIVE):
            known.stopped = True
            self.book.count("stop", bool(self.call("stop", known.id, True, self.secret)[0]))

    def resume(self) -> None:
        if self.begins and (known := self._one("stopped", "failed", "new")):
            self.book.count("resume", bool(self.press("Resume", known.id)[0]))

    def draw(self) -> None:
        if known := self._one("done"):
            button = self.chance.choice(("Draw", "Draw the strengths", "Draw the probes"))
            self.book.count("draw with a run", bool(self.press(button, known.id, Prompt="a cat on a mat")[0]))

    def delete(self) -> None:
        if known := self._one("done", "stopped", "failed"):
            known.deleted = True  # from now on it may be gone, even if the server dies before it answers
            self.press("Delete", _=known.id)
            refusal = self.press("Delete for good")[0]
            self.book.count("delete", bool(refusal))
            known.deleted = not refusal
            if not refusal and (self.world.root / known.id).exists():
                self.book.breach("a deleted run is there", known.id)

    def _address(self, known: Known) -> str:
        """Where the visitor's own run can be downloaded; empty if it cannot."""
        refusal, answer = self.call("export", known.id, "bundle", self.secret)
        if refusal:
            if not self.world.full:
                self.book.breach("a finished run cannot be taken", f"{known.id}: {refusal}")
            return ""
        for key in parse_qs(urlsplit(answer["url"]).query).get("key", []):
            self.world.secrets[key] = self.secret
        return str(answer["url"])

    def _zip(self) -> bytes:
        """The zip of one of the visitor's finished runs, checked; empty if there is none."""
        known = self._one("done")
        where = self._address(known) if known else ""
        if not known or not where:
            return b""
        answer = self.client.get(where)
        if answer.status_code != 200:
            self.book.breach("a finished run cannot be taken", f"{known.id}: HTTP {answer.status_code}")
            return b""
        self._check(known, answer.content)
        return answer.content

    def _check(self, known: Known, content: bytes) -> None:
        with tempfile.NamedTemporaryFile(suffix=".zip") as file:
            Path(file.name).write_bytes(content)
            try:
                run = zip_check.read(Path(file.name)).run
            except Refusal as refusal:
                self.book.breach("a download is not whole", f"{known.id}: {refusal}")
            else:
                if run != known.id:
                    self.book.breach("a download is of another run", f"{known.id}: {run}")

    def download(self) -> None:
        if self._zip():
            self.book.count("download")

    def leave_download(self) -> None:
        """Break a download off half way."""
        if (known := self._one("done")) and (where := self._address(known)):
            with self.client.stream("GET", where) as answer:
                for _ in answer.iter_bytes(1_000):
                    break
            self.book.count("leave a download")

    def send(self, content: bytes, name: str = "run.zip") -> Any:
        """Upload a file; what the page would hand to its events, or None if it was refused."""
        answer = self.client.post(f"{self.page.api}/upload", files={"files": (name, content, "application/zip")})
        if answer.is_error:
            return None
        return {"path": answer.json()[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def upload(self) -> None:
        """Make a run again from the visitor's own zip."""
        if not self.begins or not (content := self._zip()):
            return
        file = self.send(content)
        refusal, answer = self.press(ZIP, trigger="upload", **{ZIP: file}) if file else ("refused", None)
        link = re.search(r"\?run=([\w-]+)", json.dumps(answer))
        self.book.count("reproduce a zip", not link)
        if link:
            self._note(link[1], {})
        elif not refusal:
            self.book.breach("an upload without an answer", json.dumps(answer)[:300])
