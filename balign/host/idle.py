"""For how long something has not changed, told by the clock that no one sets: what expires is decided from this alone.

The times are kept in a file, so that a restart of the server goes on with them. Only time within one boot of the
machine counts, whichever servers ran in it: how long the machine was off cannot be known without a date.
"""

import contextlib
import json
import time
import uuid
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from balign.atomic import write
from balign.plain_file import raise_shortage, read_plain


class IdleTimes(BaseModel):
    """The file: the moment it was written, in which boot of the machine, and each name's mark and seconds."""

    model_config = ConfigDict(allow_inf_nan=False)

    boot: str = ""
    moment: float = 0.0
    seconds: dict[str, tuple[str, float]] = {}


def idle(file: Path, marks: Mapping[str, str]) -> dict[str, float]:
    """For each name, the seconds for which its mark has been the same, as often as this was called with this file.

    A name seen for the first time, or with another mark, has 0.
    """
    try:
        known = IdleTimes.model_validate_json(read_plain(file))
    except (OSError, ValidationError) as error:
        raise_shortage(error)
        known = IdleTimes()
    now, boot = time.monotonic(), _boot()
    passed = max(now - known.moment, 0.0) if known.boot == boot else 0.0
    seconds = {}
    for name, mark in marks.items():
        before, spent = known.seconds.get(ascii(name), ("", 0.0))
        seconds[name] = spent + passed if before == mark else 0.0
    if marks or known.seconds:
        kept = {ascii(name): (mark, seconds[name]) for name, mark in marks.items()}
        with contextlib.suppress(OSError):  # the disk is full: the next time that passed is longer
            write(file, json.dumps({"boot": boot, "moment": now, "seconds": kept}))
    return seconds


@cache
def _boot() -> str:
    """What names this boot of the machine; where the system has no such name, this process alone."""
    try:
        return read_plain("/proc/sys/kernel/random/boot_id", 100).decode().strip()  # it refuses to be asked for more
    except OSError as error:
        raise_shortage(error)
        return uuid.uuid4().hex
