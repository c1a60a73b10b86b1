"""The list of runs: it sends only what is new, and a damaged run says so in its own card and hides no other."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from balign.runs.folder import Run
from balign.ui.page import Answer, caller
from balign.ui.runs_tab import run_cards, runs_layout

New = Callable[..., Run]
FILES = ("config.json", "label", "telemetry.jsonl", "report.json", "reproduces.json", "queued", "owner", "pid")


def listed(**values: Any) -> Answer:
    """The answer to a page that was sent nothing yet and shows everything, but for these values."""
    every = {"search": "", "state": "", "method": "", "shown": 12, "sent": {}, "compared": []}
    return runs_layout.refreshed(caller(None), every | values)


def test_only_what_is_new_is_sent(finished: Run) -> None:
    first = listed()
    assert finished.id in first["list"]
    assert first["timer"].active is False
    assert listed(sent=first["sent"]) == {"trouble": "", "sent": first["sent"]}
    finished.rename("new name")
    again = listed(sent=first["sent"])
    assert "new name" in again["list"]
    assert set(again) == {"trouble", "sent", "list"}


def test_more_than_a_screenful_is_shown_on_demand(new_run: New) -> None:
    for _ in range(3):
        new_run()
    answer = listed(shown=2)
    assert answer["list"].count("<li") == 2
    assert answer["more"]["visible"] is True
    assert listed(shown=4)["more"]["visible"] is False
    assert runs_layout.show(caller(None), 12) == {"shown": 12 + runs_layout.SHOWN}


def test_an_empty_list_says_what_will_be_there(new_run: New) -> None:
    assert "No runs of your own yet" in listed()["list"]
    new_run()
    assert "None of the 1 runs matches" in listed(search="nothing like it")["list"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00", b"[" * 100_000])
def test_a_damaged_run_hides_no_other(finished: Run, new_run: New, name: str, content: bytes) -> None:
    other = new_run(erase=["dog"])
    (finished.path / name).write_bytes(content)
    answer = listed(compared=[finished.id, other.id])
    html = answer["list"]
    assert html.count("<li") == 2
    assert "dog" in html
    assert f'value="{finished.id}"' in html  # so that it can be selected and deleted
    assert "notice failed" not in html
    if name in ("config.json", "report.json"):
        assert html.count('<p class="notice refused"') == 1
        assert "nreadable" in html or "cannot be read" in html


def test_a_bug_in_one_card_hides_no_other(
    finished: Run, new_run: New, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    new_run(erase=["dog"])

    def planted(entry: Any, *rest: Any, card: Callable[..., Any] = run_cards.run_card) -> Any:
        return card(entry, *rest) if entry.run != finished else list(zip([1], [], strict=True))

    monkeypatch.setattr(run_cards, "run_card", planted)
    with caplog.at_level(logging.ERROR):
        html = listed()["list"]
    assert "dog" in html
    assert html.count('<p class="notice failed"') == 1
    assert "refused" not in html
    assert caplog.records[0].exc_info is not None
