"""What the machine has free, and how much memory this process has taken."""

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


class Free(NamedTuple):
    """Free memory (the graphics card's where it will be used) and disk, in GB."""

    memory: float
    disk: float
    gpu: bool


def free(device: str, root: Path) -> Free:
    """What is free now for a run on this device whose files go below `root`. A container's limits are not seen."""
    existing = next(folder for folder in (root.absolute(), *root.absolute().parents) if folder.exists())
    card = None if device in ("cpu", "mps") else _card_memory(int(time.monotonic() // 20))
    memory = psutil.virtual_memory().available / GB if card is None else card
    return Free(memory, shutil.disk_usage(existing).free / GB, card is not None)


@lru_cache(maxsize=1)
def _card_memory(moment: int) -> float | None:
    """GB free on the emptiest graphics card, read again at every `moment`; None where there is none."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
        return max(float(line) for line in answer.split()) * 2**20 / GB
    except (OSError, subprocess.SubprocessError, ValueError):  # a driver without a card, or out of order
        return None


def peak_gb(device: str) -> float:
    """The peak memory of this process: on a graphics card what torch allocated there, else what the system counted."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device) / GB
    if os.name != "posix":
        return psutil.Process().memory_info().peak_wset / GB
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / GB
