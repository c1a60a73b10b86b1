"""The unlearning loop: two gradients, one step, one record of the changes that were predicted and measured.

``for step in Unlearner(model, data, settle(method="rgd"), seed=0): ...`` trains the model's denoiser in place. The
caller may stop at any step, and take ``state()`` between steps: loaded into a new Unlearner of the same model and data
it goes on to the same weights, bit for bit on a CPU. When the loop ends, ``outcome`` says why.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn

from balign.method import conflict, editing
from balign.method.gradients import Projection, gram
from balign.method.losses import FORGET_LOSSES, FrozenBase
from balign.method.objectives import Settings
from balign.method.step_losses import SIDES, Side, StepLosses
from balign.method.stepping import Stepper
from balign.models import trainable
from balign.models.base import BaseModel
from balign.refusal import Refusal
from balign.telemetry import Conflict, Step

if TYPE_CHECKING:
    from balign.data.latents import TrainingData

ANTI_PARALLEL = -1 + 1e-9
"""A cosine below this leaves no direction that lowers both losses."""

MAY_CHANGE = {"batch_forget", "batch_retain", "micro_batch", "gradient_checkpointing"}
"""Settings that a training may resume with other values of: how many pictures a step has, and how they fit."""

MakeOptimizer = Callable[[list[nn.Parameter], float], torch.optim.Optimizer]


def adam(weights: list[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
    """The paper's optimiser, with torch's defaults, one weight after the other: all at once would need a copy more."""
    return torch.optim.Adam(weights, lr=learning_rate, foreach=False)


class Outcome(NamedTuple):
    """Why training ended, at which step, and the same as a sentence."""

    reason: Literal["finished", "deadlock", "non_finite"]
    step: int
    message: str


class _NotFiniteError(Exception):
    """A loss, a gradient or a step is nan or infinite; the text says which."""


class Unlearner(Iterator[Step]):
    """An iterator of steps that trains the denoiser of ``model``, which must still hold its original weights."""

    def __init__(
        self,
        model: BaseModel,
        data: "TrainingData",
        settings: Settings,
        seed: int = 0,
        *,
        optimizer: MakeOptimizer = adam,
    ) -> None:
        self.model, self.data, self.settings, self.seed = model, data, settings, seed
        self.step = 0
        self.outcome: Outcome | None = None
        self.edit = editing.prepare(settings.edit, model.denoiser, data) if settings.edit else None
        trained = trainable.select(model.denoiser, settings.train) if settings.steps else {}
        self.parameters = trained | (self.edit.weights if self.edit else {})  # all that change, by name
        self.weights, self.trained = list(trained.values()), list(trained)  # those that train, and their names
        self.optimizer = optimizer(self.weights or list(self.parameters.values()), settings.learning_rate)
        model.checkpoint_gradients(settings.gradient_checkpointing)
        self.stepper = Stepper(self.weights, settings, self.optimizer)
        needed = FORGET_LOSSES[settings.forget].target is not None or settings.retain_target == "base"
        self.base = FrozenBase(model, self.parameters) if needed else None
        self.losses = StepLosses(model, data, settings, seed, self.base)
        self.conflicts: list[Conflict] = []  # where the gradients conflict, if the last step measured it
        if settings.mask:
            self.stepper.masks = self.losses.masks(self.weights)
        if self.edit and settings.edit_when == "before":
            self.edit.apply()
        elif self.edit and settings.steps:
            with self.finished():  # an edit that cannot be made is refused before the first step
                pass

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Step:
        if self.outcome is None and self.step >= self.settings.steps:
            done = f"All {self.step} steps were taken." if self.step else "The weights were edited, without a step."
            self.outcome = Outcome("finished", self.step, done)
        if self.outcome is not None:
            raise StopIteration
        try:
            record = self._take_step()
        except _NotFiniteError as error:
            self._end_not_finite(str(error))
        if self.outcome is not None:
            raise StopIteration
        self.step += 1
        return record

    def finish(self) -> None:
        """Edit the weights, where that comes after the steps; training does not go on from what they are then."""
        if self.edit and self.settings.edit_when == "after":
            self.edit.apply()

    @contextmanager
    def finished(self) -> Iterator[None]:
        """Within the block the model is as it would be if training ended now."""
        kept = [weight.detach().clone() for weight in self.edit.weights.values()] if self.edit else []
        self.finish()
        try:
            yield
        finally:
            for weight, was in zip(self.edit.weights.values() if self.edit else (), kept, strict=True):
                weight.data.copy_(was)

    def changed(self) -> dict[str, Tensor]:
        """The weights that change as they are now, by name, on the CPU."""
        return {name: weight.detach().to("cpu", copy=True).contiguous() for name, weight in self.parameters.items()}

    # ------------------------------------------------------------------------------------------------------------------
    # One step

    def _take_step(self) -> Step:
        started = time.perf_counter()
        # The gradient of each loss. Once both are finite the weights are good, and those before can be freed.
        forget_loss, f = self._loss("forget", self.weights)
        retain_loss, r = self._loss("retain", self.weights)
        self.stepper.before = None
        self.stepper.mask(*((f,) if self.settings.alternate else (f, r)))
        # Their inner products, and where in the model they conflict.
        g = gram(f, r)
        if not all(map(math.isfinite, g)):
            raise _NotFiniteError("a gradient is not finite")
        grouped = conflict.groups(self.trained) if self._measuring() else {}
        self.conflicts = [Conflict(self.step + 1, conflict.cosines(grouped, f, r))] if grouped else []
        # Combine them, step, and project the step; or end where no step lowers both losses.
        if g.cosine <= ANTI_PARALLEL and self.settings.first_order_safe:
            self.outcome = Outcome("deadlock", self.step, self._deadlock_message())
        projection = Projection(0.0, 0.0, 0.0, True) if self.outcome else self.stepper.take(f, r, g, self._gradient)
        if not math.isfinite(projection.forget_change + projection.retain_change):
            raise _NotFiniteError("the step is not finite")
        del f, r
        # Measure the step on the same batch, and record it.
        measured = self._measure(forget_loss, retain_loss)
        if measured[0] is not None and measured[1] is not None:
            self.stepper.learn(projection, measured[0], measured[1])
        if self.conflicts and self.outcome is None:
            self.conflicts += self._conflicts_by_noise()
        opposed = self.settings.combine != "plain_sum" and g.fr < 0
        return Step(
            step=self.step + 1,
            forget_loss=forget_loss,
            retain_loss=retain_loss,
            forget_norm=g.norms[0],
            retain_norm=g.norms[1],
            cosine=g.cosine,
            projected=projection.fired if self.settings.project_step else opposed,
            kept_fraction=projection.kept_fraction,
            forget_change=projection.forget_change,
            retain_change=projection.retain_change,
            measured_forget_change=measured[0],
            measured_retain_change=measured[1],
            seconds=time.perf_counter() - started,
        )

    def _loss(
        self, side: Side, weights: Sequence[Tensor] = (), quarter: int | None = None
    ) -> tuple[float, list[Tensor]]:
        """The loss of one side, or of a quarter of its batch, and its gradient for these weights."""
        value, gradient = self.losses.loss(side, self.step, weights, quarter)
        if not math.isfinite(value):
            raise _NotFiniteError(f"the {side} loss is {value}")
        return value, gradient

    def _gradient(self, side: Side) -> list[Tensor]:
        """The gradient of this step's batch at the weights as they are meanwhile."""
        return self._loss(side, self.weights)[1]

    @torch.no_grad()
    def _measure(self, forget_loss: float, retain_loss: float) -> tuple[float | None, float | None]:
        """The measured change of both losses on the step's own batch; None between the steps that are measured."""
        if self.outcome is not None or not self._measuring():
            return None, None
        return self._loss("forget")[0] - forget_loss, self._loss("retain")[0] - retain_loss

    def _conflicts_by_noise(self) -> list[Conflict]:
        """Where they conflict with little and with much noise: the step's batch in quarters, at the new weights."""
        if min(self.settings.batch_forget, self.settings.batch_retain) < conflict.QUARTERS:
            return []
        conflicts, places = [], conflict.places(self.trained)
        for k in range(conflict.QUARTERS):
            f, r = (self._loss(side, self.weights, k)[1] for side in SIDES)
            conflicts.append(Conflict(self.step + 1, conflict.cosines(places, f, r), k + 1))
        return conflicts

    def _measuring(self) -> bool:
        return self.settings.measure_every > 0 and (self.step + 1) % self.settings.measure_every == 0

    # ------------------------------------------------------------------------------------------------------------------
    # Ending, saving and resuming

    def _deadlock_message(self) -> str:
        return (
            f"At step {self.step + 1} the forget and retain gradients point exactly against each other, so no step "
            f"lowers both losses; training ended with the weights of step {self.step}."
        )

    @torch.no_grad()
    def _end_not_finite(self, what: str) -> None:
        self.stepper.restore()
        message = f"At step {self.step + 1} {what}; training ended and the last good weights were put back."
        self.outcome = Outcome("non_finite", self.step, message)

    def state(self) -> dict[str, Any]:
        """Everything needed to resume, as plain containers of numbers and CPU tensors (``torch.save`` keeps it)."""
        before = [tensor.to("cpu", copy=True) for tensor in self.stepper.before or []]
        return {
            "step": self.step,
            "seed": self.seed,
            "settings": asdict(self.settings),
            "outcome": tuple(self.outcome) if self.outcome else None,
            "weights": self.changed(),
            "before": dict(zip(self.trained, before, strict=True)) if before else {},
            "earlier": [[tensor.to("cpu", copy=True) for tensor in each] for each in self.stepper.earlier],
            "curvature": list(self.stepper.curvature),
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
        }

    @torch.no_grad()
    def load_state(self, state: dict[str, Any]) -> None:
        """Resume from a ``state()``, before the first step; with other batches, or parts of them, if these changed.

        Raises Refusal if other settings or the seed differ.
        """
        mine = {"seed": self.seed} | asdict(self.settings)
        saved = {"seed": state["seed"]} | state["settings"]  # an older release has fewer settings
        for name, was in saved.items():
            if name not in MAY_CHANGE and was != mine.get(name):
                raise Refusal(f"The saved training has {name} {was}; {mine.get(name)} is what this one resumes with.")
        if state["weights"].keys() != self.parameters.keys():
            raise Refusal("The saved training moves other weights than this one; give it the same model.")
        for name, weight in self.parameters.items():
            weight.copy_(state["weights"][name])
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        before = state["before"]
        pairs = zip(self.trained, self.weights, strict=True)
        self.stepper.before = [before[name].to(weight.device) for name, weight in pairs] if before else None
        self.stepper.earlier = [
            [tensor.to(weight.device) for tensor, weight in zip(each, self.weights, strict=True)]
            for each in state.get("earlier", [])
        ]
        self.stepper.curvature = tuple(state.get("curvature", (0.0, 0.0)))
        self.step = state["step"]
        self.outcome = Outcome(*state["outcome"]) if state["outcome"] else None
