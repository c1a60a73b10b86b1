"""Groups, UA, IRA and CRA are counted as defined, on a scorer that reads what an image shows from its first pixels."""

import json

import pytest
import torch
from torch.nn.functional import normalize

from balign.data.lexicon import load
from balign.data.prompts import build
from balign.data.targets import resolve
from balign.measure.clip import Scorer
from balign.measure.evaluation import evaluate, shots

WORDS = [word.name for word in load("emoji").all_words()]


class Reader(Scorer):
    """An image's first pixels are the numbers of the words it shows; embeddings are bags of words."""

    def __init__(self) -> None:
        self.name = "reader"

    def embed_images(self, images: torch.Tensor, batch: int = 64) -> torch.Tensor:
        if images.ndim == 2:
            return images
        bags = torch.zeros(len(images), len(WORDS) + 1)
        for bag, image in zip(bags, images, strict=True):
            bag[image[0, :, 0].long()] = 1
        return normalize(bags, dim=-1)

    def embed_texts(self, texts, batch: int = 256) -> torch.Tensor:
        bags = torch.zeros(len(texts), len(WORDS) + 1)
        for bag, text in zip(bags, texts, strict=True):
            for word in load("emoji").named_in(text):
                bag[WORDS.index(word.name)] = 1
        return normalize(bags, dim=-1)


def drawn(labels: dict[str, str]) -> torch.Tensor:
    image = torch.full((1, 3, 3), 255, dtype=torch.uint8)
    image[0, :, 0] = len(WORDS)
    for i, word in enumerate(labels.values()):
        image[0, i, 0] = WORDS.index(word)
    return image


def images(tests, change=lambda test: test.labels) -> torch.Tensor:
    return torch.stack([drawn(change(test)) for test in tests])


@pytest.fixture(scope="module")
def sets():
    return build(resolve(["cat"]), n_test=8)


def test_every_test_prompt_is_drawn_with_its_own_seeds(sets) -> None:
    tests = shots(sets, seeds=2, seed=5)
    assert len(tests) == 3 * 8 * 2
    assert tests == shots(sets, seeds=2, seed=5)
    assert len({(test.prompt, test.seed) for test in tests}) == len(tests)
    assert shots(sets, seeds=1, seed=5) == [t for i, t in enumerate(tests) if i % 2 == 0]


def test_nothing_changed_is_exactly_nothing(sets) -> None:
    tests = shots(sets, seeds=2)
    before = images(tests)
    scores = evaluate(tests, before, before, Reader(), sets.choices, sets.erased)
    for group in scores.groups.values():
        assert group.change[:4] == (0.0, 0.0, 0.0, 1.0)
        assert group.accuracy_before == group.accuracy_after == 1.0
        assert (group.n, group.prompts) == (16, 8)
    assert (scores.ua, scores.ira, scores.cra, scores.scorer) == (0.0, 1.0, 1.0, "reader")
    json.dumps(scores.model_dump(mode="json"), allow_nan=False)


def test_an_erased_object_and_a_damaged_style(sets) -> None:
    tests = shots(sets)

    def after(test):
        if test.group == "erased":
            return test.labels | {"object": "dog"}
        other = "flat" if test.labels["style"] != "flat" else "ink"
        return test.labels | {"style": other} if test.group == "kept" else test.labels

    scores = evaluate(tests, images(tests), images(tests, after), Reader(), sets.choices, sets.erased)
    assert scores.ua == 1.0
    assert scores.ira == 1.0
    assert scores.cra == pytest.approx(0.75)  # 8 kept images of 16 lost one of their two other kinds
    groups = scores.groups
    assert groups["erased"].accuracy_before == 1.0
    assert groups["erased"].accuracy_after == 0.0
    assert groups["erased"].alignment_change.mean == pytest.approx(-1 / 3, abs=0.01)
    assert groups["kept"].accuracy_after == 1.0
    assert groups["kept"].verdict.startswith("a loss of alignment between 0.333 and 0.333")
    assert groups["neighbours"].verdict == "no loss of alignment larger than 0.001 at 95\u00a0%"
    first = groups["erased"].images[0]
    assert first.recognised_before["object"]
    assert not first.recognised_after["object"]
    assert (first.prompt, first.seed, first.labels) == (tests[0].prompt, tests[0].seed, tests[0].labels)
    assert first.alignment_before > first.alignment_after
    assert scores.intervals["ua"][0] == pytest.approx(0.6756, abs=1e-3)
    assert scores.intervals["ua"][1] == 1.0


def test_prompts_without_labels_are_scored_but_not_counted() -> None:
    sets = build(resolve(["cat"], ["a walk in the rain"]), n_test=2)
    tests = shots(sets)
    scores = evaluate(tests, images(tests), images(tests), Reader(), sets.choices, sets.erased)
    kept = scores.groups["kept"]
    assert kept.n == 2
    assert kept.images[0].recognised_before == {}
    assert kept.accuracy_before == 1.0
    assert kept.verdict.startswith("too few prompts")


def test_a_group_with_nothing_to_count_has_no_accuracy() -> None:
    members = list(load("emoji").words["style"])
    sets = build(resolve(members[:-1]), n_test=7)
    tests = shots(sets)
    scores = evaluate(tests, images(tests), images(tests), Reader(), sets.choices, sets.erased)
    assert set(scores.groups) == {"erased", "kept"}
    assert scores.ua == 0.0
    hub = build(resolve(["nude"], lexicon="people"), n_test=4)
    assert hub.kept_test[0].labels.keys() <= {"attribute", "person"}


def test_what_does_not_pair_up_is_refused(sets) -> None:
    tests = shots(sets)
    with pytest.raises(ValueError, match="do not pair up"):
        evaluate(tests, images(tests), images(tests[:3]), Reader(), sets.choices, sets.erased)
