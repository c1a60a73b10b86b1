"""What a denoiser takes of memory and arithmetic, as numbers. Importing this needs no torch.

Those of the catalogue's models stand in ``footprints.json``, written by ``python -m benchmarks.fit --write``; those of
any other are counted by ``counting``.
"""

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

from balign.models.catalogue import CATALOGUE, DIT, EMOJI, FASHION, SD14, Entry

FILE = Path(__file__).with_name("footprints.json")


class Footprint(NamedTuple):
    """A denoiser at one size of picture. Memory is in bytes, in fp32."""

    side: int
    """Width of the latent it was counted for; of another form, that of a square of as many pixels."""
    weights: int
    trained: dict[str, int]
    """Of the weights of each choice of what trains, by its name."""
    learning: dict[str, list[int]]
    """The most that learning from one picture holds beside weights and gradient: as it is, and with checkpointing."""
    predicting: int
    """The most that one prediction for one picture holds without learning."""
    flops: int
    """Operations of one prediction for one picture."""

    def at(self, side: int) -> "Footprint":
        """At another size of picture, to which all but the weights is in proportion."""
        scale = (side / self.side) ** 2
        return self._replace(
            side=side,
            learning={name: [int(each * scale) for each in both] for name, both in self.learning.items()},
            predicting=int(self.predicting * scale),
            flops=int(self.flops * scale),
        )


def known(entry: Entry) -> Footprint:
    """Of a model of the catalogue, or of the one in it that an unlisted model is most like, at the entry's size."""
    found, listed = _all(), {each.id: each for each in CATALOGUE}
    small = {each.lexicon: each for each in (EMOJI, FASHION)}.get(entry.lexicon)
    alike = small or (DIT if entry.family == DIT.family else SD14)
    alike = listed.get(entry.id, alike)
    footprint = found[alike.id]
    return footprint.at(round(footprint.side * entry.size_px / alike.size_px))


@cache
def _all() -> dict[str, Footprint]:
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: Footprint(**values) for name, values in stored.items()}
