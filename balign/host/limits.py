"""Whether this instance is public, and how much a visitor of a public one may ask for.

It knows numbers and configs. Whose a run is, what waits for the machine and what lies on the disk is not known here.
"""

import os
import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from balign.method.objectives import settle
from balign.models.catalogue import CATALOGUE
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.prompt_lists import pictures

HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
HOUR = 3600.0
MAX_KEYS = 10_000
"""How many visitors are remembered for the rate limit at once."""


@dataclass(frozen=True)
class Limits:
    """What one run, one visitor and all of them together may take. They hold in public mode only, but for `in_line`."""

    concepts: int = 4
    keep: int = 100
    pictures: int = 1_000
    """Drawn in one run: to learn from, and before and after."""
    steps: int = 500
    drawing_steps: int = 50
    batch: int = 32
    previews: int = 100
    seconds: float = 3_600
    """A run that takes longer is asked to stop and keep what it has."""
    run_bytes: int = 4_000_000_000
    all_bytes: int = 40_000_000_000
    free_bytes: int = 2_000_000_000
    """With less room than this on the disk no run begins."""
    hours: float = 72
    """A run that nothing was written into for so long is deleted."""
    in_line_each: int = 2
    in_line: int = 20
    starts: int = 12
    """Runs that a visitor may begin within an hour; and thrice as many from one address."""
    drawings: int = 60
    """The same for what is drawn with finished runs in the Try tab."""


LIMITS = Limits()


def public() -> bool:
    """Whether strangers use this instance: BALIGN_PUBLIC says so, or else being a Space does."""
    said = os.environ.get("BALIGN_PUBLIC", "").strip()
    return said != "0" if said else bool(os.environ.get("SPACE_ID"))


def check(config: RunConfig) -> None:
    """Nothing on a machine of one's own; ValueError of one sentence for what a public instance does not do."""
    if not public():
        return
    check_model(config.model)
    scorers = list(dict.fromkeys(entry.scorer for entry in CATALOGUE))
    if config.scorer is not None and config.scorer not in scorers:
        raise Refusal(f"The scorer {config.scorer[:80]!r} is not used here; accepted are {', '.join(scorers)}.")
    if config.device != "auto":
        raise Refusal(f"The device is {config.device!r}; this shared instance decides that itself, so auto it is.")
    settings = settle(config)
    drawn = pictures(config)
    for found, most, what in (
        (len(config.erase), LIMITS.concepts, "concepts to erase"),
        (len(config.keep), LIMITS.keep, "prompts to keep"),
        (settings.steps, LIMITS.steps, "steps"),
        (config.sampling_steps or 0, LIMITS.drawing_steps, "drawing steps"),
        (settings.batch_forget, LIMITS.batch, "pictures to forget in one step"),
        (settings.batch_retain, LIMITS.batch, "pictures to retain in one step"),
        (drawn.previews, LIMITS.previews, "previews"),
        (drawn.training + drawn.compared, LIMITS.pictures, "pictures to draw, to learn from and to compare,"),
    ):
        if found > most:
            raise Refusal(f"{found:,} {what} were asked for; this shared instance does at most {most:,}.")


def check_model(name: str) -> None:
    """A public instance takes the models of the catalogue; with BALIGN_OPEN_MODELS=1 any of the hub; never a folder."""
    known = [entry.id for entry in CATALOGUE]
    if not public() or name in known:
        return
    if os.environ.get("BALIGN_OPEN_MODELS") != "1":
        raise Refusal(f"The model {name[:80]!r} is not offered here; accepted are {', '.join(known)}.")
    if not HUB_ID.fullmatch(name) or Path(name).exists():
        raise Refusal(f"The model {name[:80]!r} is no hub id of the form owner/name; one of those is accepted.")


class Rate:
    """How often each visitor began something within the last hour. Kept in memory; a restart forgets it."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def admit(self, most: dict[str, int], what: str = "runs", now: float | None = None) -> None:
        """Count one start for each of these visitors, or ValueError if one of them has had as many as it may."""
        now = time.monotonic() if now is None else now
        with self._lock:
            for key, allowed in most.items():
                times = self._seen.setdefault(key, deque())
                while times and times[0] <= now - HOUR:
                    times.popleft()
                if len(times) >= allowed:
                    minutes = max(1, round((times[0] + HOUR - now) / 60))
                    words = f"{allowed} {what} were begun from here within an hour"
                    raise Refusal(f"{words}; try again in {minutes} min.")
            for key in most:
                self._seen[key].append(now)
            while len(self._seen) > MAX_KEYS:
                del self._seen[next(iter(self._seen))]


RATE = Rate()
