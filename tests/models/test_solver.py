"""Scheduler configurations from the wild: what is drawn with, what is overridden and said, what is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from balign.models import solver
from balign.models.sampling import initial_latents
from balign.models.stable_diffusion import StableDiffusion
from balign.refusal import Refusal
from tests.pipelines import edit_json

BETAS: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
MULTISTEP: dict[str, Any] = BETAS | {"_class_name": "DPMSolverMultistepScheduler"}
WILD: list[tuple[dict[str, Any], str]] = [
    (MULTISTEP | {"algorithm_type": "sde-dpmsolver++"}, "algorithm_type is 'sde-dpmsolver"),
    (MULTISTEP | {"algorithm_type": "dpmsolver"}, "algorithm_type is 'dpmsolver'"),
    (MULTISTEP | {"solver_order": 5}, "solver_order is 5"),
    (MULTISTEP | {"final_sigmas_type": "euler"}, "final_sigmas_type is 'euler'"),
    (MULTISTEP | {"thresholding": True}, "thresholding is True"),
    (MULTISTEP | {"use_karras_sigmas": True}, ""),
    (BETAS | {"_class_name": "EulerAncestralDiscreteScheduler"}, "adds noise of its own"),
    (BETAS | {"_class_name": "LCMScheduler", "original_inference_steps": 50}, "adds noise of its own"),
    (BETAS | {"_class_name": "UniPCMultistepScheduler", "solver_type": "bh2"}, ""),
    (BETAS | {"_class_name": "DEISMultistepScheduler", "algorithm_type": "deis", "solver_type": "logrho"}, ""),
    (BETAS | {"_class_name": "EulerDiscreteScheduler", "use_beta_sigmas": True}, "use_beta_sigmas is True"),
    (BETAS | {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"}, ""),
    (BETAS | {"_class_name": "DDPMScheduler", "variance_type": "fixed_small"}, "adds noise of its own"),
    (BETAS | {"_class_name": "DDIMScheduler", "timestep_spacing": ["odd"]}, "timestep_spacing is"),
    (
        BETAS | {"_class_name": "DDIMScheduler", "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"},
        "",
    ),
]


@pytest.fixture(scope="module")
def model(tiny_model: Callable[..., str]) -> StableDiffusion:
    return StableDiffusion.load(tiny_model())


@pytest.mark.parametrize(("config", "said"), WILD)
def test_every_one_draws_the_same_twice_and_says_what_it_overrides(
    model: StableDiffusion, config: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    solver.check(config, "here")
    told = solver.overridden(config)
    assert len(told) == bool(said)
    assert said in "".join(told)
    monkeypatch.setattr(model, "_noise", solver.settings(config))
    drawn = [model.generate(["a cat"], [1], steps=3, guidance=3.0) for _ in range(2)]
    assert torch.equal(*drawn)
    assert drawn[0].isfinite().all()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "was trained by flow matching"),
        (MULTISTEP | {"prediction_type": "flow_prediction"}, "was trained by flow matching"),
        (MULTISTEP | {"use_flow_sigmas": True}, "was trained by flow matching"),
        (MULTISTEP | {"prediction_type": "sample"}, "predicts 'sample'"),
        ({"_class_name": "EDMEulerScheduler"}, "has no beta schedule"),
        ({"_class_name": "DDPMScheduler", "beta_schedule": "sigmoid"}, "beta_schedule of here is 'sigmoid'"),
        (MULTISTEP | {"beta_start": "small"}, "cannot be used"),
        (BETAS | {"_class_name": "PNDMScheduler", "beta_end": 2.0}, "has a noise that cannot be drawn with"),
        (BETAS | {"_class_name": "PNDMScheduler", "beta_start": float("nan")}, "has a noise that cannot be drawn with"),
        (BETAS | {"_class_name": "PNDMScheduler", "trained_betas": [0.1] * 1000}, "has a noise that cannot be drawn"),
        (BETAS | {"_class_name": "PNDMScheduler", "num_train_timesteps": 0}, "cannot be used"),
        (BETAS | {"_class_name": "PNDMScheduler", "num_train_timesteps": "1000"}, "cannot be used"),
        ({"_class_name": "utils"}, "the schedulers of diffusers are accepted"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused_by_name(config: dict[str, Any], said: str) -> None:
    with pytest.raises(Refusal, match=said) as refused:
        solver.check(config, "here")
    assert "\n" not in str(refused.value)


def test_a_config_that_diffusers_no_longer_makes_is_saved_as_one_it_does(tiny_model_path: str, tmp_path: Path) -> None:
    shutil.copytree(tiny_model_path, tmp_path / "wild")
    edit_json(
        tmp_path / "wild" / "scheduler" / "scheduler_config.json",
        _class_name="DPMSolverMultistepScheduler",
        algorithm_type="dpmsolver",
        final_sigmas_type="zero",
    )
    wild = StableDiffusion.load(tmp_path / "wild")
    wild.save(str(tmp_path / "saved"))
    saved = StableDiffusion.load(tmp_path / "saved")
    assert torch.equal(*(each.generate(["a"], [1], steps=2, guidance=1.0) for each in (wild, saved)))


def test_pndm_draws_what_the_stock_pipeline_draws(tiny_model_path: str) -> None:
    from diffusers import StableDiffusionPipeline

    model = StableDiffusion.load(tiny_model_path, sampler="pndm")
    pipe = StableDiffusionPipeline.from_pretrained(tiny_model_path, safety_checker=None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    assert type(pipe.scheduler).__name__ == "PNDMScheduler"
    noise = initial_latents(model.latent_shape, [5])
    theirs = pipe("a cat", latents=noise, num_inference_steps=10, guidance_scale=7.5, output_type="latent").images
    ours = model.generate(["a cat"], [5], steps=10, guidance=7.5)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    usual = StableDiffusion.load(tiny_model_path)
    assert usual.fingerprint != model.fingerprint
    assert not torch.allclose(usual.generate(["a cat"], [5], steps=10, guidance=7.5), ours, atol=1e-3)


def test_pndm_refuses_noise_without_signal(tiny_model, tmp_path) -> None:
    folder = tmp_path / "zero"
    shutil.copytree(tiny_model(), folder)
    edit_json(folder / "scheduler" / "scheduler_config.json", rescale_betas_zero_snr=True, _class_name="DDIMScheduler")
    with pytest.raises(Refusal, match="pndm cannot begin from; dpm is accepted"):
        StableDiffusion.load(str(folder), sampler="pndm")
