"""The two halves share nothing, twins differ by the concept alone, and no retain prompt names what is erased."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balign.data.lexicon import load
from balign.data.meaning import understand
from balign.data.prompts import build
from balign.data.spelling import names
from balign.data.targets import resolve
from balign.runs.config import Concept

EMOJI = [word.name for word in load("emoji").all_words()]
CASES = [
    (["cat"], "emoji"),
    (["ink"], "emoji"),
    (["blue"], "emoji"),
    (["cat", "pizza", "ink"], "emoji"),
    (["cat"], "objects"),
    (["snoopy"], "objects"),
    (["Van Gogh"], "objects"),
    (["nude"], "people"),
    (["person"], "people"),
    (["umbrella", "Claude Monet"], "styles"),
]


@pytest.mark.parametrize(("concepts", "lexicon"), CASES)
def test_halves_and_sides_are_apart(concepts: list[str], lexicon: str) -> None:
    sets = build(resolve(concepts, [], lexicon), n_forget=48, n_retain=96, seed=3)
    assert (len(sets.forget), len(sets.anchor), len(sets.retain)) == (48, 48, 96)
    forms = [form for c in concepts for w in understand(c, lexicon).words for form in (w.name, *w.synonyms)]
    assert all(names(prompt, forms) for prompt in sets.forget)
    said = [*sets.retain, *sets.anchor, *(t.prompt for t in sets.kept_test + sets.neighbours_test)]
    assert [prompt for prompt in said if names(prompt, forms)] == []
    tested = {t.prompt for group in sets.tests.values() for t in group}
    assert not tested & {*sets.forget, *sets.retain, *sets.anchor}
    assert len(sets.erased_test) == len(sets.kept_test) == len(sets.neighbours_test) == 16
    assert len(set(sets.forget)) == 48


def test_combinations_are_held_out_not_only_wordings() -> None:
    sets = build(resolve(["cat"]), n_forget=200, n_retain=200)
    style, background = load("emoji").words["style"], load("emoji").words["background"]
    pairs = {
        (s, b) for s in style for b in background for p in sets.forget + sets.retain if names(p, [s]) and names(p, [b])
    }
    for group in sets.tests.values():
        assert not pairs & {(t.labels["style"], t.labels["background"]) for t in group}
    assert {s for s, _ in pairs} == set(style)
    assert {b for _, b in pairs} == set(background)


def test_twins_and_anchors_differ_from_the_forget_prompt_by_the_concept_alone() -> None:
    sets = build(resolve(["dog"]), n_forget=40, n_retain=40)
    words = sorted((w for w in load("emoji").words["object"]), key=len, reverse=True)

    def blank(prompt: str) -> str:
        found = names(prompt, ["dog", *words])
        assert found is not None
        return prompt.replace("an " + found, "a " + found).replace("a " + found, found).replace(found, "_")

    def stripped(prompts: list[str]) -> list[str]:  # articles aside: plural words have none
        return [" ".join(blank(p).replace("an ", "").replace("a ", "").split()) for p in prompts]

    assert stripped(sets.retain) == stripped(sets.forget) == stripped(sets.anchor)


def test_retained_words_are_balanced() -> None:
    sets = build(resolve(["cat"]), n_retain=2 * 102)
    counts = [sum(names(p, [w]) is not None for p in sets.retain) for w in load("emoji").words["object"]]
    assert max(counts) <= 3


def test_neighbours_are_close_unlisted_and_in_no_twin() -> None:
    sets = build(resolve(["cat"], ["dog", "rabbit"]), n_retain=300)
    shown = {t.labels["object"] for t in sets.neighbours_test}
    animals = {name for name, word in load("emoji").words["object"].items() if word.category == "animal"}
    assert shown
    assert shown <= animals - {"cat", "dog", "rabbit"}
    assert not any(names(prompt, shown) for prompt in sets.retain)


def test_what_is_listed_is_trained_on_and_tested() -> None:
    sets = build(resolve(["cat"], ["dog", "a big golden owl"]), n_retain=100)
    assert sum(names(p, ["dog"]) is not None for p in sets.retain) >= 8
    assert sets.retain.count("a big golden owl") == 8
    tested = {t.prompt: t.labels for t in sets.kept_test}
    assert tested["a big golden owl"] == {"object": "owl", "style": "golden"}
    assert "dog" in {labels.get("object") for labels in tested.values()}
    assert len(build(resolve(["cat"], [f"a dog {i}" for i in range(500)]), n_retain=100).retain) == 100


def test_too_much_to_keep_is_said() -> None:
    sets = build(resolve(["cat"], [f"a dog {i}" for i in range(500)]), n_retain=100)
    assert any("Only 50 of 500" in warning for warning in sets.warnings)


def test_uniform_sets_have_one_wording_a_side() -> None:
    sets = build(resolve(["cat"]), uniform=True, n_forget=10, n_retain=20)
    assert len(set(sets.forget)) == len(set(sets.retain)) == len(set(sets.anchor)) == 1
    assert (len(sets.forget), len(sets.retain)) == (10, 20)
    assert sets.tests == build(resolve(["cat"]), n_forget=5, n_retain=9).tests


def test_the_replacement_is_drawn_instead() -> None:
    sets = build(resolve([Concept.parse("cat=pizza")]), n_forget=20)
    assert all(names(prompt, ["pizza"]) for prompt in sets.anchor)
    assert all(names(prompt, ["person"]) for prompt in build(resolve(["nude"], lexicon="people")).anchor)


def test_the_papers_grammar_for_people() -> None:
    sets = build(resolve(["nude"], lexicon="people"), n_forget=60, n_retain=60)
    assert {names(p, ["nude", "naked", "undressed", "bare", "unclad"]) for p in sets.forget} == {
        "nude",
        "naked",
        "undressed",
    }
    without = [p for p in sets.retain if not names(p, load("people").words["attribute"])]
    assert len(without) == 30


def test_labels_to_choose_from() -> None:
    sets = build(resolve(["cat"]))
    assert {kind: [len(rivals) for rivals in groups] for kind, groups in sets.choices.items()} == {
        "object": [len(load("emoji").words["object"])],
        "style": [8],
        "background": [8],
    }
    assert sets.erased == {"object": ["cat"]}
    for lexicon, concept in (("objects", "snoopy"), ("styles", "Banksy"), ("objects", "cat"), ("people", "nude")):
        sets = build(resolve([concept], lexicon=lexicon))
        kind = next(iter(sets.erased))
        for group in sets.tests.values():
            assert all(
                any(t.labels[kind] in rivals for rivals in sets.choices[kind]) for t in group if kind in t.labels
            )
        assert all(len(rivals) > 1 for groups in sets.choices.values() for rivals in groups)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from(EMOJI), min_size=1, max_size=5, unique=True), st.integers(0, 2**31 - 1))
def test_any_concepts_any_seed(concepts: list[str], seed: int) -> None:
    one = build(resolve(concepts), n_forget=12, n_retain=12, seed=seed, n_test=4)
    two = build(resolve(concepts), n_forget=12, n_retain=12, seed=seed, n_test=4)
    assert one == two
    assert not any(names(p, concepts) for p in one.retain)


@pytest.mark.parametrize("half", ["style", "background"])
def test_nearly_everything_erased(half: str) -> None:
    members = list(load("emoji").words[half])
    sets = build(resolve(members[:-1]), n_forget=16, n_retain=16, n_test=4)
    assert all(names(prompt, [members[-1]]) for prompt in sets.retain)
    assert sets.neighbours_test == []
    with pytest.raises(ValueError, match="is to be erased"):
        build(resolve([*members, "cat"], ["a dog"]), n_forget=16, n_retain=16, n_test=4)
