"""Whether this instance is public, what a visitor of a public one may request, and how often."""

import os
import re
import threading
import time
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
    """What one run, one visitor and all of them together may take. All but `queued` hold in public mode only."""

    concepts: int = 4
    keep: int = 100
    images: int = 1_000
    """Drawn in one run: to train with, and before and after."""
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
    """A run that was not used for so long is deleted."""
    queued_each: int = 2
    queued: int = 20
    starts: int = 12
    """Runs that a visitor may begin within an hour; three times as many from one address."""
    upload_bytes: int = 256_000_000
    """Of one upload; it holds everywhere. A bundle of the bundled model is a tenth of it."""
    upload_bytes_each: int = 600_000_000
    """Uploaded from one address within an hour."""
    upload_bytes_all: int = 4_000_000_000
    """Uploaded by everybody within an hour."""
    upload_seconds: float = 3_600
    """Uploaded files that are older are deleted; it holds everywhere."""
    drawings: int = 60
    """The same for what is drawn with finished runs in the Try tab."""


LIMITS = Limits()


def public() -> bool:
    """Whether strangers use this instance: as BALIGN_PUBLIC says, and without it whether this is a Space."""
    value = os.environ.get("BALIGN_PUBLIC", "").strip()
    return value != "0" if value else bool(os.environ.get("SPACE_ID"))


def check(config: RunConfig) -> None:
    """Raise Refusal for a run that a public instance does not do; on your own machine all are possible."""
    if not public():
        return
    check_model(config.model)
    scorers = list(dict.fromkeys(entry.scorer for entry in CATALOGUE))
    if config.scorer is not None and config.scorer not in scorers:
        raise Refusal(f"The scorer {config.scorer[:80]!r} is not used here; accepted are {', '.join(scorers)}.")
    if config.device != "auto":
        raise Refusal(f"The device is {config.device!r}; accepted on a shared instance is auto.")
    settings = settle(config)
    drawn = pictures(config)
    for count, most, what in (
        (len(config.erase), LIMITS.concepts, "concepts to erase"),
        (len(config.keep), LIMITS.keep, "prompts to keep"),
        (settings.steps, LIMITS.steps, "steps"),
        (config.sampling_steps or 0, LIMITS.drawing_steps, "drawing steps"),
        (settings.batch_forget, LIMITS.batch, "forget images in one step"),
        (settings.batch_retain, LIMITS.batch, "retain images in one step"),
        (drawn.previews, LIMITS.previews, "previews"),
        (drawn.training + drawn.compared, LIMITS.images, "images to draw, for training and comparing,"),
    ):
        if count > most:
            raise Refusal(f"{count:,} {what} were asked for; this shared instance does at most {most:,}.")


def check_model(name: str) -> None:
    """Raise Refusal unless a public instance accepts the model.

    It does those of the catalogue; with BALIGN_OPEN_MODELS=1 any of the hub; never a folder.
    """
    known = [entry.id for entry in CATALOGUE]
    if not public() or name in known:
        return
    if os.environ.get("BALIGN_OPEN_MODELS") != "1":
        raise Refusal(f"The model {name[:80]!r} is not offered here; accepted are {', '.join(known)}.")
    if not HUB_ID.fullmatch(name) or Path(name).exists():
        raise Refusal(f"The model {name[:80]!r} is no hub id of the form owner/name; one of those is accepted.")


class Rate:
    """A rate limit: how much each visitor began or sent within the last hour. A restart forgets it."""

    def __init__(self) -> None:
        self._seen: dict[str, list[tuple[float, int]]] = {}
        self._lock = threading.Lock()

    def admit(
        self, most: dict[str, int], what: str = "runs were begun", amount: int = 1, now: float | None = None
    ) -> None:
        """Count an amount for each of these visitors. Raises Refusal if one of them would have more than its number.

        A refused attempt is not remembered. Beyond MAX_KEYS visitors, who was admitted the longest ago is forgotten.
        """
        now = time.monotonic() if now is None else now
        with self._lock:
            recent = {key: [(at, n) for at, n in self._seen.get(key, ()) if at > now - HOUR] for key in most}
            for key, allowed in most.items():
                if sum(n for _, n in recent[key]) + amount > allowed:
                    minutes = max(1, round((min((at for at, _ in recent[key]), default=now) + HOUR - now) / 60))
                    raise Refusal(f"{allowed:,} {what} from here within an hour; try again in {minutes} min.")
            for key in most:
                self._seen.pop(key, None)
                self._seen[key] = [*recent[key], (now, amount)]
            while len(self._seen) > MAX_KEYS:
                del self._seen[next(iter(self._seen))]


RATE = Rate()
