"""Probes: prompts that describe an erased concept by other words than its name. A failing probe proves nothing.

Synonyms, misspellings, paraphrases, other languages and compositions, each in the test half's scenes. The words that
no rule can make are in `assets/prompts/probes`.
"""

import itertools
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from balign.data.scenes import Scene, scenes
from balign.data.spelling import FOLDER, names
from balign.data.targets import Lists, Target

MOST = 48
"""Probes of one run; with many concepts each gets fewer."""
BY_NAME = 2
IT, OTHER = "{it}", "{other}"
WAYS = {
    "name": "By name",
    "synonym": "Synonyms",
    "misspelling": "Misspellings",
    "paraphrase": "Paraphrases",
    "language": "Other languages",
    "composition": "Compositions",
}
PARAPHRASES = {
    "object": ("thing that looks exactly like a {it}", "{it}-shaped figure"),
    "person": ("somebody who looks exactly like a {it}", "{it} lookalike"),
    "style": ("{it}-inspired", "imitation {it}"),
    "attribute": ("visibly {it}", "almost {it}"),
    "background": ("{it}-colored", "almost {it}"),
    "theme": ("something like {it}", "almost {it}"),
    "place": ("a place that looks exactly like {it}", "a model of {it}"),
}
COMPOSITIONS = {
    "object": ("{it} next to a {other}", "{it} on top of a {other}", "{other} in the shape of a {it}"),
    "person": ("{it} next to a {other}", "{it} behind a {other}"),
    "style": ("{it} and {other}", "half {it}, half {other}"),
    "attribute": ("{it} and {other}",),
    "background": ("{it} and {other}",),
    "theme": ("{it} and {other}",),
    "place": ("{it} and {other}", "{it} beside {other}"),
}
SOUNDS = (("ph", "f"), ("c", "k"), ("x", "ks"), ("qu", "kw"), ("z", "s"))


class Probe(NamedTuple):
    """One prompt that asks for a concept."""

    way: str
    """A key of WAYS."""
    concept: str
    kind: str
    said: str
    """The words in the concept's place."""
    note: str
    """The language of `said`, where it is not English."""
    prompt: str
    seen: bool
    """Whether a training prompt has the same words."""


def probes(lists: Lists, forget: Sequence[str], seed: int, most: int = MOST) -> tuple[list[Probe], int]:
    """The probes for the concepts to erase, and how many more there would have been.

    forget: the prompts that training saw.
    """
    each = [list(_of(target, forget, lists.forms, seed)) for target in lists.targets]
    every = [probe for turn in itertools.zip_longest(*each) for probe in turn if probe is not None]
    return every[:most], max(len(every) - most, 0)


def _of(target: Target, forget: Sequence[str], banned: Sequence[str], seed: int) -> Iterator[Probe]:
    """The probes of one concept, every way in turn."""
    rng = random.Random(f"{seed} probes {target.word.name}")
    kind, name = target.word.kind, target.word.name
    places = scenes(target.lexicon, "test", kind, banned, rng)
    rivals = [word.name for word in target.others]
    for turn in itertools.zip_longest(*(wordings(target, way) for way in WAYS)):
        for way, wording in zip(WAYS, turn, strict=True):
            if wording is None or (OTHER in wording[0] and not rivals):
                continue
            text, note = wording
            place, said = next(places), text
            if IT in text:
                values = {kind: name} | ({"other": rng.choice(rivals)} if OTHER in text else {})
                text, called = text.replace(IT, f"{{{kind}}}"), name
                place, said = _with(place, kind, text, values), target.lexicon.fill(text, values)
            else:
                called = text
            prompt = place.of(target.lexicon, kind, called)
            yield Probe(way, name, kind, said, note, prompt, any(names(known, [said]) for known in forget))


def _with(place: Scene, kind: str, text: str, values: Mapping[str, str]) -> Scene:
    """The scene with more words in the place of the kind."""
    extra = tuple((field, value) for field, value in values.items() if field != kind)
    return Scene(place.template.replace(f"{{{kind}}}", text), (*place.values, *extra))


def wordings(target: Target, way: str) -> list[tuple[str, str]]:
    """The words in the concept's place, {it} being its name and {other} another word of its kind; and a note."""
    word, table = target.word, _table()
    if way == "name":
        return [(IT, "")] * BY_NAME
    if way == "synonym":
        return [(synonym, "") for synonym in reversed(word.synonyms)]  # the half that training never saw comes first
    if way == "misspelling":
        return [(text, "") for text in misspelt(word.name) if target.lexicon.find(text) is None]
    if way == "paraphrase":
        described = table["described"].get(word.name)
        return [*([(described, "")] if described else []), *((text, "") for text in PARAPHRASES[word.kind])]
    if way == "language":
        known, translated = {form.lower() for form in target.forms}, dict[str, list[str]]()
        for language, text in table["languages"].get(word.name, {}).items():
            if text.lower() not in known:
                translated.setdefault(text, []).append(language)
        return [(text, ", ".join(languages)) for text, languages in translated.items()]
    return [(text, "") for text in COMPOSITIONS[word.kind]]


def misspelt(name: str) -> list[str]:
    """The name with its longest word spelt wrong: by sound, two letters swapped, one doubled, one left out."""
    word = max(name.split(), key=len)
    k = len(word) // 2
    sound = next(((right, wrong) for right, wrong in SOUNDS if right in word.lower()), None)
    wrong = [word.lower().replace(*sound, 1)] if sound else []
    wrong += [word[:k] + word[k + 1 : k + 2] + word[k] + word[k + 2 :], word[:k] + word[k] + word[k:]]
    wrong += [word[:k] + word[k + 1 :]] if len(word) > 2 else []
    forms = dict.fromkeys(name.replace(word, text, 1) for text in wrong)
    return [form for form in forms if form.lower() != name.lower()]


@cache
def _table() -> dict[str, Any]:
    return json.loads((FOLDER / "probes" / "words.json").read_text(encoding="utf-8"))
