"""How much memory a step holds at its worst: counted tensor by tensor on a CPU, told by the allocator on a GPU."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors made inside it that are still alive, and remembers the most there were."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_iter(result):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self.known:
            return
        self.known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size


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
