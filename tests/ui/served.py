"""A real studio in this process, on a port of its own."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import pytest

from balign.ui import studio

NAMES = ("BALIGN_PUBLIC", "BALIGN_PASSWORD", "GRADIO_SHARE", "SPACE_ID", "FORWARDED_ALLOW_IPS")


@contextmanager
def serving(**environment: str) -> Iterator[str]:
    """The address of a studio with these variables and none of `NAMES` beside them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.setenv(name, "")
            patch.delenv(name)  # so that it is undone, whatever serving sets
        for name, value in ({"GRADIO_SERVER_NAME": "127.0.0.1"} | environment).items():
            patch.setenv(name, value)
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        served = studio.options("127.0.0.1", port)
        demo = studio.build()
        demo.launch(prevent_thread_lock=True, quiet=True, **served)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            demo.close(verbose=False)


def client_at(address: str, **headers: str) -> httpx.Client:
    """A client whose connections come from this address of the machine."""
    transport = httpx.HTTPTransport(local_address=address)
    return httpx.Client(transport=transport, headers=headers, timeout=60)


def tool(client: httpx.Client, server: str, name: str, **arguments: object) -> httpx.Response:
    """The answer to one call of an MCP tool."""
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    accepted = {"accept": "application/json, text/event-stream"}
    return client.post(f"{server}/gradio_api/mcp/", json=asked, headers=accepted)
