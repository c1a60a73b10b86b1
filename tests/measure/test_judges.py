"""Each kind has its judge; a theme is judged against its neutral twin."""

import pytest
import torch

from balign.data.prompts import build
from balign.data.targets import resolve
from balign.measure.evaluation import evaluate, own_shots, shots
from balign.measure.judges import judge_of, sensitive
from balign.runs.config import Concept
from tests.measure.test_evaluation import Reader, images


@pytest.mark.parametrize(
    ("kind", "by", "blurred"),
    [
        ("object", "words", False),
        ("background", "words", False),
        ("place", "words", False),
        ("style", "words", False),
        ("person", "words", False),
        ("attribute", "words", True),
        ("theme", "twin", True),
    ],
)
def test_every_kind_has_a_judge(kind: str, by: str, blurred: bool) -> None:
    assert (judge_of(kind).by, sensitive([kind])) == (by, blurred)
    assert judge_of(kind).said(20).startswith("CLIP against" if by == "twin" else "zero-shot by CLIP over 20 ")


def test_a_twin_is_the_same_scene_without_what_is_erased() -> None:
    sets = build(resolve([Concept(name="cat", replace_with="dog")]), n_test=6)
    for test in sets.erased_test:
        assert test.twin != test.prompt
        assert test.twin.replace("dog", "cat") == test.prompt
    assert not any(test.twin for test in [*sets.kept_test, *sets.neighbours_test])


def test_a_kind_judged_by_its_twin_is_seen_where_the_prompt_is_nearer(monkeypatch: pytest.MonkeyPatch) -> None:
    from balign.measure import evaluation

    monkeypatch.setattr(evaluation, "judge_of", lambda kind: judge_of("theme" if kind == "object" else kind))
    sets = build(resolve([Concept(name="cat", replace_with="dog")]), n_test=8)
    tests = shots(sets)
    gone = images(tests, lambda test: test.labels | {"object": "dog"} if test.group == "erased" else test.labels)
    scores = evaluate(tests, images(tests), gone, Reader(), sets.choices, sets.erased)
    erased = scores.groups["erased"]
    assert (erased.accuracy_before, erased.accuracy_after, scores.ua) == (1.0, 0.0, 1.0)
    assert erased.in_prompt_after == pytest.approx(erased.alignment_before, abs=0.01)
    assert erased.in_prompt_after > erased.in_prompt_before
    assert scores.groups["kept"].in_prompt_after is None
    assert scores.judged["object"].startswith("CLIP against the neutral twin")


def test_own_prompts_keep_their_seeds_and_are_a_group_that_no_rate_counts() -> None:
    sets = build(resolve(["cat"]), n_test=4)
    own = own_shots([("an ink cat", 7), ("a pizza", None)], sets.lists, seeds=2, seed=3)
    assert [(shot.prompt, shot.seed if shot.prompt == "an ink cat" else None) for shot in own] == [
        ("an ink cat", 7),
        ("a pizza", None),
        ("a pizza", None),
    ]
    assert len({shot.seed for shot in own}) == 3
    assert own[0].labels == {"style": "ink", "object": "cat"}
    tests = shots(sets)
    alone = evaluate(tests, images(tests), images(tests), Reader(), sets.choices, sets.erased)
    beside = [*tests, *own]
    dark = torch.cat([images(tests), torch.zeros_like(images(own))])
    scores = evaluate(beside, images(beside), dark, Reader(), sets.choices, sets.erased)
    assert scores.groups["own"].n == 3
    assert (scores.ua, scores.ira, scores.cra) == (alone.ua, alone.ira, alone.cra)
