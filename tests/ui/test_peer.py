"""Whose a request is, asked of a real server: the other end of the connection, whatever a caller or a tool says."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing

import gradio_client
import httpx
import pytest
from gradio_client.exceptions import AppError

from balign.host import scheduler
from balign.host.visitors import Visitor
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.ui import studio

FORGED = [
    {},
    {"x-forwarded-for": "1.2.3.4"},
    {"x-forwarded-for": "8.8.8.8, 9.9.9.9", "x-real-ip": "8.8.8.8", "forwarded": "for=8.8.8.8"},
    {"x-balign-peer": "1.2.3.4", "x-gradio-user": "mcp", "x-client-ip": "1.2.3.4"},
]
Served = Callable[[], str]


def free_port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def told(config: RunConfig, visitor: Visitor) -> None:
    raise Refusal(f"You are {visitor.address}.")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A public studio that tells everybody who starts a run which address they are."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("BALIGN_PUBLIC", "1"), ("GRADIO_SERVER_NAME", "127.0.0.1"), ("GRADIO_SHARE", "")):
            patch.setenv(name, value)
        patch.delenv("SPACE_ID", raising=False)
        patch.delenv("FORWARDED_ALLOW_IPS", raising=False)
        patch.setattr(scheduler, "begin", told)
        port = free_port()
        served = studio.options("127.0.0.1", port)
        demo = studio.build()
        demo.launch(prevent_thread_lock=True, quiet=True, **served)
        yield f"http://127.0.0.1:{port}"
        demo.close(verbose=False)


@pytest.fixture(autouse=True)
def _public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALIGN_PUBLIC", "1")


def from_address(address: str, headers: dict[str, str]) -> httpx.Client:
    """A client whose connections come from this address of the machine."""
    return httpx.Client(transport=httpx.HTTPTransport(local_address=address), headers=headers, timeout=60)


@pytest.mark.parametrize("forged", FORGED, ids=lambda forged: " ".join(forged) or "nothing")
@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.7"])
def test_a_call_comes_from_its_connection(server: str, address: str, forged: dict[str, str]) -> None:
    with from_address(address, forged) as client:
        event = client.post(f"{server}/gradio_api/call/v2/start", json={"erase": "cat"})
        answer = client.get(f"{server}/gradio_api/call/start/{event.json()['event_id']}")
    assert f"You are {address}." in answer.text


@pytest.mark.parametrize("forged", FORGED, ids=lambda forged: " ".join(forged) or "nothing")
@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.8"])
def test_a_tool_comes_from_its_connection(server: str, address: str, forged: dict[str, str]) -> None:
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    asked["params"] = {"name": "start", "arguments": {"erase": "cat"}}
    with from_address(address, forged | {"accept": "application/json, text/event-stream"}) as client:
        answer = client.post(f"{server}/gradio_api/mcp/", json=asked)
    (line,) = [line for line in answer.text.splitlines() if line.startswith("data:")]
    result = json.loads(line.removeprefix("data:"))["result"]
    assert result["isError"]
    assert result["content"][0]["text"] == f"You are {address}."


def test_a_program_is_the_same(server: str) -> None:
    client = gradio_client.Client(server, headers={"x-forwarded-for": "1.2.3.4"}, verbose=False)
    with pytest.raises(AppError, match=r"You are 127\.0\.0\.1\."):
        client.predict("cat", api_name="/start")
