"""What is meant by a concept as it is typed: which word or words of which lexicon, and what was done to find them."""

import re
from functools import lru_cache
from typing import NamedTuple

from balign.data import recognised
from balign.data.kinds import HOMES, KINDS, MANY, TITLES, WORK, likeliest
from balign.data.lexicon import OPEN, Lexicon, Word, load
from balign.data.lists import JOINED
from balign.data.readings import ARTICLE, LIKENESS, LISTED_AS, plain, readings, tells_style
from balign.data.spelling import folded, places, same, singular, spoken, tokens, vocabulary
from balign.refusal import Refusal

PLACED = re.compile(r"\s+(?:at|on|in|with|without|of|from|under|for|near|over|behind|wearing|holding)\s+")
"""What follows says more of a thing, and is not what it is."""


class Meaning(NamedTuple):
    """What a name stands for: words of one lexicon, several for a category, and a sentence if that is not plain."""

    lexicon: Lexicon
    words: tuple[Word, ...]
    alias: str = ""
    """What was typed, where it is another language or an emoji: a name of the concept as well."""
    remark: str = ""
    unsure: tuple[str, ...] = ()
    """The kinds that an unknown name may be, the likeliest first; empty where it is known."""

    @property
    def kind(self) -> str:
        """The kind as people name it."""
        return "category" if len(self.words) > 1 else TITLES[self.words[0].kind]


@lru_cache(maxsize=4_096)
def understand(name: str, lexicon: str, kind: str | None = None) -> Meaning:
    """The meaning of a concept for a model with this lexicon; of this kind (a key of KINDS), if one is given.

    A closed lexicon refuses what it does not list, naming what is near. In an open one a word that no list has is taken
    as one more of its kind, or of the lexicon's first if none is given and the wording tells nothing. Raises Refusal.
    """
    own = load(lexicon)
    wanted = None if kind is None else KINDS[kind]
    return (_closed if own.closed else _open)(name.strip(), own, wanted)


def _closed(name: str, own: Lexicon, wanted: str | None) -> Meaning:
    """The meaning among the words that a model knows. Raises Refusal for any other."""
    kinds = ", ".join(f"{TITLES.get(kind, kind)}s" for kind in own.words)
    if wanted is not None and wanted not in ("category", *own.words):
        many = MANY.get(TITLES[wanted], f"{TITLES[wanted]}s")
        raise Refusal(f"The model knows no {many}, so {name!r} cannot be one; it knows {kinds}.")
    for text, hint in readings(name):
        if wanted != "category":
            word = own.find(text, wanted or (hint if hint in own.words else None)) or own.find(text, wanted)
            if word is not None:
                return _meaning(own, word, name, text)
        if wanted in (None, "category"):
            group = recognised.category(text, own)
            if group:
                return Meaning(own, group, remark=_all(name, group))
    text = plain(name)
    english = recognised.translated(text)
    word = own.find(english[0], wanted) if english else None
    if word is None and (word := _in_emoji(name, own, wanted)) is not None:
        return _meaning(own, word, name, text)
    if word is not None and english:
        return _meaning(own, word, name, text, f"{name!r} is {english[1]} for {word.name!r}")
    if wanted is not None and (other := own.find(text)) is not None:
        raise Refusal(f"To the model {name!r} is of the kind {TITLES[other.kind]}, not {TITLES[wanted]}.")
    inside = [word.name for word in own.named_in(text) if wanted in (None, word.kind)]
    near = list(dict.fromkeys((*inside, *own.near(text))))[:3]
    examples = ", ".join(next(iter(members)) for members in own.words.values())
    hint_words = f"did you mean {' or '.join(near)}?" if near else f"it knows words such as {examples}."
    raise Refusal(f"The model does not know {name!r}; {hint_words}")


