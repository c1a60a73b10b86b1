"""Whose a request is, asked of a real server: the other end of the connection, whatever a caller or a tool says."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import gradio_client
import pytest
from gradio_client.exceptions import AppError

from balign.host import limits, scheduler
from balign.host.visitors import Visitor
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from tests.ui.served import client_at, serving, tool

FORGED = [
    {},
    {"x-forwarded-for": "1.2.3.4"},
    {"x-forwarded-for": "8.8.8.8, 9.9.9.9", "x-real-ip": "8.8.8.8", "forwarded": "for=8.8.8.8"},
    {"x-balign-peer": "1.2.3.4", "x-gradio-user": "mcp", "x-client-ip": "1.2.3.4"},
]
GATE, WAITING = threading.Event(), threading.Semaphore(0)
"""Until the first is set, no start of a dog is answered; the second counts those that wait for it."""


def told(config: RunConfig, visitor: Visitor) -> None:
    if config.erase[0].name == "dog":
        WAITING.release()
        GATE.wait(300)
    raise Refusal(f"You are {visitor.address}.")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A public studio that tells everybody who starts a run which address they are."""
    with pytest.MonkeyPatch.context() as patch, serving(BALIGN_PUBLIC="1") as address:
        patch.setattr(scheduler, "begin", told)
        yield address


@pytest.fixture(autouse=True)
def _public(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("BALIGN_PUBLIC", "1")
    GATE.clear()
    yield
    GATE.set()


@pytest.mark.parametrize("forged", FORGED, ids=lambda forged: " ".join(forged) or "nothing")
@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.7"])
def test_a_call_comes_from_its_connection(server: str, address: str, forged: dict[str, str]) -> None:
    with client_at(address, **forged) as client:
        event = client.post(f"{server}/gradio_api/call/v2/start", json={"erase": "cat"})
        answer = client.get(f"{server}/gradio_api/call/start/{event.json()['event_id']}")
    assert f"You are {address}." in answer.text


@pytest.mark.parametrize("forged", FORGED, ids=lambda forged: " ".join(forged) or "nothing")
@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.8"])
def test_a_tool_comes_from_its_connection(server: str, address: str, forged: dict[str, str]) -> None:
    with client_at(address, **forged) as client:
        answer = tool(client, server, "start", erase="cat")
    (line,) = [line for line in answer.text.splitlines() if line.startswith("data:")]
    result = json.loads(line.removeprefix("data:"))["result"]
    assert result["isError"]
    assert result["content"][0]["text"] == f"You are {address}."


def test_a_program_is_the_same(server: str) -> None:
    client = gradio_client.Client(server, headers={"x-forwarded-for": "1.2.3.4"}, verbose=False)
    with pytest.raises(AppError, match=r"You are 127\.0\.0\.1\."):
        client.predict("cat", api_name="/start")


def test_who_sends_many_events_waits_alone(server: str) -> None:
    most = limits.LIMITS.events
    with client_at("127.0.0.9") as many, client_at("127.0.0.10") as other:
        sent = [many.post(f"{server}/gradio_api/call/v2/start", json={"erase": "dog"}) for _ in range(most + 10)]
        assert Counter(answer.status_code for answer in sent) == {200: most, 429: 10}
        assert all(WAITING.acquire(timeout=60) for _ in range(most))
        assert f"{most} presses or calls from your address" in sent[-1].text
        event = other.post(f"{server}/gradio_api/call/v2/start", json={"erase": "cat"}).json()["event_id"]
        assert "You are 127.0.0.10." in other.get(f"{server}/gradio_api/call/start/{event}").text
        GATE.set()
        for answer in sent[:most]:
            assert "127.0.0.9" in many.get(f"{server}/gradio_api/call/start/{answer.json()['event_id']}").text
        assert many.post(f"{server}/gradio_api/call/v2/start", json={"erase": "cat"}).status_code == 200


def test_who_calls_many_tools_waits_alone(server: str) -> None:
    most = limits.LIMITS.events
    with client_at("127.0.0.11") as many, client_at("127.0.0.12") as other, ThreadPoolExecutor(most) as threads:
        waiting = [threads.submit(tool, many, server, "start", erase="dog") for _ in range(most)]
        assert all(WAITING.acquire(timeout=300) for _ in range(most))
        assert tool(many, server, "status", run="x").status_code == 429
        assert "You are 127.0.0.12." in tool(other, server, "start", erase="cat").text
        GATE.set()
        assert all("You are 127.0.0.11." in answer.result().text for answer in waiting)
        until = time.monotonic() + 300
        while tool(many, server, "start", erase="cat").status_code != 200:  # they close a moment after their answer
            assert time.monotonic() < until
