"""A visitor of a soak as the server sees one: a thread with a secret and an address that opens pages."""

import json
import random
import re
import secrets
import threading
from collections.abc import Callable
from typing import Any

import httpx

from benchmarks.session import Event, Session
from benchmarks.soak_checks import Known, World


class Away(Exception):
    """The server was gone, as it may be."""


class Guest(threading.Thread):
    """One of them. `over` ends it; `begins` says whether new runs may still be started."""

    def __init__(self, world: World, number: int, seed: int, think: float) -> None:
        super().__init__(daemon=True, name=f"visitor {number}")
        self.world, self.book, self.chance, self.think = world, world.book, random.Random(f"{seed} {number}"), think
        self.secret, self.address, self.begins = secrets.token_urlsafe(32), f"127.0.0.{10 + number}", True
        world.secrets[self.secret] = self.secret
        self.action = ""

    def actions(self) -> dict[Callable[[], None], float]:
        """What this visitor does, and how often of all."""
        raise NotImplementedError

    @property
    def mine(self) -> list[Known]:
        return [known for known in self.world.living() if known.secret == self.secret]

    def run(self) -> None:
        while not self.world.over.is_set():
            self.world.up.wait(1)
            epoch = self.world.epoch
            transport = httpx.HTTPTransport(local_address=self.address, verify=False)
            hooks = {"response": [self._inspect]}
            try:
                with httpx.Client(
                    base_url=self.world.url, transport=transport, timeout=90, event_hooks=hooks, trust_env=False
                ) as self.client:
                    self._visit()
            except (httpx.HTTPError, Away) as error:
                if self.world.up.is_set() and epoch == self.world.epoch:
                    self.book.breach("no answer", f"{self.action}: {error!r}")
            except Exception as error:
                self.book.breach("the soak itself", f"{self.action}: {error!r} {error.__traceback__}")
                raise

    def _visit(self) -> None:
        """Open the page, and do some things at random."""
        self.action = "open the page"
        self.page = Session(self.client)
        self.book.count(self.action)
        actions = self.actions()
        for _ in range(self.chance.randint(5, 25)):
            if self.world.over.wait(self.chance.uniform(0, 2 * self.think)) or not self.world.up.is_set():
                return
            (action,) = self.chance.choices(list(actions), list(actions.values()))
            self.action = action.__name__.replace("_", " ")
            action()

    def _inspect(self, answer: httpx.Response) -> None:
        """Every answer: no error of the server's own, and nothing that opens another's run."""
        if answer.status_code >= 500 and not (answer.status_code == 507 and self.world.full):
            where = f"{answer.request.method} {answer.request.url.path}"
            self.book.breach(
                "5xx", f"{self.action}: {answer.status_code} for {where}{' (full disk)' * self.world.full}"
            )
        if not {"zip", "event-stream"} & set(re.split("[/;]", answer.headers.get("content-type", ""))):
            self._read(answer.read(), answer.request.url.path)

    def _read(self, body: bytes, path: str) -> None:
        text = body.decode(errors="replace")
        for secret, whose in list(self.world.secrets.items()):
            if whose != self.secret and secret in text:
                self.book.breach("another's secret", f"{self.action}: {path}")

    def ask(self, event: Event, data: list[Any]) -> tuple[str, Any]:
        """The refusal, or an empty text, and what was answered."""
        joined = self.page.join(event, data)
        if joined.is_error:
            return f"HTTP {joined.status_code} {joined.text[:200]}", None
        reply = self.page.wait(joined)
        self._read(reply.body, "an event")
        outcomes = reply.outcomes
        if len(outcomes) != 1:
            raise Away(f"{len(outcomes)} answers")
        text = json.dumps(outcomes[0]["output"])
        if not outcomes[0]["success"]:
            error = outcomes[0]["output"].get("error")
            if not error:
                self.book.breach("an error without a word", f"{self.action}: {text[:300]}")
            return str(error or "no word"), None
        if "in balign itself" in text:
            self.book.breach("a bug is shown", f"{self.action}: {text[:300]}")
        return (text if "notice refused" in text else ""), outcomes[0]["output"]["data"]

    def call(self, name: str, *given: Any) -> tuple[str, Any]:
        """A named endpoint; parameters that are left out are as declared."""
        event = self.page.endpoint(name)
        rest = [self.page.components[number]["props"].get("value") for number in event["inputs"][len(given) :]]
        refusal, data = self.ask(event, [*given, *rest])
        return refusal, data[0] if data else None

    def press(self, label: str, run: str = "", trigger: str = "click", **given: Any) -> tuple[str, Any]:
        """A button of the page in a browser that shows this run; given: inputs by label, `_` for one without."""
        events = self.page.events(trigger, label)
        if not events:
            return "there is no such button", None
        values = {name.replace("_", ""): value for name, value in given.items()}
        return self.ask(events[0], self.page.values(events[0], {"run": run, "owner": self.secret}, values))
