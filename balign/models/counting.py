"""Counts what a model takes of memory and arithmetic on torch's meta device, which computes nothing."""

import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode

from balign.models import trainable
from balign.models.base import BaseModel
from balign.models.footprint import Footprint


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors made inside it that are still alive, and remembers the most there were.

    ``beside``: tensors that were there before and are not counted, nor are views of them.
    """

    def __init__(self, beside: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known = {tensor.untyped_storage()._cdata for tensor in beside}

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


class _Attention(torch.autograd.Function):
    """Attention as every device computes it: in one kernel, which keeps what goes in, what comes out and its sums."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        out = torch.empty_like(query)
        ctx.save_for_backward(query, key, value, out, query.new_empty(query.shape[:-1]))
        return out

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        return tuple(torch.empty_like(tensor) for tensor in ctx.saved_tensors[:3])


@contextmanager
def _fused_attention() -> Iterator[None]:
    """On the meta device attention would be taken apart, with a map of every pixel to every other."""
    name = "scaled_dot_product_attention"
    own = getattr(functional, name)
    setattr(functional, name, lambda query, key, value, *_, **__: _Attention.apply(query, key, value))
    try:
        yield
    finally:
        setattr(functional, name, own)


def count(hollow: BaseModel, conditions: Tensor) -> Footprint:
    """What a model's denoiser takes, at the size that it draws; of its conditions (1, L, D) only the shape counts."""
    weights = list(hollow.denoiser.parameters())
    with torch.no_grad(), FlopCounterMode(display=False) as flops:
        hollow.predict(*_one(hollow, conditions))
    with torch.no_grad(), LiveBytes(weights) as live, _fused_attention():
        hollow.predict(*_one(hollow, conditions))
    trained = {which: _bytes(trainable.select(hollow.denoiser, which).values()) for which in trainable.TRAINABLE}
    both = {which: [learning(hollow, conditions, which, again) for again in (False, True)] for which in trained}
    side, operations = hollow.latent_shape[-1], flops.get_total_flops()
    return Footprint(side, _bytes(weights), trained, both, live.peak, operations)


def learning(hollow: BaseModel, conditions: Tensor, which: str, again: bool) -> int:
    """The most bytes that learning from one picture holds beside the weights and their gradient.

    which: what trains; again: with gradient checkpointing.
    """
    chosen = list(trainable.select(hollow.denoiser, which).values())
    hollow.checkpoint_gradients(again)
    gradient = [torch.empty_like(weight) for weight in chosen]
    for weight, part in zip(chosen, gradient, strict=True):
        weight.grad = part
    with LiveBytes([*hollow.denoiser.parameters(), *gradient]) as live, _fused_attention():
        error = hollow.predict(*_one(hollow, conditions)).square().sum()
        torch.autograd.backward(error, inputs=chosen)
    for weight in chosen:
        weight.grad = None
    return live.peak


def _one(hollow: BaseModel, conditions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One noisy latent, its timestep and its condition, without numbers."""
    return (
        torch.empty(1, *hollow.latent_shape, device="meta"),
        torch.zeros(1, dtype=torch.long, device="meta"),
        torch.empty_like(conditions, device="meta"),
    )


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
