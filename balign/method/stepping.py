"""From two gradients to a step: masked, combined, taken by the optimiser, and projected."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from balign.method import masks
from balign.method.combiners import COMBINERS, Gram
from balign.method.gradients import Projection, Tensors, blend, gram, measure_step, project_step
from balign.method.objectives import Settings
from balign.method.orthogonality import Gradient, descent

SAFETY, FADE = 2.0, 0.7
"""So many times the curvature is made up for; what an earlier measurement of it still counts at a smaller one."""


class Stepper:
    """Takes the steps of one training; the optimiser keeps its state between them."""

    def __init__(self, weights: Sequence[nn.Parameter], settings: Settings, optimizer: torch.optim.Optimizer) -> None:
        self.weights, self.settings, self.optimizer = weights, settings, optimizer
        self.masks: list[Tensor] = []
        """One of zeros and ones for each weight, where only some may move."""
        self.before: list[Tensor] | None = None
        """The weights before the last step, until the present ones prove good."""
        self.earlier: list[list[Tensor]] = []
        """The last retain gradients, the newest last, which a step must not oppose either."""
        self.curvature = (0.0, 0.0)
        """By how much the losses were last measured to rise beyond the prediction, in units of the squared step."""

    def take(self, f: list[Tensor], r: list[Tensor], g: Gram, gradient: Gradient) -> Projection:
        """One step along both gradients, or, for a method that alternates, one along each."""
        self.before = [weight.detach().clone() for weight in self.weights]
        if self.settings.alternate:
            return self._alternate(f, r, gradient)
        undo = self._blended(f, r, g, gradient)
        self._step()
        undo()
        return self._projected(f, r, g)

    def _alternate(self, f: list[Tensor], r: list[Tensor], gradient: Gradient) -> Projection:
        """A step along the forget gradient, then one along the retain gradient at where that led."""
        assert self.before is not None
        for along in (lambda: f, lambda: gradient("retain")):
            for weight, grad in zip(self.weights, along(), strict=True):
                weight.grad = grad.clone()
            self._step()
        return self._as_taken(f, r)

    def _blended(self, f: list[Tensor], r: list[Tensor], g: Gram, gradient: Gradient) -> Callable[[], None]:
        """Give the combined gradient to the weights; what is returned restores f and r."""
        weight = self.settings.quota if self.settings.combine == "hamu" else self.settings.retain_weight
        combine, undoing = COMBINERS[self.settings.combine], []
        orthogonal = self.settings.orthogonality
        apart = descent(self.weights, f, r, g, gradient) if orthogonal else []
        combined: list[Tensor] = []
        for some_f, some_r in self._parts(f, r):
            part = gram(some_f, some_r) if self.settings.by_layer else g
            blended, undo = blend(some_f, some_r, *combine(*part, weight), part)
            combined += blended
            undoing.append(undo)
        if apart:
            combined = list(torch._foreach_add(combined, apart, alpha=orthogonal))
        for parameter, grad in zip(self.weights, combined, strict=True):
            parameter.grad = grad

        def undo_all() -> None:
            for undo in undoing:
                undo()

        return undo_all

    def _parts(self, f: list[Tensor], r: list[Tensor]) -> Iterator[tuple[Tensors, Tensors]]:
        """All of the two gradients, or one weight's at a time."""
        if self.settings.by_layer:
            yield from (([one], [other]) for one, other in zip(f, r, strict=True))
        else:
            yield f, r

    def _step(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _projected(self, f: list[Tensor], r: list[Tensor], g: Gram) -> Projection:
        """The step taken, after its projection if the method projects it."""
        assert self.before is not None
        if not self.settings.project_step:
            return self._as_taken(f, r)
        forget, retain = self.curvature
        projection = project_step(self.weights, f, r, self.before, g, self.earlier, (SAFETY * forget, SAFETY * retain))
        if self.settings.buffer:
            self.earlier = [*self.earlier, [gradient.clone() for gradient in r]][-self.settings.buffer :]
        return projection

    def _as_taken(self, f: list[Tensor], r: list[Tensor]) -> Projection:
        """The step as the optimiser took it."""
        return Projection(*measure_step(self.weights, f, r, self.before)[:2], 1.0, False)

    def learn(self, taken: Projection, forget_change: float, retain_change: float) -> None:
        """Learn the curvature along a step from the measured changes of both losses, if it is made up for."""
        if self.settings.promise == "measured" and taken.length > 0:
            beyond = (forget_change - taken.forget_change, retain_change - taken.retain_change)
            forget, retain = (max(0.0, each / taken.length**2) for each in beyond)
            self.curvature = (max(forget, FADE * self.curvature[0]), max(retain, FADE * self.curvature[1]))

    def mask(self, *gradients: Sequence[Tensor]) -> None:
        """Set the gradients to zero, in place, for weights that may not move."""
        if self.masks:
            masks.apply(list(chain(*[self.masks] * len(gradients))), list(chain(*gradients)))

    @torch.no_grad()
    def restore(self) -> None:
        """Put the last good weights back."""
        for weight, good in zip(self.weights, self.before or self.weights, strict=True):
            weight.copy_(good)
        self.before = None
