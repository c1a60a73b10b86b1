"""Models that draw in a few steps are known by their names and schedulers, and get steps and guidance that draw."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from balign.models.catalogue import find
from balign.models.distilled import DistilledPace, pace, remark
from tests.pipelines import edit_json

TRAILING = {"timestep_spacing": "trailing"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("stabilityai/sd-turbo", DistilledPace(4, 0.0)),
        ("SDTurbo", DistilledPace(4, 0.0)),
        ("SimianLuo/LCM_Dreamshaper_v7", DistilledPace(4, 1.0)),
        ("models/dreamshaper_8LCM.safetensors", DistilledPace(4, 1.0)),
        ("realisticVisionV60B1_v51HyperVAE.safetensors", DistilledPace(8, 1.0)),
        ("someone/photon-lightning-8step", DistilledPace(8, 1.0)),
        ("IDKiro/sdxs-512-0.9", DistilledPace(1, 0.0)),
        ("hyperrealism_v3.safetensors", None),
        ("someone/hyper-realistic-v2", None),
        ("pytorch-lightning/sd", None),
        ("CompVis/stable-diffusion-v1-4", None),
    ],
)
def test_a_name_tells(name: str, expected: DistilledPace | None) -> None:
    assert pace(name, {}) == expected


def test_a_scheduler_tells() -> None:
    assert pace("mine", {"_class_name": "LCMScheduler"}) == DistilledPace(4, 1.0)
    assert pace("mine", TRAILING) is None


def test_other_numbers_are_remarked_before_anything_is_drawn() -> None:
    assert "4 and 0 draw well" in remark("sd-turbo", {}, 25, 7.5)
    assert remark("sd-turbo", {}, 4, 0.0) == ""
    assert "if this is one" in remark("mine", TRAILING, 25, 7.5)
    assert remark("mine", TRAILING | {"rescale_betas_zero_snr": True}, 25, 7.5) == ""


def test_an_unlisted_one_gets_what_draws(tiny_model: Callable[..., str], tmp_path: Path) -> None:
    assert (find("stabilityai/sd-turbo").steps, find("stabilityai/sd-turbo").guidance) == (4, 0.0)
    folder = Path(tiny_model("epsilon", 16, 4, "sd2"))
    assert find(folder).steps == 25
    shutil.copytree(folder, tmp_path / "merged")
    edit_json(tmp_path / "merged" / "scheduler" / "scheduler_config.json", _class_name="LCMScheduler")
    assert (find(tmp_path / "merged").steps, find(tmp_path / "merged").guidance) == (4, 1.0)
