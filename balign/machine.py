"""What the machine has free, and how much memory this process has taken."""

import math
import os
import shutil
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import psutil

GB = 1e9
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # cards are numbered as nvidia-smi does


class Free(NamedTuple):
    """Free memory (the graphics card's where it will be used) and disk, in GB."""

    memory: float
    disk: float
    gpu: bool
    total: float = math.inf
    """The memory there is in all; a card's is not known, since others may hold it."""


def free(device: str, root: Path) -> Free:
    """What is free now for a run on this device whose files go below `root`. A container's limits are not seen."""
    existing = next(folder for folder in (root.absolute(), *root.absolute().parents) if folder.exists())
    cards, card = cards_free(), chosen_card(device)
    disk = shutil.disk_usage(existing).free / GB
    if card is not None:
        return Free(cards[card], disk, True)
    memory = psutil.virtual_memory()
    return Free(memory.available / GB, disk, False, memory.total / GB)


def chosen_card(device: str) -> int | None:
    """The number of the card that this device means: of auto the emptiest; None where there is no such card."""
    cards = cards_free()
    if device in ("cpu", "mps") or not cards:
        return None
    if device == "auto":
        return max(range(len(cards)), key=lambda number: cards[number])
    number = int(device.partition(":")[2] or 0)
    return number if number < len(cards) else None


def cards_free() -> list[float]:
    """GB free on each graphics card that torch sees, in its order; empty where there is none."""
    return _cards_free(int(time.monotonic() // 20))


@lru_cache(maxsize=1)
def _cards_free(moment: int) -> list[float]:
    """The same, read again at every `moment`."""
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=index,uuid,memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
        rows = [[part.strip() for part in line.split(",")] for line in answer.splitlines() if line.strip()]
        free_on = [(index, uuid, float(amount) * 2**20 / GB) for index, uuid, amount in rows]
    except (OSError, subprocess.SubprocessError, ValueError):  # a driver without a card, or out of order
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return [amount for _, _, amount in free_on]
    cards = []
    for name in map(str.strip, visible.split(",")):
        found = [amount for index, uuid, amount in free_on if name and (index == name or uuid.startswith(name))]
        if not found:  # as for the driver: what comes after a wrong one is not seen
            break
        cards += found[:1]
    return cards


def peak_gb(device: str) -> float:
    """The peak memory of this process: on a graphics card what torch allocated there, else what the system counted."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device) / GB
    if os.name != "posix":
        return psutil.Process().memory_info().peak_wset / GB
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / GB
