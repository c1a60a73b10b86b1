"""The solver that pictures are drawn with, DPM-Solver++, made from the configuration of any scheduler of diffusers.

It adds no noise of its own, so that a seed gives one picture. What the model was trained with (how much noise, what is
predicted) and which timesteps are drawn at are as the configuration says. What this solver cannot do is overridden, and
``overridden`` tells it; what no such solver can draw, such as flow matching, is refused.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from balign.refusal import Refusal

PNDM = "pndm"
SAMPLERS = ("dpm", PNDM)
"""What a run may draw with: our solver, or the one that Stable Diffusion 1 comes with, of one prediction more."""
NAME = "DPMSolverMultistepScheduler"
PREDICTIONS = ("epsilon", "v_prediction")
ACCEPTED: dict[str, tuple[object, ...]] = {
    "algorithm_type": ("dpmsolver++",),
    "solver_order": (2, 1, 3),
    "solver_type": ("midpoint", "heun"),
    "final_sigmas_type": ("zero", "sigma_min"),
    "timestep_spacing": ("linspace", "leading", "trailing"),
    "variance_type": (None,),
    "thresholding": (False,),
    "use_exponential_sigmas": (False,),
    "use_beta_sigmas": (False,),
    "use_dynamic_shifting": (False,),
}
"""What this solver does, its own value first; any other is overridden by that."""
SAME = {"solver_type": ("bh1", "bh2", "logrho"), "algorithm_type": ("deis",)}
"""Names that other solvers' details have, which are none of this one's."""
SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")
NOISE = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "rescale_betas_zero_snr")
"""What says how much noise there is at which timestep."""
RANDOM = ("Ancestral", "SDE", "LCM", "TCD", "DDPM", "SASolver")
"""In the names of schedulers that add noise at each step."""


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration, with its class's noise where it says none; for the rest our solver's defaults stand."""
    import diffusers

    kind = getattr(diffusers, str(config["_class_name"]))
    parameters = inspect.signature(kind.__init__).parameters.values()
    return {p.name: p.default for p in parameters if p.name in NOISE} | dict(config)


def overridden(config: Mapping[str, Any]) -> list[str]:
    """A sentence for each field of a scheduler's configuration that is not drawn with."""
    name = str(config.get("_class_name"))
    sentences = []
    if any(word in name for word in RANDOM):
        sentences.append(f"The scheduler {name} adds noise of its own; pictures are drawn with DPM-Solver++ instead.")
    for field, accepted in ACCEPTED.items():
        value = config.get(field, accepted[0])
        if (
            value not in accepted and value not in SAME.get(field, ()) and field != "variance_type"
        ):  # no picture hangs on that
            sentences.append(f"The scheduler's {field} is {value!r}; drawn is with {accepted[0]!r}.")
    return sentences


def check(config: Mapping[str, Any], where: str) -> None:
    """Raise Refusal for what cannot be drawn from."""
    import diffusers

    name = str(config.get("_class_name"))
    if not (name.endswith("Scheduler") and hasattr(diffusers, name)):
        raise Refusal(f"The scheduler of {where} is {name!r}; the schedulers of diffusers are accepted.")
    prediction = config.get("prediction_type", "epsilon")
    if "Flow" in name or "flow" in str(prediction) or config.get("use_flow_sigmas"):
        raise Refusal(
            f"The model in {where} was trained by flow matching (its scheduler is {name}); accepted are models that "
            f"predict {' or '.join(PREDICTIONS)}."
        )
    if prediction not in PREDICTIONS:
        raise Refusal(f"The model in {where} predicts {prediction!r}; accepted are {' and '.join(PREDICTIONS)}.")
    whole = settings(config)
    if "beta_schedule" not in whole:
        raise Refusal(
            f"The scheduler of {where} is {name}, which has no beta schedule; accepted are those of Stable Diffusion, "
            "such as DDIMScheduler."
        )
    if whole.get("trained_betas") is None and whole["beta_schedule"] not in SCHEDULES:
        raise Refusal(
            f"The beta_schedule of {where} is {whole['beta_schedule']!r}; accepted are {', '.join(SCHEDULES)}."
        )
    try:
        solver = make(whole)
        solver.set_timesteps(2)
        left = noising(whole).alphas_cumprod
    except (TypeError, ValueError, NotImplementedError, RuntimeError) as error:
        first = str(error).partition("\n")[0]
        raise Refusal(f"The scheduler's configuration in {where} cannot be used: {first}") from error
    if not (solver.sigmas.isfinite().all() and (left >= 0).all() and (left < 1).all()):
        raise Refusal(
            f"The scheduler of {where} has a noise that cannot be drawn with (beta_start, beta_end or trained_betas); "
            "accepted are betas between 0 and 1 that leave some signal."
        )


def make(config: Mapping[str, Any], spacing: str | None = None) -> Any:
    """A new solver for a whole configuration; ``spacing`` says which timesteps, in place of it."""
    from diffusers import DPMSolverMultistepScheduler

    usable = {
        field: accepted[0] for field, accepted in ACCEPTED.items() if field in config and config[field] not in accepted
    }
    ours = {field: value for field, value in config.items() if not field.startswith("_")}
    place = {"timestep_spacing": spacing} if spacing else {}
    return DPMSolverMultistepScheduler.from_config(ours | usable | place)


def pndm(config: Mapping[str, Any]) -> Any:
    """A new pseudo linear multistep solver (Liu et al., ICLR 2022) as the pipelines of Stable Diffusion 1 have it."""
    from diffusers import PNDMScheduler

    known = (*NOISE, "prediction_type", "set_alpha_to_one", "steps_offset", "timestep_spacing")
    ours = {field: config[field] for field in known if field in config and field != "rescale_betas_zero_snr"}
    return PNDMScheduler.from_config(ours | {"skip_prk_steps": True})


def check_pndm(config: Mapping[str, Any], where: str) -> None:
    """Raise Refusal for a model that this solver cannot draw from."""
    if config.get("rescale_betas_zero_snr"):
        raise Refusal(f"The noise of {where} ends without any signal, which pndm cannot begin from; dpm is accepted.")


def noising(config: Mapping[str, Any]) -> Any:
    """What adds as much noise as the model was trained with."""
    from diffusers import DDPMScheduler

    return DDPMScheduler.from_config({field: config[field] for field in (*NOISE, "prediction_type") if field in config})