def _open(name: str, own: Lexicon, wanted: str | None) -> Meaning:
    """The meaning among the words that are listed for every model; else one more word of its kind."""
    if wanted == "category":
        for text, _ in readings(name):
            for lexicon in dict.fromkeys((own.name, *OPEN)):
                group = recognised.category(text, load(lexicon))
                if group:
                    return Meaning(load(lexicon), group, remark=_all(name, group))
        raise Refusal(
            f"{name!r} is no category; accepted are animals, birds, food, vehicles, plants, cities and so on."
        )
    likeness = bool(LIKENESS.search(name))
    if wanted is None and own.find(plain(name)) is None:
        for text, _ in readings(name):
            for home in (own, load("places"), load("backgrounds")):
                group = recognised.category(text, home)
                if group:
                    return Meaning(home, group, remark=_all(name, group))
    for text, hint in readings(name):
        found = _listed(text, own, wanted or hint, likeness)
        if found is not None:
            home, listed = found
            return _meaning(home, _as_before(listed, home) if wanted is None else listed, name, text)
        if hint == "style" and wanted in (None, "style") and tells_style(name):
            return Meaning(load("styles"), (Word(text, "style"),))
        if hint == "person" and wanted in (None, hint):
            return Meaning(load("portraits"), (Word(text, hint),))
        if hint == "background" and wanted in (None, hint):
            whole = ARTICLE.sub("", plain(name))
            return Meaning(load("backgrounds"), (Word(whole, hint),))
    if (word := _in_emoji(name, own, wanted)) is not None:
        return _meaning(own, word, name, plain(name))
    for text, _ in readings(name):
        english = recognised.translated(text)
        found = _listed(english[0], own, wanted, likeness) if english else None
        if found is not None and english:
            return _meaning(*found, name, text, f"{name!r} is {english[1]} for {found[1].name!r}")
    return _unlisted(name, own, wanted)


def _listed(text: str, own: Lexicon, wanted: str | None, likeness: bool) -> tuple[Lexicon, Word] | None:
    """The listed or recognised word of this name."""
    for lexicon in dict.fromkeys((own.name, *OPEN)):
        word = load(lexicon).find(text, wanted)
        if word is not None and not (likeness and word.kind == "style" and wanted is None and " " in word.name):
            return load(lexicon), word
    if wanted in (None, "style") and not (likeness and wanted is None):
        word = recognised.style(text)
        if word is not None:
            return load("styles"), word
    if likeness and wanted is None and (load("styles").find(text) or recognised.style(text)):
        artist = load("styles").find(text) or recognised.style(text)
        return load("portraits"), Word(artist.name if artist else text, "person")
    if wanted in (None, "object"):
        thing = recognised.thing(text)
        if thing is not None or recognised.elsewhere(text) is not None:
            return load("objects"), _relative(thing or singular(text))
    return None


def _relative(name: str) -> Word:
    """A thing that no prompt puts beside others, near to those of its category, where that is known."""
    near = recognised.elsewhere(name)
    category = recognised.things().get(name) or (near.category if near else None)
    if category is None:
        return Word(name, "object")
    objects = load("objects").words["object"].values()
    shared = ("animal",) if category in vocabulary()["categories"]["animal"] else (category,)
    kin = [word for word in objects if same(word.name, category)] or [w for w in objects if w.category in shared]
    of = kin[0] if kin else None
    return Word(name, "object", of.category if of else None, instead=of.name if of else "")


