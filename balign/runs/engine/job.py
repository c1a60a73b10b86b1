"""Load everything that a run's config names: the model, the scorer, the prompts, and every default filled in."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from balign import models
from balign.data.prompts import PromptSets
from balign.measure.clip import Scorer, ScorerAbsent
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

UNSCORED = "Nothing was scored, since"
"""How the sentence begins of a run without scores."""
LIGHT_GB = 2
"""A model that needs less than this keeps its frozen parts between previews: loading them would outlast a step."""


@dataclass(frozen=True)
class Job:
    """A run with everything it works with."""

    run: Run
    model: BaseModel
    scorer: Scorer | None
    unscored: str
    """Without a scorer, the sentence that says why, and how to add the scores; else empty."""
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
            "precision": self.run.config.precision,
            "fingerprint": self.model.fingerprint,
        }


def load_job(run: Run, scorer: str | None = None) -> Job:
    """Check the lists first, then load what is large. Raises Refusal for what cannot be done."""
    config = run.config
    entry = catalogue.find(config.model)
    settings = settle(config)
    prompts = prompt_sets(config, resolve(config))
    tests = shots(prompts, config.eval_seeds, config.seed)
    judge, unscored = _load_scorer(run, scorer or config.scorer or entry.scorer)
    if judge is not None:
        judge.embed_texts([test.prompt for test in tests])  # all at once, so that no score depends on their order
    model = load_model(config)
    if settings.edit:  # before anything is drawn
        editing.editable(settings.edit, model.denoiser, model.encode_text([""]))
    if settings.steps and settings.forget == "attention" and not has_cross_attention(model.denoiser):
        raise Refusal("forget is 'attention'; this model has no cross-attention, so another forget loss is accepted.")
    return Job(
        run=run,
        model=model,
        scorer=judge,
        unscored=unscored,
        prompts=prompts,
        shots=tests,
        sampling=Sampling(
            config.sampling_steps or entry.steps, entry.guidance if config.guidance is None else config.guidance
        ),
        settings=settings,
        light=entry.memory_gb <= LIGHT_GB,
    )


def _load_scorer(run: Run, name: str) -> tuple[Scorer | None, str]:
    """The scorer; one that cannot be fetched now stops no run, since scores can be added later."""
    try:
        return Scorer.load(name, device(run.config)), ""
    except ScorerAbsent as absent:
        later = "`balign evaluate` with the run's folder adds the scores once it is there, or with --scorer and another"
        return None, f"{UNSCORED} {absent}; {later}."


def load_model(config: RunConfig) -> BaseModel:
    """The base model alone."""
    return models.load(catalogue.find(config.model), device(config), PRECISIONS[config.precision])


def device(config: RunConfig) -> str:
    """Where to compute: what the config says, or the best there is."""
    if config.device != "auto":
        return config.device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
