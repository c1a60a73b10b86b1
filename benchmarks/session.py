"""A browser's page, as far as the server can tell: its config, and events that are asked for and answered."""

import copy
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import httpx

Event = dict[str, Any]
PATIENCE = 60.0
"""Seconds in which events must be answered."""


class Reply(NamedTuple):
    """The answer to an event, and the two HTTP answers it came in."""

    joined: httpx.Response
    stream: httpx.Response
    body: bytes

    @property
    def outcomes(self) -> list[dict[str, Any]]:
        """What came of each event that was waited for: `success` and `output`."""
        lines = self.body.decode().splitlines()
        return [json.loads(line[6:]) for line in lines if '"process_completed"' in line]


class Session:
    """One page. It gets its config anew, as a reload does."""

    def __init__(self, client: httpx.Client) -> None:
        self.client, self.hash = client, secrets.token_hex(5)
        self.config = client.get("config").raise_for_status().json()
        self.api = self.config["api_prefix"].strip("/")
        self.components = {component["id"]: component for component in self.config["components"]}

    def reopened(self) -> Self:
        """The same page in another tab, to which nothing was sent yet."""
        other = copy.copy(self)
        other.hash = secrets.token_hex(5)
        return other

    def events(self, trigger: str, label: str | None = None) -> list[Event]:
        """The events of this trigger, such as "tick", of components with this label or text, in the page's order."""
        known = self.config["dependencies"]
        return [e for e in known if any(t == trigger and label in (None, self._label(c)) for c, t in e["targets"])]

    def endpoint(self, name: str) -> Event:
        return next(event for event in self.config["dependencies"] if event["api_name"] == name)

    def values(self, event: Event, store: object, given: Mapping[str, Any]) -> list[Any]:
        """What a browser sends with an event: its store, values by label, and else what the page began with.

        An input without a label is given as "".
        """
        return [self._value(self.components[number], store, given) for number in event["inputs"]]

    def join(self, event: Event, data: Sequence[Any]) -> httpx.Response:
        asked = {"data": list(data), "fn_index": event["id"], "session_hash": self.hash}
        return self.client.post(f"{self.api}/queue/join", json=asked)

    def ask(self, event: Event, data: Sequence[Any]) -> Reply:
        """Ask for an event and wait for the answer. Raises httpx.HTTPError if either is refused."""
        return self.wait(self.join(event, data).raise_for_status())

    def wait(self, joined: httpx.Response) -> Reply:
        """The answers to all that was asked for in this session."""
        where = f"{self.api}/queue/data"
        with self.client.stream("GET", where, params={"session_hash": self.hash}) as stream:
            until, body = time.monotonic() + PATIENCE, b""
            for chunk in stream.iter_bytes():  # signs of life come for ever for a session it does not know
                body += chunk
                if time.monotonic() > until:
                    raise httpx.ReadTimeout("the events were not answered")
            return Reply(joined, stream, body)

    def _label(self, number: int | None) -> str:
        props = self.components[number]["props"] if number in self.components else {}
        return str(props.get("label") or props.get("value") or "")

    def _value(self, component: dict[str, Any], store: object, given: Mapping[str, Any]) -> Any:
        if component["props"].get("elem_id") == "part-kept":  # what the browser keeps
            return store
        if component["type"] == "state":
            return None
        label = self._label(component["id"]) if component["props"].get("label") else ""
        return given.get(label, component["props"].get("value"))
