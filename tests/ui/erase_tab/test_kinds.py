"""Every kind of concept goes through, from the page and from the command line, with the prompts of its kind."""

from pathlib import Path

import pytest

from balign import cli
from balign.cli import run_commands
from balign.host import scheduler
from balign.host.visitors import Visitor
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run, list_runs
from balign.runs.prompt_lists import prompt_sets, resolve
from balign.ui.api import endpoints
from balign.ui.erase_tab import erase_handlers
from balign.ui.page import Caller
from tests.runs.small import SMALL

KINDS = [  # what is typed, the kind that is given, the kind that is stored, words of a forget and of a replaced prompt
    ("a cat", "", None, "a cat", "a dog"),
    ("painting by Egon Schiele", "", "style", "Egon Schiele", "Pablo Picasso"),
    ("Taylor Swift", "person", "person", "Taylor Swift", "a person"),
    ("nudity", "", "attribute", "nude person", "person"),
    ("violence", "", "theme", "violence", ""),
    ("the Eiffel Tower", "", "place", "the Eiffel Tower", "the Statue of Liberty"),
    ("foggy weather", "", "background", "foggy weather", ""),
    ("animals", "", "category", "a cat", "a pizza"),
]


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    """The configs that the page began runs with, without the processes that do them."""
    configs: list[RunConfig] = []

    def begin(given: list[RunConfig], visitor: Visitor, pictures: dict[str, bytes]) -> list[Run]:
        assert pictures == {}
        configs.extend(given)
        return [Run.create(config) for config in given]

    monkeypatch.setattr(scheduler, "begin_all", begin)
    return configs


@pytest.mark.parametrize(("typed", "kind", "stored", "forget", "instead"), KINDS)
def test_a_run_of_each_kind(
    typed: str, kind: str, stored: str | None, forget: str, instead: str, begun: list[RunConfig],
    tiny_model_path: str, tiny_scorer_path: str,
) -> None:  # fmt: skip
    numbers = {
        **SMALL,
        "n_forget": 8,
        "preview_every": 0,
        "steps": 2,
        "model": tiny_model_path,
        "scorer": tiny_scorer_path,
    }
    del numbers["erase"], numbers["device"]
    erase_handlers.start(Caller(Visitor(), None), {"erase": typed, "kind": kind, **numbers})
    (begun_run,) = list_runs()
    flags = [part for name, value in numbers.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    assert cli.main(["erase", typed, *(["--kind", kind] if kind else []), *flags]) == 0
    (run,) = (each for each in list_runs() if each.id != begun_run.id)
    assert (run.config.erase, run.config.keep) == (begun[0].erase, begun[0].keep)
    assert [concept.kind for concept in run.config.erase] == [stored]
    report = run.report()
    assert report is not None
    assert any(forget in pair.prompt for pair in report.groups["erased"].images)
    sets = prompt_sets(run.config, resolve(run.config))
    assert forget in sets.forget[0]
    assert instead in sets.anchor[0]


def test_an_unknown_name_is_asked_for_everywhere(begun: list[RunConfig], capsys: pytest.CaptureFixture[str]) -> None:
    typed = {"erase": "Taylor Swift", "model": "CompVis/stable-diffusion-v1-4"}
    with pytest.raises(Refusal, match="say with the buttons under Erase what it is, most likely person"):
        erase_handlers.start(Caller(Visitor(), None), typed)
    assert cli.main(["erase", "Taylor Swift", "--model", typed["model"]]) == 2
    assert "'Taylor Swift' is in no list of words: say with --kind what it is" in " ".join(
        capsys.readouterr().err.split()
    )
    with pytest.raises(Exception, match="say with the field kind what it is"):
        endpoints.start(**typed)
    assert list_runs() == []
    assert begun == []


def test_lists_are_split_alike(begun: list[RunConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    erase, keep = 'cat; "panda" | 🐶', "owl, fox\na duck on a pond in the morning, watercolor"
    monkeypatch.setattr(run_commands, "follow", lambda run: 0)
    assert cli.main(["erase", erase, "--keep", keep]) == 0
    (by_line,) = list_runs()
    erase_handlers.start(Caller(Visitor(), None), {"erase": erase, "keep": keep})
    assert begun == [by_line.config]
    assert [concept.name for concept in by_line.config.erase] == ["cat", "panda", "🐶"]
    assert by_line.config.keep == ("owl", "fox", "a duck on a pond in the morning, watercolor")


def test_a_file_of_prompts_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_commands, "follow", lambda run: 0)
    file = tmp_path / "prompts.csv"
    file.write_text('prompt,seed\n"a dog, on grass",3\na cat,4\n', encoding="utf-16")
    assert cli.main(["erase", "cat", "--keep", "owl", "--keep-file", str(file)]) == 0
    assert list_runs()[0].config.keep == ("owl", "a dog, on grass")
    assert "Left out: 1 prompt with the name of what is erased." in capsys.readouterr().out
    assert cli.main(["erase", "cat", "--keep-file", str(tmp_path / "none.csv")]) == 2
