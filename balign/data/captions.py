"""Captions of somebody's own pictures as prompts: what is to be forgotten is named in them, and can be replaced."""

import re
from collections.abc import Sequence

from balign.data.spelling import names, tokens
from balign.data.targets import Target
from balign.refusal import Refusal

UNCAPTIONED = "a picture"
"""What a picture to keep is called that has no caption."""


def to_forget(
    captions: Sequence[str], targets: Sequence[Target], anchors: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The captions as prompts that name a concept, and the same with the replacements.

    One that names none is given the name of the only concept. Raises Refusal if there are several.
    """
    prompts, replaced = [], []
    for caption in captions:
        named = [(target, anchor, form) for target, anchor in zip(targets, anchors, strict=True)
                 if (form := names(caption, target.forms))]  # fmt: skip
        if not named and len(targets) > 1:
            listed = ", ".join(target.word.name for target in targets)
            called = f"is called {caption[:60]!r}" if caption else "has no caption"
            raise Refusal(f"A picture to forget {called}, which names none of {listed}; name one in each caption.")
        prompt, other = caption, caption
        for _, anchor, form in named:
            other = swapped(other, form, anchor)
        if not named:
            lexicon, kind = targets[0].lexicon, targets[0].word.kind
            template = lexicon.zero_shot[kind][0]
            called, instead = (lexicon.fill(template, {kind: word}) for word in (targets[0].word.name, anchors[0]))
            prompt, other = (", ".join(filter(None, (text, caption))) for text in (called, instead))
        prompts.append(prompt)
        replaced.append(other)
    return prompts, replaced


def to_keep(captions: Sequence[str], forms: Sequence[str]) -> list[str]:
    """The captions as prompts. Raises Refusal for one that names what is to be erased."""
    for caption in captions:
        named = names(caption, forms)
        if named is not None:
            raise Refusal(f"A picture to keep is called {caption[:60]!r} and names {named!r}, which is to be erased.")
    return [caption or UNCAPTIONED for caption in captions]


def swapped(text: str, phrase: str, other: str) -> str:
    """The text with each place that names the phrase, in whatever case or number, replaced; articles follow."""
    part, size = tokens(phrase), len(tokens(phrase))
    words = list(re.finditer(r"[^\W_]+(?:[-.][^\W_]+)*", text))
    start = len(words) - size
    while start >= 0 and part:
        run = words[start : start + size]
        if all(form & tokens(word[0])[0] for form, word in zip(part, run, strict=True)):
            text = text[: run[0].start()] + other + text[run[-1].end() :]
            start -= size
        else:
            start -= 1
    text = re.sub(r"\b([Aa])n? (?=[aeiouAEIOU])", r"\1n ", text)
    return " ".join(re.sub(r"\b([Aa])n (?=[^aeiouAEIOU\s])", r"\1 ", text).split())
