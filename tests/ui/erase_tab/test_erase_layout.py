"""The events of the Erase tab as gradio calls them: each is guarded, and our own mistakes are never a refusal."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from balign.data import prompt_file
from balign.host import processes, scheduler, waitlist
from balign.runs.folder import Run
from balign.ui import form, zerogpu
from balign.ui.erase_tab import erase_handlers, erase_layout

EVENTS: dict[str, tuple[str, str, object, str]] = {
    "open": ("load", "", form, "filled"),
    "type": ("load", "", form, "configs"),
    "tick": ("tick", "", erase_handlers, "look"),
    "start": ("click", "erase", form, "configs"),
    "stop": ("click", "stop", processes, "alive"),
    "ask": ("click", "discard", erase_handlers, "look"),
    "discard": ("click", "discard-really", scheduler, "discard"),
    "resume": ("click", "resume", scheduler, "resume"),
    "compare": ("click", "compare-now", scheduler, "resume"),
    "judge": ("click", "judge-go", scheduler, "resume"),
    "upload": ("upload", "keep-file", prompt_file, "read"),
    "model": ("change", "field-model", form, "about_model"),
    "method": ("change", "field-method", form, "about_method"),
}
"""For each handler the event that calls it, on the part of this id, and a function it needs."""
BUGS: dict[str, Callable[[], object]] = {
    "RuntimeError": lambda: [].pop(),
    "ValueError": lambda: list(zip([1], [], strict=True)),
}


def broken(bug: str) -> Callable[..., object]:
    """A function with a mistake in it."""

    def work(*given: object, **named: object) -> object:
        if bug == "RuntimeError":
            raise RuntimeError("planted")
        return BUGS[bug]()

    return work


def build() -> gr.Blocks:
    with gr.Blocks() as blocks:
        browser = gr.HTML()
        erase_layout.build(blocks, browser)
    return blocks


@pytest.fixture(scope="module")
def blocks() -> gr.Blocks:
    return build()


def events(blocks: gr.Blocks, kind: str, part: str = "") -> list[Any]:
    """The page's events of this kind, on the part of this id."""
    ids = {block._id for block in blocks.blocks.values() if not part or getattr(block, "elem_id", None) == part}
    return [
        event
        for event in blocks.fns.values()
        if event.fn and any(name == kind and (not part or target in ids) for target, name in event.targets)
    ]


def call(event: Any, run: Run | None, *values: object) -> dict[str, Any]:
    """What a browser that shows this run is answered, by the id of the part."""
    rest = values or [getattr(part, "value", None) for part in event.inputs[1:]]
    answer = event.fn(None, {"run": run.id if run else ""}, *rest)
    answers = [answer] if isinstance(answer, dict) else list(answer)
    return {getattr(part, "elem_id", "") or part: value for a in answers for part, value in a.items()}


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("name", EVENTS)
def test_a_bug_of_ours_is_logged_and_never_a_refusal(
    name: str,
    bug: str,
    blocks: gr.Blocks,
    finished: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    kind, part, module, needed = EVENTS[name]
    file = tmp_path / "list.txt"
    file.write_text("dog")
    monkeypatch.setattr(module, needed, broken(bug))
    values = {
        "upload": [str(file), "", "cat", "", "", "emoji"],
        "discard": [finished.id],
        "judge": ["emoji", None],
    }.get(name, [])
    with caplog.at_level(logging.ERROR):
        answers = [call(event, finished, *values) for event in events(blocks, kind, part)]
    said = [str(value) for answer in answers for value in answer.values() if "notice" in str(value)]
    assert any('class="notice failed"' in text and "The server&#39;s log has the details." in text for text in said)
    assert not any("refused" in text or "planted" in text for text in said)
    assert caplog.text.count("Traceback") == 1
    assert f"{bug}: " in caplog.text


def test_every_event_is_guarded(blocks: gr.Blocks) -> None:
    names = {event.fn.__qualname__ for event in blocks.fns.values() if event.fn}
    assert names == {"bind.<locals>.handle"}


def test_a_full_disk_is_a_sentence(blocks: gr.Blocks, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> list[Run]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scheduler, "begin_all", full)
    (event,) = events(blocks, "click", "erase")
    assert call(event, None) == {
        "part-notice": '<p class="notice refused" role="alert">'
        "The run could not be started: No space left on device.</p>"
    }


def test_what_is_typed_is_followed_by_one_event(blocks: gr.Blocks) -> None:
    (event,) = events(blocks, "change", "field-erase")
    answer = call(event, None)
    assert set(answer) == {
        *("part-understood", "part-assist", "part-prompts", "part-estimate"),
        *("command", "field-replace"),
    }
    assert answer["command"] == "python -m balign erase cat"


@pytest.fixture
def on_zerogpu(monkeypatch: pytest.MonkeyPatch) -> gr.Blocks:
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setattr(zerogpu, "borrowed", lambda: None)
    return build()


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_on_a_lent_device_is_no_refusal(
    bug: str, on_zerogpu: gr.Blocks, finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zerogpu, "borrowed", broken(bug))
    streams = [event for event in on_zerogpu.fns.values() if event.fn and event.fn.__qualname__.endswith("stream")]
    assert len(streams) == 6  # after opening, Erase, Resume, Compare now, Judge it again and Some more steps
    for event in streams:
        waitlist.join(finished)
        answer = call(event, finished)
        assert 'class="notice failed"' in answer["part-notice"]
    assert waitlist.queue() == []


def test_elsewhere_nothing_is_lent(blocks: gr.Blocks) -> None:
    assert not scheduler.inline()
    assert not [event for event in blocks.fns.values() if event.fn and event.fn.__qualname__.endswith("stream")]
