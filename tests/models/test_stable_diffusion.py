"""Our verbs against the stock pipeline and schedulers, on the exact classes of Stable Diffusion 1.4, 1.5 and 2.1."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from balign.models.stable_diffusion import StableDiffusion
from tests.pipelines import edit_json

FAMILIES = [("sd1", "epsilon"), ("sd2", "v_prediction"), ("sd2", "epsilon")]
PROMPTS = ["a painting of a cat", "a dog", "a painting of a cat", "Zebra on pizza!"]
SEEDS = [3, 1, 4, 2**40]
Maker = Callable[..., str]


@pytest.fixture(scope="module", params=FAMILIES, ids="-".join)
def pair(request: pytest.FixtureRequest, tiny_model: Maker):
    """Our model and the stock pipeline of the same folder."""
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    like, prediction_type = request.param
    folder = tiny_model(prediction_type, like=like)
    stock = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, requires_safety_checker=False)
    stock.scheduler = DPMSolverMultistepScheduler.from_config(stock.scheduler.config)
    stock.set_progress_bar_config(disable=True)
    return StableDiffusion.load(folder), stock


def drawn_by_stock(stock, guidance: float, output_type: str):
    return stock(
        PROMPTS,
        generator=[torch.Generator().manual_seed(seed) for seed in SEEDS],
        num_inference_steps=5,
        guidance_scale=guidance,
        output_type=output_type,
    ).images


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_latents_are_the_stock_pipelines(pair, guidance: float) -> None:
    ours, stock = pair
    latents = ours.generate(PROMPTS, SEEDS, steps=5, guidance=guidance)
    torch.testing.assert_close(latents, drawn_by_stock(stock, guidance, "latent"), rtol=1e-5, atol=2e-5)


def test_images_are_the_stock_pipelines(pair) -> None:
    ours, stock = pair
    images = ours.decode(ours.generate(PROMPTS, SEEDS, steps=5, guidance=4.0))
    theirs = torch.from_numpy((drawn_by_stock(stock, 4.0, "np") * 255).round()).int()
    assert images.dtype == torch.uint8
    assert (images.int() - theirs).abs().max() <= 1


def test_conditions_are_the_stock_pipelines(pair) -> None:
    ours, stock = pair
    theirs, empty = stock.encode_prompt(PROMPTS, "cpu", 1, do_classifier_free_guidance=True)
    assert torch.equal(ours.encode_text(PROMPTS), theirs)
    torch.testing.assert_close(ours.encode_text([""]), empty[:1])


def test_batch_size_changes_no_picture(pair) -> None:
    """Nothing but the order of float sums: below 1e-5 in latents of size 1, so at most one of 255 steps of a pixel."""
    ours, _ = pair
    latents = {n: ours.generate(PROMPTS, SEEDS, steps=5, guidance=4.0, batch=n) for n in (1, 3, 4)}
    images = {n: ours.decode(latents[4], batch=n).int() for n in (1, 3, 4)}
    for n in (1, 3):
        assert (latents[n] - latents[4]).abs().max() < 1e-5 * latents[4].abs().max()
        assert (images[n] - images[4]).abs().max() <= 1


def test_the_same_call_gives_the_same_bits(pair) -> None:
    ours, _ = pair
    first, second = (ours.generate(PROMPTS, SEEDS, steps=3, guidance=4.0) for _ in range(2))
    assert torch.equal(first, second)


def test_noise_and_target_are_the_schedulers(pair) -> None:
    from diffusers import DDPMScheduler

    ours, stock = pair
    ddpm = DDPMScheduler.from_config(stock.scheduler.config)
    latents, noise, timesteps = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8), torch.tensor([0, 500, 999])
    noisy, target = ours.add_noise(latents, noise, timesteps)
    assert torch.equal(noisy, ddpm.add_noise(latents, noise, timesteps))
    v = stock.scheduler.config.prediction_type == "v_prediction"
    assert torch.equal(target, ddpm.get_velocity(latents, noise, timesteps) if v else noise)


def test_facts(pair) -> None:
    ours, stock = pair
    assert ours.size == (16, 16)
    assert ours.latent_shape == (4, 8, 8)
    assert ours.num_train_timesteps == stock.scheduler.config.num_train_timesteps == 1000
    assert ours.device == torch.device("cpu")
    assert not any(weight.requires_grad for weight in ours.denoiser.parameters())


def test_options_of_the_real_models_arrive(tiny_model: Maker) -> None:
    one = StableDiffusion.load(tiny_model("epsilon", like="sd1")).denoiser.config
    two = StableDiffusion.load(tiny_model("v_prediction", like="sd2")).denoiser.config
    assert (one.use_linear_projection, two.use_linear_projection) == (False, True)
    assert (one.attention_head_dim, two.attention_head_dim) == (2, [2, 4])


def test_a_prediction_carries_gradients_and_a_drawing_can_be_trained_on(tiny_model_path: str) -> None:
    model = StableDiffusion.load(tiny_model_path)
    model.denoiser.requires_grad_(True)
    latents = model.generate(PROMPTS[:2], SEEDS[:2], steps=2, guidance=2.0)
    noisy, target = model.add_noise(latents, torch.randn_like(latents), torch.tensor([10, 900]))
    loss = (model.predict(noisy, torch.tensor([10, 900]), model.encode_text(PROMPTS[:2])) - target).square().mean()
    loss.backward()
    assert all(weight.grad is not None for weight in model.denoiser.parameters())
    assert not any(tensor.is_inference() for tensor in (latents, noisy, target))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_lower_precision_is_drawn_in_and_comes_close(tiny_model_path: str, dtype: torch.dtype) -> None:
    full, half = StableDiffusion.load(tiny_model_path), StableDiffusion.load(tiny_model_path, dtype=dtype)
    assert {weight.dtype for weight in half.denoiser.parameters()} == {torch.float32}
    noisy, conditions = torch.randn(2, 4, 8, 8), full.encode_text(PROMPTS[:2])
    expected, found = (model.predict(noisy, torch.tensor([5, 700]), conditions) for model in (full, half))
    assert torch.equal(found, expected)  # what is trained on is fp32 all the same
    expected, found = (model.generate(PROMPTS, SEEDS, steps=3, guidance=2.0) for model in (full, half))
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.1 * expected.abs().max()
    assert full.fingerprint != half.fingerprint


def test_release_gives_the_parts_back_and_they_return(tiny_model_path: str) -> None:
    model = StableDiffusion.load(tiny_model_path)
    before, image = model.encode_text(PROMPTS), model.decode(torch.ones(1, 4, 8, 8))
    model.release()
    assert {"_vae", "_text_encoder"}.isdisjoint(vars(model))
    assert torch.equal(model.encode_text(PROMPTS), before)
    assert torch.equal(model.decode(torch.ones(1, 4, 8, 8)), image)


def test_the_fingerprint_is_of_the_files(tiny_model_path: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_model_path, copy)
    model, same = StableDiffusion.load(tiny_model_path), StableDiffusion.load(copy)
    assert model.fingerprint == same.fingerprint
    assert len(model.fingerprint) == 64
    edit_json(copy / "scheduler" / "scheduler_config.json", beta_end=0.02)
    assert StableDiffusion.load(copy).fingerprint != model.fingerprint


def test_saving_gives_a_stock_folder_with_the_trained_weights(tiny_model_path: str, tmp_path: Path) -> None:
    from diffusers import StableDiffusionPipeline

    model = StableDiffusion.load(tiny_model_path)
    with torch.no_grad():
        for weight in model.denoiser.parameters():
            weight += 0.01
    model.save(str(tmp_path / "deep" / "saved"))
    again = StableDiffusion.load(tmp_path / "deep" / "saved")
    drawn = [each.generate(PROMPTS, SEEDS, steps=2, guidance=3.0) for each in (model, again)]
    assert torch.equal(*drawn)
    stock = StableDiffusionPipeline.from_pretrained(tmp_path / "deep" / "saved")
    assert stock.safety_checker is None
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["saved"]


def test_saving_does_not_overwrite_a_full_folder(tiny_model_path: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(OSError, match="not empty"):
        StableDiffusion.load(tiny_model_path).save(str(tmp_path / "mine"))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"


def test_progress_is_told_and_what_it_raises_ends_the_work(tiny_model_path: str) -> None:
    model, told = StableDiffusion.load(tiny_model_path), []
    latents = model.generate(PROMPTS, SEEDS, steps=1, guidance=1.0, batch=3, on_batch=lambda *each: told.append(each))
    model.decode(latents, batch=2, on_batch=lambda *each: told.append(each))
    assert told == [(3, 4), (4, 4), (2, 4), (4, 4)]

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.generate(PROMPTS, SEEDS, steps=1, guidance=1.0, on_batch=stop)


def test_nothing_asked_nothing_drawn(tiny_model_path: str) -> None:
    model = StableDiffusion.load(tiny_model_path)
    assert model.generate([], [], steps=2, guidance=2.0).shape == (0, 4, 8, 8)
    assert model.decode(torch.empty(0, 4, 8, 8)).shape == (0, 16, 16, 3)


def test_prompts_without_their_seeds_are_refused(tiny_model_path: str) -> None:
    with pytest.raises(ValueError, match="2 prompts came with 1 seeds"):
        StableDiffusion.load(tiny_model_path).generate(["a", "b"], [1], steps=1, guidance=1.0)


def test_a_long_prompt_is_cut_and_the_log_says_so(tiny_model_path: str, caplog: pytest.LogCaptureFixture) -> None:
    model = StableDiffusion.load(tiny_model_path)
    long = " ".join(["cat"] * 40)
    assert torch.equal(model.encode_text([long]), model.encode_text([long + " dog"]))
    assert "Only the first 16 of 42 tokens of this prompt are read: cat cat" in caplog.text
