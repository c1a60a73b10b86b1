"""Curves of the base and of controls, which no run changes: kept in the cache folder, where every run finds them again.

Each is named by what decides its pictures and their judges. A copy lies in the folder of each run that uses it.
"""

from contextlib import suppress
from pathlib import Path

from balign.atomic import write
from balign.attack.subjects import Subject
from balign.data.latent_cache import ATTACKS, cache_folder, used
from balign.refusal import Refusal
from balign.runs.tryout.attack_store import AttackCurve

CURVE = "curve.json"


def shared(subject: Subject) -> bool:
    """Whether a curve of this model says the same in every run."""
    return subject.name != "erased"


def keep(curve: AttackCurve, folder: Path) -> None:
    """Copy a curve and its sheets into the cache; a full disk there is no failure of the attack."""
    target = _place(curve.made_from)
    with suppress(OSError):
        target.mkdir(parents=True, exist_ok=True)
        for name in [*(Path(point.sheet).name for point in curve.points), CURVE]:
            write(target / name, (folder / name).read_bytes())


def fetch(made_from: str, folder: Path) -> None:
    """Copy a curve that was made from the same into this folder, if the cache has one with all its sheets."""
    source = _place(made_from)
    try:
        curve = AttackCurve.read(source / CURVE)
        names = [*(Path(point.sheet).name for point in curve.points), CURVE] if curve else []
        contents = [(name, (source / name).read_bytes()) for name in names]
    except (Refusal, OSError):  # damaged, or deleted to keep the cache small: made again
        return
    for name, content in contents:
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / name, content)
        used(source / name)


def _place(made_from: str) -> Path:
    return cache_folder() / ATTACKS / made_from
