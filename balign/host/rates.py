"""How often a visitor of a public instance may ask for something: counts within the last hour."""

import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from balign.refusal import Refusal

HOUR, MINUTE = 3600.0, 60.0
MAX_KEYS = 10_000
"""How many visitors a rate limit counts one by one."""
SHARED = 1_000
"""In how many counts those beyond them come together."""


class Charge(NamedTuple):
    """What is to be counted for one visitor, and how much within an hour is allowed."""

    key: str
    most: int
    amount: int = 1
    what: str = "runs were begun"
    where: str = "from here"


class Rate:
    """A rate limit: how much each visitor began or sent within the last hour. A restart forgets it.

    Nobody is forgotten before. Visitors beyond MAX_KEYS are counted together, SHARED counts for all of them, so that
    however many come, the memory is bounded and none of them frees another.
    """

    def __init__(self) -> None:
        self._seen: dict[str | int, list[tuple[float, int]]] = {}
        self._tidied = float("-inf")
        self._lock = threading.Lock()

    def admit(
        self, most: dict[str, int], what: str = "runs were begun", amount: int = 1, now: float | None = None
    ) -> None:
        """Count an amount for each of these visitors. Raises Refusal if one of them would have more than its number."""
        self.charge([Charge(key, allowed, amount, what) for key, allowed in most.items()], now)

    def charge(self, charges: Sequence[Charge], now: float | None = None) -> None:
        """Count all of these, or raise Refusal and count none."""
        now = time.monotonic() if now is None else now
        with self._lock:
            self._check(charges, now)
            for charge in charges:
                self._count(charge, now)

    def check(self, charges: Sequence[Charge]) -> None:
        """Raise Refusal if one of these could not be counted."""
        with self._lock:
            self._check(charges, time.monotonic())

    def _check(self, charges: Sequence[Charge], now: float) -> None:
        for key, most, amount, what, where in charges:
            recent = sorted(self._recent(key, now) + self._recent(_shared(key), now))
            over = sum(n for _, n in recent) + amount - most
            if over > 0:
                raise Refusal(f"{most:,} {what} {where} within an hour; {_later(recent, over, now)}.")

    def _count(self, charge: Charge, now: float) -> None:
        """What comes within a minute is one entry, so that many small amounts cost no more than few large ones."""
        known: str | int = charge.key
        if known not in self._seen and len(self._seen) >= MAX_KEYS:
            self._tidy(now)
            known = known if len(self._seen) < MAX_KEYS else _shared(charge.key)
        recent = self._recent(known, now)
        same = bool(recent) and now - recent[-1][0] < MINUTE
        begun, before = recent.pop() if same else (now, 0)
        self._seen[known] = [*recent, (begun, before + charge.amount)]

    def _recent(self, key: str | int, now: float) -> list[tuple[float, int]]:
        return [(at, n) for at, n in self._seen.get(key, ()) if at > now - HOUR]

    def _tidy(self, now: float) -> None:
        if now - self._tidied >= MINUTE:
            self._seen = {key: recent for key in self._seen if (recent := self._recent(key, now))}
            self._tidied = now


def _shared(key: str) -> int:
    """In which count a visitor beyond MAX_KEYS is; nobody outside can tell, since texts hash differently each time."""
    return hash(key) % SHARED


def _later(recent: Sequence[tuple[float, int]], over: int, now: float) -> str:
    """When this much will have been forgotten."""
    for at, amount in recent:
        over -= amount
        if over <= 0:
            return f"try again in {max(1, round((at + HOUR - now) / 60))} min"
    return "ask for less"


RATE = Rate()
