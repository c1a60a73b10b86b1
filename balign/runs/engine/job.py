"""Everything a run's config stands for, found and loaded: the model, the scorer, the prompts, the numbers left open.

It loads and answers; it draws nothing and trains nothing.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from balign import models
from balign.data.prompts import PromptSets
from balign.measure.clip import Scorer
from balign.measure.evaluation import Shot, shots
from balign.method.objectives import Settings, settle
from balign.models import catalogue, trainable
from balign.models.base import PRECISIONS, BaseModel
from balign.runs.config import RunConfig
from balign.runs.engine.images import Sampling
from balign.runs.folder import Run
from balign.runs.prompt_lists import prompt_sets, resolve

LIGHT_GB = 2
"""A model that needs less than this keeps its frozen parts between previews: loading them takes longer than a step."""


@dataclass(frozen=True)
class Job:
    """A run ready to work on."""

    run: Run
    model: BaseModel
    scorer: Scorer
    prompts: PromptSets
    shots: list[Shot]
    sampling: Sampling
    settings: Settings
    light: bool
    """Whether the frozen parts are too small to be worth dropping again after each preview."""

    def weights(self) -> dict[str, Tensor]:
        """The weights that are to be trained, as they are now."""
        chosen = trainable.select(self.model.denoiser, self.settings.train)
        return {name: weight.detach().cpu() for name, weight in chosen.items()}

    def facts(self) -> dict[str, Any]:
        """Every number the config left open, as it was settled."""
        return asdict(self.settings) | {
            "sampling_steps": self.sampling.steps,
            "guidance": self.sampling.guidance,
            "n_forget": len(self.prompts.forget),
            "n_retain": len(self.prompts.retain),
            "device": str(self.model.device),
            "precision": self.run.config.precision,
            "fingerprint": self.model.fingerprint,
        }


def load_job(run: Run, scorer: str | None = None) -> Job:
    """Find everything that can be wrong with the words first, then load what is large."""
    config = run.config
    entry = catalogue.find(config.model)
    settings = settle(config)
    prompts = prompt_sets(config, resolve(config))
    tests = shots(prompts, config.eval_seeds, config.seed)
    model = load_model(config)
    judge = Scorer.load(scorer or config.scorer or entry.scorer, device(config))
    judge.embed_texts([test.prompt for test in tests])  # all at once, so that no score depends on what was asked first
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
    return models.load(catalogue.find(config.model), device(config), PRECISIONS[config.precision])


def device(config: RunConfig) -> str:
    """Where to compute: what was asked for, or the best there is."""
    if config.device != "auto":
        return config.device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
