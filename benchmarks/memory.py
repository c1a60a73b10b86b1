"""How much memory a step holds at its worst: counted tensor by tensor on a CPU, told by the allocator on a GPU."""

from collections.abc import Callable

import torch

from balign.models.counting import LiveBytes


def peak_bytes(make: Callable[[], Callable[[], object]], device: torch.device) -> int:
    """The most memory that one step holds beside the model, with what the steps before it left."""
    if device.type == "cuda":
        make_step = make()
        held = torch.cuda.memory_allocated(device)
        make_step()
        torch.cuda.reset_peak_memory_stats(device)
        make_step()
        return torch.cuda.max_memory_allocated(device) - held
    with LiveBytes() as live:
        step = make()
        step()
        live.peak = live.now
        step()
    return live.peak
