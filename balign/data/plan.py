"""The random choices behind one run's prompts: which words are held out, and which scenes each side is given.

Everything follows from the seed. The test prompts do not depend on how many training prompts there are.
"""

import itertools
import random
from collections.abc import Iterator, Sequence

from balign.data.lexicon import Lexicon
from balign.data.scenes import Labelled, Scene, scenes, shuffled
from balign.data.spelling import names
from balign.data.targets import Lists, Target
from balign.refusal import Refusal

NEIGHBOURS_OUT = 4  # one close word in so many is held out from the twins
PLAIN_TURN = 4  # one twin in so many has no such word at all, where the lexicon has wordings for that
SYNONYM_TURN = 4  # one forget prompt in so many uses a synonym
KEEP_ROUNDS = 8  # most images of one entry of the keep list


class Plan:
    """Streams of prompts for the two lists of a run and a seed."""

    def __init__(self, lists: Lists, seed: int, only: Sequence[str] = ()) -> None:
        """only: the words that alone are guarded in training; left out, all of the kind and the keep list."""
        self.targets, self.seed, self.banned, self.only = lists.targets, seed, lists.forms, only
        others = {word.name for target in self.targets for word in target.others}
        if odd := [word for word in only if word not in others]:
            raise Refusal(f"{odd[0]!r} is no other word of the kind; accepted are {', '.join(sorted(others)[:12])}.")
        lexicons = list({target.lexicon.name: target.lexicon for target in self.targets}.values())
        hits = {text: next(((x, word) for x in lexicons if (word := x.find(text))), None) for text in lists.keep}
        self.kept_words = [hit for hit in hits.values() if hit is not None]
        self.kept_prompts = [text for text, hit in hits.items() if hit is None]
        self.anchors = [replacement(target) for target in self.targets]
        halves = [self._split(target, anchor) for target, anchor in zip(self.targets, self.anchors, strict=True)]
        self.trained = [trained for trained, _ in halves]
        self.held_out = [held_out for _, held_out in halves]

    def _rng(self, name: str) -> random.Random:
        return random.Random(f"{self.seed} {name}")

    def _split(self, target: Target, anchor: str) -> tuple[list[str], list[str]]:
        """The other words of the target's kind: those for twins, and close ones held out for testing."""
        members = target.others
        listed = {word.name for _, word in self.kept_words} | {anchor, *self.only}
        close = [word.name for word in members if word.name not in listed and word.category == target.word.category]
        if len(close) < 2:
            close = [word.name for word in members if word.name not in listed]
        count = max(1, len(close) // NEIGHBOURS_OUT) if len(close) > 1 else 0
        out = self._rng(f"neighbours {target.word.name}").sample(close, count)
        return [word.name for word in members if word.name not in out], out

    def _scenes(self, lexicon: Lexicon, kind: str, half: str, name: str) -> Iterator[Scene]:
        return scenes(lexicon, half, kind, self.banned, self._rng(f"{half} {name}"))

    def _about(self, half: str) -> list[Iterator[Scene]]:
        """One stream of scenes a concept; two calls give the same streams, so twins differ by the concept alone."""
        return [self._scenes(t.lexicon, t.word.kind, half, t.word.name) for t in self.targets]

    def forget(self, count: int) -> tuple[list[str], list[str]]:
        """Prompts that name the concepts in turn, and the same with the replacements.

        One in four uses one of the first half of the concept's synonyms; the other half stays unseen, for attacks.
        """
        streams, prompts, anchors = self._about("train"), [], []
        for i in range(count):
            which, turn = i % len(self.targets), i // len(self.targets)
            target = self.targets[which]
            spare = target.word.synonyms[: len(target.word.synonyms) // 2]
            by_synonym = spare and turn % SYNONYM_TURN == SYNONYM_TURN - 1
            called = spare[turn // SYNONYM_TURN % len(spare)] if by_synonym else target.word.name
            scene = next(streams[which])
            prompts.append(scene.of(target.lexicon, target.word.kind, called))
            anchors.append(scene.of(target.lexicon, target.word.kind, self.anchors[which]))
        return prompts, anchors

    def retain(self, count: int) -> tuple[int, list[str]]:
        """Prompts from the keep list, up to half of all, then twins; and how many come from the list."""
        most = 0 if self.only else count // 2
        listed = [labelled.prompt for labelled in itertools.islice(self._listed("train"), most)]
        return len(listed), [*listed, *itertools.islice(self._twins(), count - len(listed))]

    def uniform_retain(self, count: int) -> list[str]:
        """One twin a concept, over and over."""
        twins = list(itertools.islice(self._twins(), len(self.targets)))
        return [twins[i % len(twins)] for i in range(count)]

    def _twins(self) -> Iterator[str]:
        """The forget prompts' scenes, each with another word of the kind, all words in turn."""
        words = [self._other_words(i) for i in range(len(self.targets))]
        streams = self._about("train")
        for turn in itertools.count():
            for target, word, stream in zip(self.targets, words, streams, strict=True):
                scene, kind = next(stream), target.word.kind
                plain = target.lexicon.plain.get(kind, ()) if target.explicit and turn % PLAIN_TURN == 1 else ()
                wordings = [each for each in plain if not names(each, self.banned)]
                if wordings:
                    scene = scene._replace(template=wordings[turn // PLAIN_TURN % len(wordings)])
                yield scene.of(target.lexicon, kind, next(word))

    def _other_words(self, index: int) -> Iterator[str]:
        target = self.targets[index]
        trained = [word for word in self.trained[index] if not self.only or word in self.only]
        others = trained or [target.lexicon.generic.get(target.word.kind, "")]
        stream = shuffled(others, self._rng(f"twins {target.word.name}"))
        if target.word.kind not in target.lexicon.optional:
            return stream
        return itertools.chain.from_iterable(("", name) for name in stream)  # every second twin just lacks the word

    def _listed(self, half: str) -> Iterator[Labelled]:
        """The keep list in turn: words in new scenes every round, prompts as they are."""
        streams = [(x, word, self._scenes(x, word.kind, half, word.name)) for x, word in self.kept_words]
        prompts = self._rng("keep").sample(self.kept_prompts, len(self.kept_prompts))
        for turn in range(KEEP_ROUNDS):
            if half == "train" or turn == 0:
                for text in prompts:
                    words = self.targets[0].lexicon.named_in(text)
                    yield Labelled(text, {word.kind: word.name for word in words})
            for lexicon, word, stream in streams:
                yield next(stream).labelled(lexicon, word.kind, word.name)

    def erased_test(self, count: int) -> list[Labelled]:
        """The concepts by name, in the test half of everything else."""
        anchors = self._test([[anchor] for anchor in self.anchors], count)
        tests = self._test([[target.word.name] for target in self.targets], count)
        return [test._replace(twin=anchor.prompt) for test, anchor in zip(tests, anchors, strict=True)]

    def neighbours_test(self, count: int) -> list[Labelled]:
        """Close words that are on no list and in no twin; empty when the kind has too few members."""
        return self._test(self.held_out, count)

    def kept_test(self, count: int) -> list[Labelled]:
        """The keep list, at most half of the prompts unless there is nothing else; then words of the twins."""
        words = [
            self._rng(f"kept {t.word.name}").sample(w, len(w)) for t, w in zip(self.targets, self.trained, strict=True)
        ]
        listed = list(itertools.islice(self._listed("test"), count // 2 if any(words) else count))
        return [*listed, *self._test(words, count - len(listed))]

    def _test(self, words: Sequence[Sequence[str]], count: int) -> list[Labelled]:
        """`count` labelled prompts, one from each concept's words in turn."""
        streams = [
            (target, itertools.cycle(listed), stream)
            for target, listed, stream in zip(self.targets, words, self._about("test"), strict=True)
            if listed
        ]
        labelled = []
        for i in range(count if streams else 0):
            target, called, stream = streams[i % len(streams)]
            labelled.append(next(stream).labelled(target.lexicon, target.word.kind, next(called)))
        return labelled


def replacement(target: Target) -> str:
    """What to draw instead: what was named; nothing, for a word that can be left out; else the nearest relative."""
    if target.replacement is not None:
        return target.replacement
    if target.word.kind in target.lexicon.optional:
        return ""
    if target.word.kind in target.lexicon.replace:
        return target.lexicon.replace[target.word.kind]
    if target.explicit and target.word.instead:
        return target.word.instead
    listed = target.lexicon.words[target.word.kind].get(target.word.name) is not None
    close = [word for word in target.others if word.category == target.word.category]
    if not target.others or not (listed or (target.explicit and target.word.category and close)):
        return target.lexicon.generic.get(target.word.kind, target.word.kind)
    return (close or target.others)[0].name
