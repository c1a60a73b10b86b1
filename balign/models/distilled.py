"""Models that were distilled to draw in a few steps without guidance: how they are known, and what draws with them."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple


class DistilledPace(NamedTuple):
    """The denoising steps and the guidance that a model draws well with."""

    steps: int
    guidance: float


PACES = {
    "turbo": DistilledPace(4, 0.0),
    "lcm": DistilledPace(4, 1.0),
    "tcd": DistilledPace(4, 1.0),
    "pcm": DistilledPace(4, 1.0),
    "dmd": DistilledPace(4, 1.0),
    "lightning": DistilledPace(4, 1.0),
    "hyper": DistilledPace(8, 1.0),
    "sdxs": DistilledPace(1, 0.0),
}
"""By a word of the model's name."""
SCHEDULERS = {"LCMScheduler": PACES["lcm"], "TCDScheduler": PACES["tcd"]}
MOST = 12
"""More denoising steps than this harm such a model, and so does more guidance than 2."""


def pace(name: str, scheduler: Mapping[str, Any]) -> DistilledPace | None:
    """What draws with a distilled model, known by its name or its scheduler's configuration; None for any other."""
    last = name.rstrip("/").split("/")[-1].partition("@")[0]
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", last).lower()
    spaced = re.sub(r"hyper[-_. ]?real\w*", "", spaced)
    words = [word.removeprefix("sd") or word for word in re.findall(r"[a-z]+", spaced)]
    words += re.findall(r"sdxs", spaced)
    found = next((PACES[word] for word in words if word in PACES), SCHEDULERS.get(str(scheduler.get("_class_name"))))
    steps = re.search(r"(\d{1,2})[-_. ]?steps?\b", spaced)
    return found._replace(steps=int(steps[1])) if found and steps and 0 < int(steps[1]) <= MOST else found


def looks(scheduler: Mapping[str, Any]) -> bool:
    """Whether only the timesteps suggest it: they begin at the noisiest, though the model saw no noise alone."""
    return scheduler.get("timestep_spacing") == "trailing" and not scheduler.get("rescale_betas_zero_snr")


def remark(name: str, scheduler: Mapping[str, Any], steps: int, guidance: float) -> str:
    """A sentence if such a model is to be drawn with other numbers, or may be; else empty."""
    good = pace(name, scheduler)
    if good and (steps > MOST or guidance > 2):
        return (
            f"This model was distilled to few steps: {steps} drawing steps with a guidance of {guidance:g} spoil its "
            f"pictures; {good.steps} and {good.guidance:g} draw well."
        )
    if good is None and looks(scheduler) and (steps > MOST or guidance > 2):
        return (
            "The scheduler's timestep_spacing is 'trailing', as of models distilled to few steps; if this is one, draw "
            "with 1 to 4 drawing steps and a guidance of 0."
        )
    return ""
