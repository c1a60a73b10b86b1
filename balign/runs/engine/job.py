"""Load everything that a run's config names: the model, the scorer, the prompts, and every default filled in."""

import os
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from balign import machine, models
from balign.data.prompts import PromptSets
from balign.markup.formats import counted
from balign.measure.clip import Scorer
from balign.measure.evaluation import Shot, shots
from balign.method import editing
from balign.method.attention import has_cross_attention
from balign.method.objectives import Settings, settle
from balign.models import catalogue, trainable
from balign.models.base import PRECISIONS, BaseModel
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.engine.images import Sampling
from balign.runs.folder import Run
from balign.runs.prompt_lists import prompt_sets, resolve

LIGHT_GB = 2
"""A model that needs less than this keeps its frozen parts between previews: loading them would outlast a step."""


@dataclass(frozen=True)
class Job:
    """A run with everything it works with."""

    run: Run
    model: BaseModel
    scorer: Scorer
    prompts: PromptSets
    shots: list[Shot]
    sampling: Sampling
    settings: Settings
    light: bool
    """Whether the frozen parts are too small to be worth freeing after each preview."""

    def weights(self) -> dict[str, Tensor]:
        """The weights that train, as they are now."""
        chosen = trainable.select(self.model.denoiser, self.settings.train)
        return {name: weight.detach().cpu() for name, weight in chosen.items()}

    def settled(self) -> dict[str, Any]:
        """The settings as the report holds them: every default filled in, the device and the model's fingerprint."""
        return asdict(self.settings) | {
            "sampling_steps": self.sampling.steps,
            "guidance": self.sampling.guidance,
            "n_forget": len(self.prompts.forget),
            "n_retain": len(self.prompts.retain),
            "device": str(self.model.device),
            "precision": precision(self.run.config, str(self.model.device)),
            "fingerprint": self.model.fingerprint,
        }


def load_job(run: Run, scorer: str | None = None) -> Job:
    """Check the lists first, then load what is large. Raises Refusal for what cannot be done."""
    config = run.config
    entry = catalogue.find(config.model)
    settings = settle(config)
    prompts = prompt_sets(config, resolve(config))
    tests = shots(prompts, config.eval_seeds, config.seed)
    model = load_model(config)
    if settings.edit:  # before anything is drawn
        editing.editable(settings.edit, model.denoiser, model.encode_text([""]))
    if settings.steps and settings.forget == "attention" and not has_cross_attention(model.denoiser):
        raise Refusal("forget is 'attention'; this model has no cross-attention, so another forget loss is accepted.")
    judge = Scorer.load(scorer or config.scorer or entry.scorer, device(config))
    judge.embed_texts([test.prompt for test in tests])  # all at once, so that no score depends on their order
    return Job(
        run=run,
        model=model,
        scorer=judge,
        prompts=prompts,
        shots=tests,
        sampling=Sampling(
            config.sampling_steps or entry.steps, entry.guidance if config.guidance is None else config.guidance
        ),
        settings=settings,
        light=entry.memory_gb <= LIGHT_GB,
    )


def load_model(config: RunConfig) -> BaseModel:
    """The base model alone."""
    where = device(config)
    if where.startswith("cuda"):
        torch.backends.cudnn.allow_tf32 = (
            False  # as on by default, the gradients of convolutions would be noise at first
        )
    return models.load(catalogue.find(config.model), where, PRECISIONS[precision(config, where)])


def device(config: RunConfig) -> str:
    """Where to compute: what the config says, or the best there is. Raises Refusal for what this machine has not."""
    asked = config.device
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = torch.backends.mps.is_available()
    if asked == "auto":
        return f"cuda:{machine.chosen_card('auto') or 0}" if count else "mps" if mps else "cpu"
    if asked == "mps" and not mps:
        raise Refusal("device is mps; this machine or its torch has no Metal, so auto or cpu is accepted.")
    if asked.startswith("cuda"):
        if torch.version.cuda is None and torch.version.hip is None:
            raise Refusal(f"device is {asked}; this torch is built without CUDA, so auto or cpu is accepted.")
        if not count:
            hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
            why = f" (CUDA_VISIBLE_DEVICES is {hidden[:40]!r})" if hidden is not None else ""
            raise Refusal(f"device is {asked}; torch sees no graphics card{why}, so auto or cpu is accepted.")
        if int(asked.partition(":")[2] or 0) >= count:
            seen = counted(count, "card")
            raise Refusal(f"device is {asked}; torch sees {seen}, so cuda:{count - 1} is the last that is accepted.")
        return asked if ":" in asked else "cuda:0"
    return asked


def precision(config: RunConfig, where: str) -> str:
    """The number format to draw in: what the config says, or the fastest that the device is good at."""
    if config.precision != "auto":
        return config.precision
    if not where.startswith("cuda"):
        return "fp32"
    return "bf16" if torch.cuda.get_device_capability(where) >= (8, 0) else "fp16"
