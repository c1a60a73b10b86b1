"""Bodies as brotli: at once as well as is quick, from then on as well as can be."""

from collections import OrderedDict
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor

import brotli

QUICK, BEST = 5, 11
"""Quality of the first answer, 20 ms for the page, and of all later ones: 3 s in the background, a tenth smaller."""
KEPT = 256
"""Bodies in memory; the page and its scripts are eighty."""


class Compressed:
    """The compressed bodies that are kept."""

    def __init__(self) -> None:
        self.bodies: OrderedDict[Hashable, bytes] = OrderedDict()
        self.background = ThreadPoolExecutor(1, "brotli")

    def of(self, key: Hashable, body: bytes) -> bytes:
        """The body compressed; the same key must stand for the same body."""
        if key not in self.bodies:
            self.bodies[key] = brotli.compress(body, quality=QUICK)
            self.background.submit(self._better, key, body)
            if len(self.bodies) > KEPT:
                self.bodies.popitem(last=False)
        return self.bodies[key]

    def _better(self, key: Hashable, body: bytes) -> None:
        best = brotli.compress(body, quality=BEST)
        if key in self.bodies:
            self.bodies[key] = best
