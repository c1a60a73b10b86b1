"""A finished run is judged again from its page: by another scorer, on a file of own prompts; what is not so is said."""

from collections.abc import Callable
from pathlib import Path

import pytest

from balign.host import processes, status, waitlist
from balign.host.status import look
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.judged_again import TESTS, UNJUDGED
from balign.ui.erase_tab import judge_again, panels
from balign.ui.page import caller
from tests.host.test_scheduler import wait_for

EVIL = "<script>alert(1)</script>"


def ask(run: Run, scorer: object = "", tests: object = None) -> dict[str, object]:
    return judge_again.ask(caller({"run": run.id}, None), scorer, tests)


@pytest.fixture
def prompts(tmp_path: Path) -> str:
    path = tmp_path / "own.csv"
    path.write_text("prompt,evaluation_seed\na cat,7\na cat,8\nan ink dog,9\n")
    return str(path)


def test_by_another_scorer_on_own_prompts(finished: Run, prompts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.1")
    (finished.path / UNJUDGED).write_text("The scorer was away.")
    assert ask(finished, "ViT-B-32/laion2b_s34b_b79k", prompts) == {"judged": "", "judge_tests": None}
    assert not Path(prompts).exists()
    wait_for(lambda: processes.alive(finished))
    view = look(finished)
    assert (view.state, view.judging) == ("starting", True)
    assert "Judging it again" in panels.progress(view)
    assert judge_again.shown(view)["judge"]["visible"] is False
    wait_for(lambda: not processes.alive(finished))
    report = finished.report()
    assert report is not None
    assert report.scorer == "ViT-B-32/laion2b_s34b_b79k"
    assert [(pair.prompt, pair.seed) for pair in report.groups["own"].images] == [
        ("a cat", 7),
        ("a cat", 8),
        ("an ink dog", 9),
    ]
    assert status.state(finished) == "done"
    assert judge_again.shown(look(finished))["judge"]["visible"] is True


def test_the_command_line_reads_what_is_asked(finished: Run, prompts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from balign.data import prompt_file

    monkeypatch.setattr(processes, "start", lambda run, verb, *options: started.append((verb, options)))
    started: list[tuple[str, tuple[str, ...]]] = []
    ask(finished, "", prompts)
    ((verb, (option,)),) = started
    assert verb == "evaluate"
    assert option == f"--tests={finished.path / TESTS}"
    found = prompt_file.read(finished.path / TESTS, 10)
    assert [(each.prompt, each.seed) for each in found.prompts] == [("a cat", 7), ("a cat", 8), ("an ink dog", 9)]


@pytest.mark.parametrize(
    ("scorer", "content", "said"),
    [
        ("", None, "Neither another scorer nor a file of prompts was given"),
        ("ViT-Q/nobody", None, "There is no scorer 'ViT-Q/nobody'"),
        (EVIL, None, "script"),
        ("", "", "The file has no prompts in it"),
        ("", "[[[", "not readable json"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    finished: Run, tmp_path: Path, scorer: str, content: str | None, said: str
) -> None:
    path = tmp_path / "tests.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Refusal, match=said):
        ask(finished, scorer, None if content is None else str(path))
    assert not (finished.path / TESTS).exists()
    assert waitlist.ticket(finished) is None


def test_nobody_judges_a_run_at_work(finished: Run, claim: Callable[[Run], Callable[[], None]]) -> None:
    claim(finished)
    with pytest.raises(Refusal, match="is being worked on; judge it again when that has ended"):
        ask(finished, "emoji")


def test_a_public_instance_limits_scorers_and_prompts(
    finished: Run, prompts: str, public: None, limit: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge_again.Caller, "own", lambda self: finished)
    with pytest.raises(Refusal, match="is not used here"):
        ask(finished, "ViT-L-14/openai")
    limit(images=280)
    with pytest.raises(Refusal, match="images to draw"):
        ask(finished, "", prompts)


def test_why_it_failed_is_told_and_escaped(finished: Run) -> None:
    assert judge_again.shown(look(finished))["unjudged"] == ""
    (finished.path / UNJUDGED).write_text(f"The scorer {EVIL} is away.")
    told = judge_again.shown(look(finished))["unjudged"]
    assert "It was not judged again: The scorer &lt;script&gt;" in told
    assert judge_again.shown(None) == {"judge": {"visible": False, "__type__": "update"}, "unjudged": ""}
