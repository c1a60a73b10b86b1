"""The words of the page that are the trade's, and where to read on: the foot of every tab."""

from markupsafe import Markup

from balign.markup.render import render
from balign.measure.report import GROUPS

TERMS = {
    "Scorer": "A separate model (CLIP) that judges which word a picture shows and how well picture and prompt match.",
    "Recognised": "The scorer picks the right word for the picture among all words of its kind.",
    "Alignment": "The cosine of a picture and its prompt by the scorer, from \N{MINUS SIGN}1 to 1; higher is closer.",
    "UA, unlearning accuracy": "The share of the erased pictures in which the scorer no longer sees the word.",
    "IRA, in-domain retain accuracy": "The share of other pictures that still show their own thing of the same kind.",
    "CRA, cross-domain retain accuracy": "The share of their other words (style, background, object) still seen.",
    GROUPS["neighbours"].title: "Things close to what was erased that nobody listed; they show harm first.",
    "Interval": "If everything were drawn again, such an interval would hold the true value 95 times in 100.",
    "p": "How often chance alone would make as large a change; small is surprising.",
    "Forget loss, retain loss": "What the training lowers to make the model forget, and how badly it draws the rest.",
    "Gradient": "The direction in which changing the weights changes a loss fastest; two of them can conflict.",
    "Ledger": "For every step, whether it was promised and found to raise neither loss.",
    "to_q, to_k, to_v": "Weights of the attention: what a place in the picture asks, where it listens, what it takes.",
}
"""Each term with a sentence that needs no other."""
LINKS = {
    "The paper": "https://arxiv.org/abs/2412.07808",
    "How it works, its limits and its licence": "https://huggingface.co/spaces/{}/blob/main/README.md",
}


def foot(space: str) -> Markup:
    """The foot; space: the hub's name of the Space, where its code and documents can be read, or empty."""
    links = {text: address.format(space) for text, address in LINKS.items() if space or "{}" not in address}
    return render("ui/footer.html", terms=TERMS, links=links)
