"""Requests and results of the attacks on disk: what decides the folder, what is left out, how points meet in a row."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from balign.measure.recovery import Share
from balign.runs import weights
from balign.runs.folder import Run
from balign.runs.outcome import model_card, report_page
from balign.runs.tryout import attack_store
from balign.runs.tryout.attack_store import AttackCurve, AttackPoint, AttackRequest, AttackResult
from balign.terminal import attack_table


def curve(attack: str, subject: str, points: dict[int, int], tokens: int = 0, second: bool = False) -> AttackCurve:
    drawn = tuple(
        AttackPoint(
            budget=budget,
            shown=tuple(k < shown for k in range(4)),
            shown_second=(True,) * 4 if second else (),
            sheet=f"attacks/key/{subject}/{budget:04d}.png",
        )
        for budget, shown in points.items()
    )
    return AttackCurve(attack=attack, tokens=tokens, subject=subject, made_from="", points=drawn)  # type: ignore[arg-type]


def result(*curves: AttackCurve) -> AttackResult:
    return AttackResult(
        concept="cat",
        kind="object",
        scorer="emoji",
        judge="other",
        seed=0,
        moved=1.5,
        moved_share=0.01,
        seconds=2.0,
        curves=curves,
        verdict="no longer drawn",
        folder="attacks/key",
    )


CURVES = (
    curve("name", "erased", {0: 0}),
    curve("inversion", "erased", {50: 1, 100: 2}, tokens=2),
    curve("name", "base", {0: 4}),
    curve("inversion", "base", {50: 3, 100: 4}, tokens=2, second=True),
    curve("inversion", "control", {100: 1}, tokens=2),
)


def test_points_of_one_budget_stand_beside_each_other() -> None:
    first, last = attack_store.attempts(CURVES)
    assert (first.erased, first.base, first.control) == (Share(1, 4), Share(3, 4), None)
    assert (last.erased, last.base, last.control) == (Share(2, 4), Share(4, 4), Share(1, 4))
    assert {first.title, last.title} == {"Textual inversion, 2 tokens"}
    named, inverted = result(*CURVES).rows()
    assert (named.budgets, inverted.budgets) == ([0], [50, 100])
    assert [[p and sum(p.shown) for p in points] for points in inverted.points(["control", "erased"])] == [
        [None, 1],
        [1, 2],
    ]


def test_the_table_has_every_number_with_what_it_says() -> None:
    table = attack_table(result(*CURVES))
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert list(columns) == ["Attack", "Budget", "Erased model", "Base model", "Control", "What it says"]
    assert columns["Budget"] == ["", "50 steps\n100 steps"]
    assert columns["Control"] == ["", "\n25\u00a0% (5\N{EN DASH}70\u00a0%)"]
    assert columns["Base model"][1].startswith(
        "75\u00a0% (30\N{EN DASH}95\u00a0%) | 100\u00a0% (51\N{EN DASH}100\u00a0%)\n"
    )
    assert all(columns["What it says"])
    assert str(table.caption) == "cat: no longer drawn.\nThe trained weights moved by 1.5 (1\u00a0% of their norm)."


def test_what_is_unreadable_is_left_out_and_the_newest_comes_first(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert attack_store.results(run) == []
    for key in ("one", "two", "broken"):
        folder = tmp_path / "attacks" / key
        folder.mkdir(parents=True)
        result(*CURVES).model_copy(update={"folder": key}).write(folder / "attack.json")
    (tmp_path / "attacks" / "broken" / "attack.json").write_text("{")
    for time, key in enumerate(("two", "one")):
        os.utime(tmp_path / "attacks" / key / "attack.json", (time, time))
    assert [found.folder for found in attack_store.results(run)] == ["one", "two"]
    assert attack_store.results(run)[0].curves == CURVES


def test_drafts_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "attacks" / "key" / "erased"
    folder.mkdir(parents=True)
    (folder / ".curve.json.1234.tmp").write_text("")
    (folder / "curve.json").write_text("")
    attack_store.remove_half_written(Run(tmp_path))
    assert [path.name for path in folder.iterdir()] == ["curve.json"]


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"attacks": ("rounding",)}, True),
        ({"steps": 100}, True),
        ({"control": "folder"}, True),
        ({"seed": 1}, False),
        ({"pictures": 8}, False),
        ({"judge": "other"}, False),
    ],
)
def test_a_folder_is_shared_by_what_draws_the_same_pictures(changes: dict[str, object], same: bool) -> None:
    run = Run(Path("run"))
    one, other = (attack_store.folder(run, AttackRequest.parse(**given), "object cat", "s") for given in ({}, changes))
    assert (one == other) == same


def test_attacks_are_in_their_own_order_and_each_once() -> None:
    request = AttackRequest.parse(attacks=("inversion", "rounding", "inversion"), tokens=(4, 1, 4))
    assert request.attacks == ("rounding", "inversion")
    assert request.tokens == (1, 4)


def written(run: Run, key: str, *curves: AttackCurve, **changes: object) -> None:
    folder = run.path / "attacks" / key
    folder.mkdir(parents=True)
    result(*curves).model_copy(update=changes).write(folder / attack_store.DONE)


def test_all_finished_attacks_on_a_concept_count_together(fake: Callable[..., Run]) -> None:
    run = fake()
    assert attack_store.attacked(run) == ""
    held = (curve("name", "erased", {0: 0}), curve("rounding", "erased", {8: 0}), curve("rounding", "base", {8: 4}))
    written(run, "held", *held)
    assert attack_store.attacked(run).startswith("not brought back by these attacks (at most 0\u00a0% of 4 pictures")
    written(run, "back", *CURVES)
    assert attack_store.attacked(run).startswith("brought back by textual inversion, 2 tokens: ")
    (run.path / "attacks" / "half").mkdir()
    result(*CURVES).write(run.path / "attacks" / "half" / attack_store.GROWING)
    assert len(attack_store.results(run)) == 2
    assert len(attack_store.results(run, attack_store.GROWING)) == 1


def test_of_several_concepts_each_is_named(fake: Callable[..., Run]) -> None:
    run = fake(erase=["cat", "dog"])
    written(run, "cat", *CURVES)
    written(run, "dog", curve("name", "erased", {0: 3}), concept="dog")
    written(run, "cow", curve("name", "erased", {0: 0}), concept="cow")  # only asked by its name
    said = sorted(attack_store.attacked(run).split("; "))
    assert said[0].startswith("cat brought back by textual inversion")
    assert said[1:] == ["dog still drawn when asked by name in 75\u00a0% of 4 pictures of the attacks"]


def test_report_card_and_zip_tell_it(fake: Callable[..., Run]) -> None:
    run = fake()
    assert "brought back" not in model_card.card(run) + report_page.page(run)
    written(run, "back", *CURVES)
    for text in (model_card.card(run), report_page.page(run)):
        assert "no longer drawn when asked by name" in text
        assert "brought back by textual inversion, 2 tokens" in text


def test_other_weights_take_the_attacks_with_them(fake: Callable[..., Run]) -> None:
    run = fake()
    written(run, "back", *CURVES)
    weights.set_aside(run)
    assert attack_store.attacked(run) == ""
    assert [*run.path.glob("earlier/*/attacks/back/attack.json")]
