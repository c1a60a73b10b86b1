"""Which words of a prompt a model never learnt, where everything it knows is listed."""

import re
from functools import cache

from balign.data.lexicon import load
from balign.data.spelling import tokens

JOINING = frozenset(
    re.findall(
        "[a-z]+",
        "a an and are as at behind beside between by for from has in into is it its near next of on one or over some "
        "that the this to two under with without",
    )
)
"""Words that join others and mean nothing to be drawn."""


def unknown(text: str, lexicon: str) -> list[str]:
    """The words of a text, as typed, that no prompt of a closed lexicon has; none for one that only lists a few."""
    if not load(lexicon).closed:
        return []
    known = _known(lexicon)
    words = [(word.strip(".,;:!?\"'()"), forms) for word in text.split() for forms in tokens(word)[:1]]
    return list(dict.fromkeys(word for word, forms in words if word and not forms & known))


@cache
def _known(lexicon: str) -> frozenset[str]:
    """Every form of every word that a prompt of the lexicon may have."""
    words = load(lexicon)
    texts = [*words.listed, *(text for half in words.templates.values() for text in half)]
    texts += [text for halves in words.dimensions.values() for half in halves.values() for text in half]
    texts += [text for captions in words.zero_shot.values() for text in captions]
    return JOINING.union(*(forms for text in texts for forms in tokens(text)))