def _unlisted(name: str, own: Lexicon, wanted: str | None) -> Meaning:
    """One more word: of the kind that was given, else of that of its last word, else unsure."""
    *_, stripped = (text for text, hint in readings(name) if hint is None) if wanted != "style" else (plain(name),)
    hints = {wanted, "style"} if tells_style(name) else {wanted}  # the person of "by Van Gogh" is Van Gogh
    hinted = [text for text, hint in readings(name) if hint is not None and hint in hints]
    text = hinted[0] if hinted else stripped
    head = _head(text, own, wanted)
    if head is not None:
        lexicon, listed = head
        near = lexicon.find(listed.name, listed.kind)
        word = Word(_called(text, listed.kind), listed.kind, near.category if near else None)
        word = word._replace(instead=near.name if near and near.kind == "object" else "")
        return Meaning(lexicon, (word if wanted else word._replace(category=None, instead=""),))
    if wanted is not None:
        homes = HOMES[wanted]
        at_work = wanted == "person" and text.islower() and (WORK.search(text) or spoken(name) != name)
        home = homes[0] if at_work else homes[-1]
        if wanted in ("place",):
            text = plain(name) if plain(name).lower().startswith("the ") else text
        return Meaning(load(home), (Word(_called(text, wanted), wanted),))
    if spoken(name) != name:  # an emoji that no list has is a thing, or somebody at work
        if any(job == text for job in vocabulary()["jobs"].values()):
            return Meaning(load("people"), (Word(text, "person"),), alias=name)
        return Meaning(own, (Word(text.removesuffix(" face"), next(iter(own.words))),), alias=name)
    kind = next(iter(own.words))
    return Meaning(own, (Word(_called(text, kind), kind),), unsure=likeliest(text))


def _head(text: str, own: Lexicon, wanted: str | None) -> tuple[Lexicon, Word] | None:
    """The listed word that an unlisted name is about: the car of `red car`, the dog of `dog on a leash`."""
    core = PLACED.split(text)[0]
    last = core.rpartition(" ")[2]
    if JOINED.search(text) or (core == text and (" " not in text or last[:1].isupper())):
        return None
    for lexicon in (own, *map(load, OPEN)):
        word = lexicon.find(core, wanted) or (lexicon.find(last, wanted) if last.islower() else None)
        if word is not None and word.kind in ("object", "person", "theme", "background", "place"):
            return lexicon, word
    thing = recognised.thing(core) or (recognised.thing(last) if last.islower() else None)
    return (load("objects"), Word(thing, "object")) if thing and wanted in (None, "object") else None


def _called(text: str, kind: str) -> str:
    return singular(text) if kind == "object" else text


def _as_before(word: Word, lexicon: Lexicon) -> Word:
    """A recognised word as runs without a kind have it: near to no other, as an earlier release took it."""
    return word if word.name in lexicon.listed else word._replace(category=None, instead="")


def _meaning(lexicon: Lexicon, word: Word, name: str, text: str, remark: str = "") -> Meaning:
    """A listed word, with a sentence where it was called otherwise."""
    if remark:
        return Meaning(lexicon, (word,), alias=text, remark=f"{remark}; {word.name!r} is erased with all its names.")
    if spoken(name) != name:
        return Meaning(lexicon, (word,), alias=name, remark=f"{name!r} is taken as {word.name!r}.")
    named = ARTICLE.sub("", word.name)
    if not (_inside(name, named) or same(text, named)):
        return Meaning(
            lexicon,
            (word,),
            remark=f"{name!r} is another word for {word.name!r}; {word.name!r} is erased with all its names.",
        )
    if folded(plain(name)) in LISTED_AS:
        return Meaning(lexicon, (word,), remark=f"{name!r} is taken as the attribute {word.name!r}.")
    return Meaning(lexicon, (word,))


def _in_emoji(name: str, own: Lexicon, wanted: str | None) -> Word | None:
    """The word that the name of an emoji holds: a slice of pizza."""
    said = spoken(name)
    if said == name:
        return None
    words = [word for word in own.all_words() if wanted in (None, word.kind)]
    held = [word for word in words if any(_inside(said, each) for each in (word.name, *word.synonyms))]
    return max(held, key=lambda word: len(word.name), default=None)


def _inside(text: str, name: str) -> bool:
    return next(places(tokens(text), tokens(name)), None) is not None


def _all(name: str, group: tuple[Word, ...]) -> str:
    shown = ", ".join(word.name for word in group[:3])
    return f"{name!r} is a category: its {len(group)} members are erased, {shown} and so on."


@lru_cache(maxsize=4_096)
def known(name: str, lexicon: str, kind: str | None = None) -> bool:
    """Whether a model with this lexicon knows the name, as this kind: then "cat and dog" are two concepts."""
    try:
        return bool(name.strip()) and not understand(name, lexicon, kind).unsure
    except Refusal:
        return False
