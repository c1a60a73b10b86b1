"""Whether this instance is public, and what a visitor of a public one may request."""

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path

from balign.measure import scorer_names
from balign.method.objectives import settle
from balign.models.catalogue import CATALOGUE
from balign.models.model_names import hub_id, looks_local
from balign.refusal import Refusal, about
from balign.runs.config import RunConfig
from balign.runs.prompt_lists import pictures

HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
SAID = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)


@dataclass(frozen=True)
class Limits:
    """What one run, one visitor and all of them together may take, in public mode where nothing else is said."""

    concepts: int = 4
    keep: int = 100
    images: int = 1_000
    """Drawn in one run: to train with, and before and after."""
    steps: int = 500
    drawing_steps: int = 50
    size: int = 768
    """Width and height of an image, in pixels, where a run names one."""
    batch: int = 32
    buffer: int = 8
    """Earlier retain gradients, each as large as the weights that train."""
    previews: int = 100
    seconds: float = 3_600
    """A run that takes longer is asked to stop and keep what it has."""
    run_bytes: int = 4_000_000_000
    all_bytes: int = 40_000_000_000
    free_bytes: int = 2_000_000_000
    """With less room than this on the disk no run begins."""
    cache_bytes: int = 4_000_000_000
    """Of training images that are kept for later runs; those used the longest ago are deleted first."""
    hours: float = 72
    """A run that was not used for so long is deleted."""
    own_pictures: int = 200
    """Of a visitor's own, to forget and to keep together; each of at most 50 MB and 50 million pixels."""
    queued_each: int = 2
    """Runs of one visitor that wait for the machine."""
    queued_from: int = 3
    """Waiting runs that were begun from one address."""
    queued: int = 20
    """Waiting runs of everybody; it holds everywhere."""
    starts: int = 12
    """Runs that a visitor may begin, resume or compare again within an hour."""
    images_each: int = 8_000
    """Drawn by these runs."""
    drawings: int = 60
    """Drawn with finished runs in the Try tab, exported or pushed within an hour."""
    rank: int = 128
    """Of a LoRA."""
    attack_drawings: int = 10
    """So many of these an attack counts as."""
    attack_pictures: int = 24
    """Drawn at a point of an attack."""
    attack_steps: int = 250
    """Of textual inversion."""
    attack_tokens: int = 3
    """Textual inversions of different length in one attack."""
    sharing: int = 3
    """How many times as many starts, images and drawings all visitors of one address have together."""
    events: int = 24
    """Presses, refreshes and calls from one address that are not answered yet."""
    passwords: int = 20
    """Wrong passwords from one address within an hour; it holds everywhere."""
    upload_bytes: int = 256_000_000
    """Of one upload; it holds everywhere. A bundle of the bundled model is a tenth of it."""
    upload_bytes_each: int = 600_000_000
    """Uploaded from one address within an hour."""
    upload_bytes_all: int = 4_000_000_000
    """Uploaded by everybody within an hour."""
    prompt_file_bytes: int = 5_000_000
    """Of a file with prompts to keep; it holds everywhere."""
    uploads_each: int = 200
    """Files uploaded from one address within an hour."""
    uploads_all: int = 2_000
    """Files uploaded by everybody within an hour."""
    upload_seconds: float = 3_600
    """Uploaded files that are older are deleted; it holds everywhere."""


LIMITS = Limits()


class NotHere(Refusal):
    """A run that is possible, but more than this instance does."""


def public() -> bool:
    """Whether strangers use this instance: as BALIGN_PUBLIC says, and without it unless only this machine reaches it.

    Raises Refusal if BALIGN_PUBLIC says neither yes nor no.
    """
    said = os.environ.get("BALIGN_PUBLIC", "").strip().lower()
    if said and said not in SAID:
        raise Refusal(f"BALIGN_PUBLIC is {said[:40]!r}; accepted are {', '.join(SAID)}.")
    return SAID[said] if said else not alone()


def alone() -> bool:
    """Whether only this machine reaches the studio: no Space, no share link, and it listens on loopback."""
    shared = os.environ.get("GRADIO_SHARE", "").lower() == "true"  # as gradio reads it
    return (
        not shared and not os.environ.get("SPACE_ID") and _loopback(os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    )


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:  # any other name, and an empty one, which is every address
        return False


def check(config: RunConfig) -> None:
    """Raise Refusal for a run that a public instance does not do; on your own machine all are possible."""
    if not public():
        return
    with about("model"):
        check_model(config.model)
    with about("scorer"):
        _check_scorer(config.scorer)
    if config.device != "auto":
        raise Refusal(f"The device is {config.device!r}; accepted on a shared instance is auto.")
    settings = settle(config)
    drawn = pictures(config)
    images = drawn.training + drawn.compared + drawn.reference
    for count, most, what, field in (
        (len(config.erase), LIMITS.concepts, "concepts to erase", "erase"),
        (len(config.keep), LIMITS.keep, "prompts to keep", "keep"),
        (len(config.forget_pictures) + len(config.keep_pictures), LIMITS.own_pictures, "own pictures", ""),
        (settings.steps, LIMITS.steps, "steps", "steps"),
        (config.sampling_steps or 0, LIMITS.drawing_steps, "drawing steps", "sampling_steps"),
        (config.size or 0, LIMITS.size, "pixels of width and height", "size"),
        (settings.batch_forget, LIMITS.batch, "forget images in one step", "batch_forget"),
        (settings.batch_retain, LIMITS.batch, "retain images in one step", "batch_retain"),
        (drawn.previews, LIMITS.previews, "previews", "preview_every"),
        (config.n_forget + config.n_retain, LIMITS.images, "prompts to learn from", "n_retain"),
        (settings.buffer, LIMITS.buffer, "earlier gradients to heed", "method"),
        (images, LIMITS.images, "images to draw, for training and comparing,", "n_eval"),
    ):
        if count > most:
            with about(field):
                raise NotHere(f"{count:,} {what} were asked for; this shared instance does at most {most:,}.")


def _check_scorer(name: str | None) -> None:
    """Raise Refusal unless a public instance has the scorer, or may fetch it; a folder is never looked at.

    It may fetch those of the catalogue; with BALIGN_OPEN_MODELS=1 those of papers, too.
    """
    known = list(dict.fromkeys(entry.scorer for entry in CATALOGUE))
    if name is None or name in known:
        return
    meant = scorer_names.paper_scorer(name)
    fetched = os.environ.get("BALIGN_OPEN_MODELS") == "1"
    if not meant or not (meant in known or fetched or scorer_names.on_this_machine(meant)):
        here = [each for each in scorer_names.PAPERS if fetched or scorer_names.on_this_machine(each)]
        accepted = ", ".join(dict.fromkeys([*known, *here]))
        raise Refusal(f"The scorer {name[:80]!r} is not used here; accepted are {accepted}.")


def check_model(name: str) -> None:
    """Raise Refusal unless a public instance accepts the model.

    It does those of the catalogue; with BALIGN_OPEN_MODELS=1 any of the hub; never a folder.
    """
    known = [entry.id for entry in CATALOGUE]
    if not public() or hub_id(name).lower() in map(str.lower, known):
        return
    if os.environ.get("BALIGN_OPEN_MODELS") != "1":
        raise Refusal(f"The model {name[:80]!r} is not offered here; accepted are {', '.join(known)}.")
    name = hub_id(name)
    if not HUB_ID.fullmatch(name) or looks_local(name) or Path(name).exists():
        raise Refusal(f"The model {name[:80]!r} is no hub id of the form owner/name; one of those is accepted.")
