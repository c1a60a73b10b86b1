"""Load everything that a run's config names: the model, the scorer, the prompts, and every default filled in."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from balign import machine, models
from balign.data.prompts import PromptSets
from balign.markup.formats import counted
from balign.measure import nudity, scorers
from balign.measure.clip import Scorer, ScorerAbsent
from balign.measure.evaluation import Shot, own_shots, reference_shots, shots
from balign.measure.judges import NUDITY
from balign.measure.scorer_names import scorer_source
from balign.method import editing
from balign.method.attention import has_cross_attention
from balign.method.objectives import Settings, settle
from balign.models import catalogue, trainable
from balign.models.base import PRECISIONS, BaseModel
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.engine.images import Sampling
from balign.runs.folder import Run
from balign.runs.own_entries import TestPrompt
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
    own: list[Shot]
    """The test images of somebody's own prompts."""
    reference: list[Shot]
    """What KID and FID compare with, drawn by the base alone."""
    sampling: Sampling
    settings: Settings
    light: bool
    """Whether the frozen parts are too small to be worth freeing after each preview."""

    @property
    def counts_nudity(self) -> bool:
        """Whether NudeNet counts what is in the pictures: where that is to be forgotten, and the extra is there."""
        return nudity.installed() and any(t.word.category in NUDITY for t in self.prompts.lists.targets)

    def weights(self) -> dict[str, Tensor]:
        """The weights that train, as they are now."""
        chosen = trainable.select(self.model.denoiser, self.settings.train)
        return {name: weight.detach().cpu() for name, weight in chosen.items()}

    @property
    def own_folder(self) -> str:
        """The folder of the own prompts' images, below `images`: named by what they are of."""
        told = json.dumps([(shot.prompt, shot.seed) for shot in self.own])
        return f"own-{hashlib.sha256(told.encode()).hexdigest()[:12]}"

    def settled(self) -> dict[str, Any]:
        """The settings as the report holds them: every default filled in, the device and the model's fingerprint."""
        return asdict(self.settings) | {
            "sampling_steps": self.sampling.steps,
            "guidance": self.sampling.guidance,
            "sampler": self.run.config.sampler,
            "n_forget": len(self.prompts.forget),
            "n_retain": len(self.prompts.retain),
            "size": " x ".join(str(side) for side in reversed(self.model.size)),
            "device": str(self.model.device),
            "precision": precision(self.run.config, str(self.model.device)),
            "fingerprint": self.model.fingerprint,
        }


def check(config: RunConfig) -> None:
    """Refuse, before a run has a folder, what would end it before anything is drawn; nothing large is read."""
    prompt_sets(config, resolve(config))
    scorer_source(config.scorer or catalogue.find(config.model).scorer)
    device(config)


def load_job(run: Run, scorer: str | None = None, tests: Sequence[TestPrompt] | None = None) -> Job:
    """Check the lists first, then load what is large. Raises Refusal for what cannot be done.

    scorer, tests: what to judge with and on, instead of what the config says.
    """
    config = run.config
    settings = settle(config)
    prompt_sets(config, resolve(config))
    judge, unscored = _load_scorer(run, scorer or config.scorer or catalogue.find(config.model).scorer)
    model = load_model(config)
    entry = catalogue.find(config.model)  # after loading: of a model that was fetched just now more is known
    prompts = prompt_sets(config, resolve(config))
    drawn = shots(prompts, config.eval_seeds, config.seed)
    asked = [(test.prompt, test.seed) for test in (config.tests if tests is None else tests)]
    own = own_shots(asked, prompts.lists, config.eval_seeds, config.seed)
    if settings.edit:  # before anything is drawn
        editing.editable(settings.edit, model.denoiser, model.encode_text([""]))
    if settings.steps and settings.forget == "attention" and not has_cross_attention(model.denoiser):
        raise Refusal("forget is 'attention'; this model has no cross-attention, so another forget loss is accepted.")
    if judge is not None:
        judge.embed_texts(
            [text for test in [*drawn, *own] for text in (test.prompt, test.twin) if text]
        )  # all at once, so that no score depends on their order
    return Job(
        run=run,
        model=model,
        scorer=judge,
        unscored=unscored,
        prompts=prompts,
        shots=drawn,
        own=own,
        reference=reference_shots(prompts, config.eval_seeds, config.seed),
        sampling=Sampling(
            config.sampling_steps or entry.steps, entry.guidance if config.guidance is None else config.guidance
        ),
        settings=settings,
        light=entry.memory_gb <= LIGHT_GB,
    )


def _load_scorer(run: Run, name: str) -> tuple[Scorer | None, str]:
    """The scorer; one that cannot be fetched now stops no run, since scores can be added later."""
    try:
        return scorers.load(name, device(run.config)), ""
    except ScorerAbsent as absent:
        later = "`balign evaluate` with the run's folder adds the scores once it is there, or with --scorer and another"
        return None, f"{UNSCORED} {absent}; {later}."


def load_model(config: RunConfig) -> BaseModel:
    """The base model alone."""
    where = device(config)
    if where.startswith("cuda"):  # on by default; the gradients of convolutions would be noise at first
        torch.backends.cudnn.allow_tf32 = False
    drawn_in = PRECISIONS[precision(config, where)]
    return models.load(catalogue.find(config.model), where, drawn_in, config.size, config.sampler)


def device(config: RunConfig) -> str:
    """Where to compute: what the config says, or the best there is. Raises Refusal for what this machine has not."""
    asked = config.device
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = torch.backends.mps.is_available()
    if asked == "auto":
        return f"cuda:{machine.chosen_card('auto') or 0}" if count else "mps" if mps else "cpu"
    if asked == "mps" and not mps:
        raise Refusal("The device is mps; this machine or its torch has no Metal, so auto or cpu is accepted.")
    if asked.startswith("cuda"):
        if torch.version.cuda is None and torch.version.hip is None:
            raise Refusal(f"The device is {asked}; this torch is built without CUDA, so auto or cpu is accepted.")
        if not count:
            hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
            why = f" (CUDA_VISIBLE_DEVICES is {hidden[:40]!r})" if hidden is not None else ""
            raise Refusal(f"The device is {asked}; torch sees no graphics card{why}, so auto or cpu is accepted.")
        if int(asked.partition(":")[2] or 0) >= count:
            seen = counted(count, "card")
            raise Refusal(f"The device is {asked}; torch sees {seen}, cuda:{count - 1} is the last accepted.")
        return asked if ":" in asked else "cuda:0"
    return asked


def precision(config: RunConfig, where: str) -> str:
    """The number format to draw in: what the config says, or the fastest that the device is good at."""
    if config.precision != "auto":
        return config.precision
    if not where.startswith("cuda"):
        return "fp32"
    return "bf16" if torch.cuda.get_device_capability(where) >= (8, 0) else "fp16"
