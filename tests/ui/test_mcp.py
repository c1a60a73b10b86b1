"""The endpoints as tools: what an assistant sees of the studio, what it is told, and that nothing else is offered."""

import ast
import asyncio
import base64
import io
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, ImageContent, TextContent, Tool
from PIL import Image

from balign.runs.folder import Run
from balign.ui.api import endpoints
from tests.browser.conftest import Studio
from tests.ui.api.test_endpoints import NAMES

PATIENCE = 240.0
Ask = Callable[[Callable[[ClientSession], Awaitable[Any]]], Any]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One studio of its own process, with runs that need no model, for all of these tests."""
    server = Studio(tmp_path_factory.mktemp("mcp"), pause=0.01, steps=10)
    yield server
    server.kill()
    server.end_runs()
    assert "Traceback" not in server.log()


@pytest.fixture(autouse=True)
def _same_runs(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALIGN_RUNS", str(studio.runs))


@pytest.fixture
def ask(studio: Studio) -> Ask:
    """``ask(talk)``: what came of talking to the studio."""

    async def connected(talk: Callable[[ClientSession], Awaitable[Any]]) -> Any:
        address = f"{studio.url}gradio_api/mcp/"
        async with streamable_http_client(address) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            return await talk(session)

    def asked(talk: Callable[[ClientSession], Awaitable[Any]]) -> Any:
        with ThreadPoolExecutor(
            1
        ) as elsewhere:  # a browser test before this one leaves its loop running in this thread
            return elsewhere.submit(lambda: asyncio.run(connected(talk))).result()

    return asked


def words(answer: CallToolResult) -> str:
    (content,) = answer.content
    assert isinstance(content, TextContent)
    return content.text


async def call(session: ClientSession, name: str, **given: Any) -> Any:
    """The values that a tool answers last, which must not be a refusal."""
    answer = await session.call_tool(name, given)
    assert not answer.isError, answer.content
    assert isinstance(answer.content[-1], TextContent)
    return ast.literal_eval(answer.content[-1].text)


def test_the_tools_are_the_documented_endpoints_and_no_more(ask: Ask) -> None:
    async def talk(session: ClientSession) -> list[Tool]:
        assert not (await session.list_resources()).resources
        assert not (await session.list_prompts()).prompts
        return (await session.list_tools()).tools

    tools = {tool.name: tool for tool in ask(talk)}
    assert tuple(tools) == NAMES
    for name, tool in tools.items():
        summary = (getattr(endpoints, name).__doc__ or "").splitlines()[0]
        assert str(tool.description).startswith(summary)
        assert "Returns: " in str(tool.description)
        parameters = tool.inputSchema["properties"]
        assert all(parameter["description"].endswith(".") for parameter in parameters.values())
        assert tool.inputSchema["required"] == (["erase"] if name == "start" else ["run"])
        assert "request" not in parameters


def test_a_finished_run_is_read(ask: Ask, finished: Run) -> None:
    async def talk(session: ClientSession) -> list[Any]:
        return [await call(session, name, run=finished.id) for name in ("status", "metrics", "score", "pair")]

    status, metrics, score, pair = ask(talk)
    assert (status["state"], status["report"]) == ("done", True)
    assert len(metrics["forget_loss"]) == len(metrics["cosine"]) == 10
    assert score == endpoints.score(finished.id)
    assert pair == endpoints.pair(finished.id)


def test_an_answer_is_a_sentence_a_picture_and_the_values(ask: Ask, finished: Run) -> None:
    async def talk(session: ClientSession) -> list[CallToolResult]:
        return [await session.call_tool(name, {"run": finished.id}) for name in ("pair", "report", "score", "status")]

    pair, report, score, status = ask(talk)
    assert [content.type for content in pair.content] == ["text", "image", "text"]
    assert [content.type for content in report.content] == ["text", "image", "text"]
    assert [content.type for content in score.content] == ["text", "text"]
    for answer, size in ((pair, (520, 256)), (report, (1200, 630))):
        picture = answer.content[1]
        assert isinstance(picture, ImageContent)
        assert picture.mimeType == "image/png"
        assert Image.open(io.BytesIO(base64.b64decode(picture.data))).size == size
    said = [content.text for answer in (pair, report, status) for content in answer.content[:1]]  # type: ignore[union-attr]
    assert said[0].endswith(", left before and right after: no longer.")
    assert said[1] == said[2]
    assert said[1].startswith("cat: no longer drawn when asked by name")
    assert "What was to stay: " in said[1]


def test_a_run_is_started_and_followed_to_its_end(ask: Ask) -> None:
    async def talk(session: ClientSession) -> tuple[str, dict[str, Any]]:
        run = (await call(session, "start", erase="cat", settings={"steps": 10, "seed": 3}))["run"]
        async with asyncio.timeout(PATIENCE):
            while (now := await call(session, "status", run=run))["state"] not in ("done", "stopped", "failed"):
                await asyncio.sleep(0.2)
        return run, now

    run, now = ask(talk)
    assert (now["state"], now["step"], now["report"]) == ("done", 10, True)
    assert Run.open(run).config.seed == 3


def test_what_goes_wrong_is_told_in_a_sentence(ask: Ask, finished: Run) -> None:
    bad: list[tuple[str, dict[str, Any], str]] = [
        ("status", {"run": "nobodyhere"}, "There is no run 'nobodyhere'; give the id that start returned."),
        ("status", {"run": "../../etc"}, "There is no run '../../etc'; give the id that start returned."),
        ("score", {"run": finished.id, "group": "dogs"}, "There is no group 'dogs'; there are"),
        ("start", {"erase": ""}, "Nothing to erase was given; name at least one concept"),
        ("start", {"erase": "cat", "settings": {"stepz": 1}}, "'stepz' is not a setting; the settings are"),
        ("start", {"erase": "cat", "method": "magic"}, "There is no method 'magic'; there are"),
        ("start", {"erase": 7}, "Input validation error: 7 is not of type 'string'"),
        ("status", {}, "Input validation error: 'run' is a required property"),
    ]

    async def talk(session: ClientSession) -> list[CallToolResult]:
        return [await session.call_tool(name, given) for name, given, _ in bad]

    for answer, (*_, told) in zip(ask(talk), bad, strict=True):
        assert answer.isError
        assert words(answer).startswith(told)
        assert "\n" not in words(answer)
