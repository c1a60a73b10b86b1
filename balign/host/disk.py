"""Quota and expiry on a public instance: old runs are deleted, and none begins where the disk is full."""

import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from balign.data import latent_cache
from balign.host import limits, visitors
from balign.host.idle import idle
from balign.models import catalogue, hub
from balign.plain_file import SHORTAGES, expanded, raise_shortage
from balign.refusal import Refusal
from balign.runs.folder import Run, list_runs, runs_root
from balign.runs.leftovers import remove_folder
from balign.runs.run_folders import RunFolder, run_folders

log = logging.getLogger(__name__)
SIGNS = ("config.json", "telemetry.jsonl", "report.json", "label", "tries", "strength", "probes", "votes", "attacks")
"""The files and folders that change when a run is used."""
UPLOADS = ".balign-uploads"
IDLE_RUNS, IDLE_UPLOADS = ".idle-runs.json", ".idle-uploads.json"
"""The files, beside the runs, that say for how long runs and uploads have not changed."""
_sizes: dict[str, tuple[RunFolder, int]] = {}


def sweep(spared: Collection[Run]) -> list[str]:
    """Delete visitors' runs that were not used for too long, except those spared; the ids of the deleted."""
    if not limits.public():
        return []
    runs = {run.id: run for run in list_runs() if run not in spared and visitors.of_a_visitor(run)}
    unused = _idle(IDLE_RUNS, {name: _mark(run.path, SIGNS) for name, run in runs.items()})
    deleted = []
    for name, run in runs.items():
        if run.running() or unused[name] < 3600 * limits.LIMITS.hours:
            continue
        try:
            run.delete()
            deleted.append(run.id)
        except (OSError, Refusal) as error:  # the next sweep tries again
            log.warning("a run that expired could not be deleted: %s", error)
    return deleted


def uploads() -> Path:
    """Where uploaded files are kept, and nothing else: a folder in GRADIO_TEMP_DIR, or else beside the runs."""
    folder = expanded(os.environ.get("GRADIO_TEMP_DIR") or runs_root().absolute())
    folder = folder if folder.name == UPLOADS else folder / UPLOADS
    os.environ["GRADIO_TEMP_DIR"] = str(folder)  # where gradio reads it
    return folder


def sweep_uploads() -> None:
    """Delete uploaded files that are too old, also those of a server that was killed."""
    files = {path.name: path for path in uploads().glob("*")}
    for name, seconds in _idle(IDLE_UPLOADS, {name: _mark(path, ("",)) for name, path in files.items()}).items():
        if seconds >= limits.LIMITS.upload_seconds:
            with contextlib.suppress(OSError):  # it went away meanwhile, or the next sweep tries again
                loose = files[name].is_symlink() or files[name].is_file()
                files[name].unlink() if loose else remove_folder(files[name])


def sweep_cache() -> None:
    """Delete the training images that were used the longest ago where there are too many."""
    most = latent_cache.most_bytes()
    latent_cache.shrink(min(most, limits.LIMITS.cache_bytes) if limits.public() else most)


def check_root() -> None:
    """Raise Refusal if no run can be kept in the folder of the runs, whoever begins it; for the start of a server.

    Of a cache that cannot be written the log speaks: what is in it may still be read.
    """
    latent_cache.most_bytes()
    refused = _unwritable("Runs", runs_root(), "BALIGN_RUNS")
    if refused:
        raise Refusal(refused)
    for what, folder, name in (
        ("What base models draw", latent_cache.cache_folder(), "BALIGN_CACHE"),
        ("Models from the hub", hub_cache(), "HF_HOME"),
    ):
        if words := _unwritable(what, folder, name):
            log.warning(words)


def hub_cache() -> Path:
    """Where the hub's client keeps what it fetches."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _unwritable(what: str, folder: Path, name: str) -> str:
    """The sentence that these cannot be kept in the folder, as in a mount of another user; empty if they can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        if error.errno in SHORTAGES:  # for a shortage of this moment, nobody has to start it again
            return ""
        who = f"user {os.getuid()}" if hasattr(os, "getuid") else "this user"
        cannot = f"{what} cannot be kept in {folder.absolute()}, where {who} may not write ({error.strerror})"
        return f"{cannot}; give the folder to {who}, or set {name} to another one."


def check() -> None:
    """Raise Refusal if there is no room for a new run."""
    if not limits.public():
        return
    root = runs_root()
    root.mkdir(parents=True, exist_ok=True)
    if used() > limits.LIMITS.all_bytes or shutil.disk_usage(root).free < limits.LIMITS.free_bytes:
        raise Refusal("There is no room for another run at the moment; delete one, or come back later.")


def used() -> int:
    """Bytes of all runs. A folder is counted again when something in it changed, as every process on it does."""
    global _sizes
    known, sizes = _sizes, {}
    for path, folder in run_folders(runs_root()).items():
        before = known.get(path)
        sizes[path] = before if before and before[0] is folder else (folder, size(folder.path))
    _sizes = sizes
    return sum(held for _, held in sizes.values())


def check_growth(run: Run, more: int) -> None:
    """Raise Refusal if this many bytes more would exceed the quota of one run of a visitor."""
    if limits.public() and size(run.path) + more > limits.LIMITS.run_bytes:
        raise Refusal("This run has as many files as a shared instance keeps; take its weights to another machine.")


def model_bytes(name: str) -> int:
    """Bytes of the weights of a model on this machine, about what a whole one of them takes; 0 if they are not here."""
    where = catalogue.locate(catalogue.find(name))
    folder = hub.cached(where) if isinstance(where, str) else where
    if folder is None:
        return 0
    files = folder.rglob("*.safetensors") if folder.is_dir() else [folder]
    return sum(file.stat().st_size for file in files)  # of the hub's cache, which has links


def size(folder: Path) -> int:
    """Bytes on the disk in a folder, however deep. Holes in a file count nothing, nor does one that disappears."""
    total, folders = 0, [str(folder)]
    for parent in folders:
        try:
            with os.scandir(parent) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                        continue
                    with contextlib.suppress(FileNotFoundError):
                        facts = entry.stat(follow_symlinks=False)
                        total += min(facts.st_size, facts.st_blocks * 512)
        except OSError as error:
            raise_shortage(error)
    return total


def _idle(name: str, marks: Mapping[str, str]) -> dict[str, float]:
    """For how many seconds each has not changed."""
    runs_root().mkdir(parents=True, exist_ok=True)
    return idle(runs_root() / name, marks)


def _mark(folder: Path, names: Collection[str]) -> str:
    """What is another text once one of these files in a folder has changed."""
    facts = []
    for name in names:
        try:
            known = os.lstat(folder / name)
        except OSError as error:
            raise_shortage(error)
        else:
            facts.append(f"{name} {known.st_mtime_ns} {known.st_size} {known.st_ino}")
    return ", ".join(facts)
