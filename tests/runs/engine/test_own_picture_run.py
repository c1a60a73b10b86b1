"""A run learns from somebody's own pictures; they are in its folder, manifest and bundle, and gone with it."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from balign.data.own_pictures import check_png
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.engine import execute, images, more_steps
from balign.runs.folder import Run
from balign.runs.outcome import bundle, reproduce, zip_check
from balign.runs.picture_lists import own_pictures_of
from tests.data.test_own_pictures import picture, png_header, zipped
from tests.runs.engine.test_judging import ended

Configure = Callable[..., RunConfig]


@pytest.mark.slow
def test_a_run_learns_from_own_pictures_and_repeats_bit_for_bit(configure: Configure, tmp_path: Path) -> None:
    cats = zipped(tmp_path / "cats.zip", {f"a cat {c}.png": picture(c) for c in ("red", "green", "blue")})
    kept = zipped(tmp_path / "kept.zip", {"a dog.png": picture("black"), "IMG_1.png": picture("white")})
    config, pictures, remarks = own_pictures_of(configure(steps=2, preview_every=0), cats, kept)
    assert (len(config.forget_pictures), len(config.keep_pictures), len(pictures), remarks) == (3, 2, 5, [])
    with pytest.raises(Refusal, match="names pictures that were not given"):
        Run.create(config)
    run = Run.create(config, pictures=pictures)
    assert ended(execute.run(run)) == "done"
    made = json.loads((run.path / "manifest.json").read_bytes())["images"]
    own = [image for image in made if "sha256" in image]
    assert [(image["side"], image["prompt"]) for image in own] == [
        ("forget", "a cat blue"),
        ("forget", "a cat green"),
        ("forget", "a cat red"),
        ("retain", "a picture"),
        ("retain", "a dog"),
    ]
    assert not [image for image in own if "file" in image]
    assert len(made) == 3 + config.n_retain

    packed = bundle.write(run, tmp_path / "run.zip")
    with zipfile.ZipFile(packed) as archive:
        assert {name[9:-4] for name in archive.namelist() if name.startswith("pictures/")} == set(pictures)
    again = reproduce.begin(zip_check.read(packed), tmp_path / "again")
    assert ended(execute.run(again)) == "done"
    report = again.report()
    assert report is not None
    assert report.reproduces is not None
    assert report.reproduces.equal
    weights = load_file(run.path / "erased.safetensors")
    other = Run.create(configure(steps=2, preview_every=0))
    assert ended(execute.run(other)) == "done"
    drawn = load_file(other.path / "erased.safetensors")
    assert any(not torch.equal(weights[name], drawn[name]) for name in weights)

    longer = more_steps.begin(run, 1)
    assert longer.pictures() == pictures
    assert ended(execute.run(longer)) == "done"
    again.delete()
    assert not again.path.exists()


def test_a_spoiled_picture_in_a_zip_is_refused() -> None:
    with pytest.raises(Refusal, match="is not the one of its name"):
        check_png(picture(), "0" * 64)
    for content in (b"", picture(form="JPEG"), png_header(60_000, 60_000)):
        with pytest.raises(Refusal, match="is no png of at most"):
            check_png(content, hashlib.sha256(content).hexdigest())


def test_a_latent_is_what_its_picture_decodes_from(tiny_model_path: str) -> None:
    from balign.models.stable_diffusion import StableDiffusion

    model = StableDiffusion.load(tiny_model_path)
    shown = images.squared(picture("red", (16, 16)), model.size)
    latent = model.encode(shown)
    assert latent.shape == (1, *model.latent_shape)
    assert latent.dtype == torch.float32
    assert not latent.requires_grad
    vae = model._vae
    with torch.no_grad():
        theirs = vae.encode(shown.permute(0, 3, 1, 2).float() / 127.5 - 1).latent_dist.mode()
    torch.testing.assert_close(latent, theirs * vae.config.scaling_factor)
    torch.testing.assert_close(model.encode(torch.cat([shown] * 3), batch=2)[2:], latent, atol=1e-5, rtol=1e-4)
