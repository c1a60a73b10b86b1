"""Class-conditional transformers: our verbs against the stock pipeline, and labels as prompts."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from balign import models
from balign.models.catalogue import find
from balign.models.dit import DiT
from balign.models.lora import adapter
from balign.models.trainable import TRAINABLE, select
from balign.models.weight_file import load_changed, save_changed
from balign.refusal import Refusal
from tests.models.tiny_dit import tiny_dit
from tests.pipelines import edit_json

PROMPTS = ["golden retriever", "T-shirt", "golden retriever", "ankle boot"]
SEEDS = [3, 1, 4, 2**40]
KINDS = {
    "the real one's": {},
    "a fixed variance": {"sigma": False},
    "zero signal at the end": {
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    },
    "another solver": {"scheduler": "DPMSolverMultistepScheduler", "prediction_type": "v_prediction"},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dit")


@pytest.fixture(scope="module")
def folder(folders: Path) -> str:
    """The folder of a tiny DiT-XL."""
    return tiny_dit(folders / "the real one's")


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest, folders: Path):
    """Our model and the stock pipeline of the same folder, as it is loaded."""
    from diffusers import DiTPipeline

    place = tiny_dit(folders / request.param, **KINDS[request.param])
    stock = DiTPipeline.from_pretrained(place)
    stock.set_progress_bar_config(disable=True)
    return DiT.load(place), stock


def drawn_by_stock(stock, guidance: float) -> Tensor:
    """Pixels (N, H, W, 3) from 0 to 1, by nothing but the stock pipeline's own call."""
    return torch.from_numpy(
        stock(
            stock.get_label_ids(PROMPTS),
            generator=[torch.Generator().manual_seed(seed) for seed in SEEDS],
            num_inference_steps=5,
            guidance_scale=guidance,
            output_type="np",
        ).images
    )


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_the_stock_pipeline_draws_our_pictures(pair, guidance: float) -> None:
    ours, stock = pair
    images = ours.decode(ours.generate(PROMPTS, SEEDS, steps=5, guidance=guidance))
    theirs = (drawn_by_stock(stock, guidance) * 255).round().int()
    assert images.dtype == torch.uint8
    assert (images.int() - theirs).abs().max() <= 1
    assert theirs.float().std() > 5  # not one grey


def test_latents_are_the_stock_pipelines(pair) -> None:
    ours, stock = pair
    latents = ours.generate(PROMPTS, SEEDS, steps=5, guidance=4.0)
    scaling, decode = stock.vae.config.scaling_factor, stock.vae.decode
    seen: list[Tensor] = []
    stock.vae.decode = lambda scaled: seen.append(scaled * scaling) or decode(scaled)
    try:
        drawn_by_stock(stock, 4.0)
    finally:
        stock.vae.decode = decode
    torch.testing.assert_close(latents, seen[0], rtol=1e-4, atol=1e-4)


def test_labels_are_the_stock_pipelines(pair) -> None:
    ours, stock = pair
    assert ours.labels == stock.labels
    assert ours.labels["crane"] == 517  # the later of two, as in the stock pipeline
    classes = ours.encode_text([*stock.labels, ""])
    assert classes.shape == (7, 1, 1)
    assert classes.flatten().tolist() == [*stock.labels.values(), 1000]


@pytest.mark.parametrize(
    ("prompt", "number"), [("top", 0), (" ANKLE  boot ", 1), ("2", 2), ("999", 999), ("", 1000), ("  ", 1000)]
)
def test_a_prompt_is_a_word_or_a_number_of_a_class(folder: str, prompt: str, number: int) -> None:
    assert DiT.load(folder).encode_text([prompt]).item() == number


@pytest.mark.parametrize("prompt", ["a top", "1000", "-1", "zebra", "T-shirt, top", "²"])
def test_what_is_no_class_is_refused_with_what_is(folder: str, prompt: str) -> None:
    with pytest.raises(Refusal, match=r"accepted are its labels \(T-shirt, top, .*numbers 0 to 999") as caught:
        DiT.load(folder).encode_text(["top", prompt])
    assert repr(prompt) in str(caught.value)


def test_a_learned_label_is_its_vector(folder: str) -> None:
    model = DiT.load(folder)
    plain = model.generate(["crane", "top"], [1, 2], steps=2, guidance=3.0)
    with model.learned({"<new>": model.word_vectors("crane").repeat(3, 1)}):
        learned = model.generate([" <new>", "top"], [1, 2], steps=2, guidance=3.0)
        assert model.encode_text([]).shape == (0, *model.encode_text(["<new>"]).shape[1:])
        with pytest.raises(Refusal, match="no class 'zebra'"):
            model.encode_text(["zebra"])
    torch.testing.assert_close(learned, plain, rtol=1e-5, atol=1e-5)
    assert not torch.equal(plain[0], model.generate(["top"], [1], steps=2, guidance=3.0)[0])
    with pytest.raises(Refusal, match="no class '<new>'"):
        model.encode_text(["<new>"])


def test_a_label_learns_and_no_weight_does(folder: str) -> None:
    model = DiT.load(folder)
    vectors = model.word_vectors("top").repeat(2, 1).requires_grad_(True)
    noisy, timesteps = torch.randn(2, 4, 8, 8), torch.tensor([10, 900])
    with model.learned({"<new>": vectors}):
        model.predict(noisy, timesteps, model.encode_text(["<new>", "<new>"])).square().sum().backward()
    assert vectors.grad is not None
    assert (vectors.grad.unflatten(1, (2, -1)).norm(dim=2) > 0).all()  # in the tables of both blocks
    assert all(weight.grad is None for weight in model.denoiser.parameters())


def test_batch_size_changes_no_picture(pair) -> None:
    ours, _ = pair
    latents = {n: ours.generate(PROMPTS, SEEDS, steps=5, guidance=4.0, batch=n) for n in (1, 3, 4)}
    for n in (1, 3):
        assert (latents[n] - latents[4]).abs().max() < 1e-4 * latents[4].abs().max()


def test_the_same_call_gives_the_same_bits(pair) -> None:
    ours, _ = pair
    assert torch.equal(*(ours.generate(PROMPTS, SEEDS, steps=3, guidance=4.0) for _ in range(2)))


@pytest.mark.parametrize(
    ("scheduler", "options"),
    [
        ("DDPMScheduler", {}),
        ("EulerAncestralDiscreteScheduler", {}),
        ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    ],
)
def test_a_scheduler_that_adds_noise_of_its_own_gives_way(tmp_path: Path, scheduler: str, options: dict) -> None:
    from diffusers import DDIMScheduler, DiTPipeline

    place = tiny_dit(tmp_path / "model", scheduler=scheduler, **options)
    ours, stock = DiT.load(place), DiTPipeline.from_pretrained(place)
    stock.scheduler = DDIMScheduler.from_config(stock.scheduler.config)
    stock.set_progress_bar_config(disable=True)
    images = ours.decode(ours.generate(PROMPTS, SEEDS, steps=5, guidance=4.0))
    assert (images.int() - (drawn_by_stock(stock, 4.0) * 255).round().int()).abs().max() <= 1
    assert torch.equal(*(ours.generate(PROMPTS, SEEDS, steps=2, guidance=4.0) for _ in range(2)))


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
    ours, _ = pair
    assert (ours.size, ours.latent_shape, ours.num_train_timesteps) == ((16, 16), (4, 8, 8), 1000)
    assert ours.num_classes == 1000
    assert not ours.denoiser.training  # or each block would drop the class by a coin of its own
    assert not any(weight.requires_grad for weight in ours.denoiser.parameters())


def test_a_prediction_carries_gradients_and_a_drawing_can_be_trained_on(folder: str) -> None:
    model = DiT.load(folder)
    model.denoiser.requires_grad_(True)
    latents = model.generate(PROMPTS[:2], SEEDS[:2], steps=2, guidance=2.0)
    noisy, target = model.add_noise(latents, torch.randn_like(latents), torch.tensor([10, 900]))
    prediction = model.predict(noisy, torch.tensor([10, 900]), model.encode_text(PROMPTS[:2]))
    assert prediction.shape == target.shape == (2, 4, 8, 8)
    (prediction - target).square().mean().backward()
    assert all(weight.grad is not None for weight in model.denoiser.parameters())
    assert not any(tensor.is_inference() for tensor in (latents, noisy, target))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_lower_precision_is_drawn_in_and_comes_close(folder: str, dtype: torch.dtype) -> None:
    full, half = DiT.load(folder), DiT.load(folder, dtype=dtype)
    assert {weight.dtype for weight in half.denoiser.parameters()} == {torch.float32}
    noisy, classes = torch.randn(2, 4, 8, 8), full.encode_text(PROMPTS[:2])
    expected, found = (model.predict(noisy, torch.tensor([5, 700]), classes) for model in (full, half))
    assert torch.equal(found, expected)  # what is trained on is fp32 all the same
    expected, found = (model.generate(PROMPTS, SEEDS, steps=3, guidance=2.0) for model in (full, half))
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.1 * expected.abs().max()
    assert full.fingerprint != half.fingerprint


def test_release_gives_the_autoencoder_back_and_it_returns(folder: str) -> None:
    model = DiT.load(folder)
    image = model.decode(torch.ones(1, 4, 8, 8))
    model.release()
    assert "_vae" not in vars(model)
    assert torch.equal(model.decode(torch.ones(1, 4, 8, 8)), image)


def test_the_fingerprint_is_of_the_files(folder: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert DiT.load(copy).fingerprint == DiT.load(folder).fingerprint
    model = DiT.load(copy)
    with torch.no_grad():
        next(model.denoiser.parameters()).add_(1)
    model.save(str(tmp_path / "changed"))
    assert DiT.load(tmp_path / "changed").fingerprint != DiT.load(copy).fingerprint
    edit_json(copy / "model_index.json", id2label={"0": "other"})
    assert DiT.load(copy).fingerprint != DiT.load(folder).fingerprint


def test_saving_gives_a_stock_folder_with_the_trained_weights_and_the_labels(folder: str, tmp_path: Path) -> None:
    from diffusers import DiTPipeline

    model = DiT.load(folder)
    with torch.no_grad():
        for weight in model.denoiser.parameters():
            weight += 0.01
    model.save(str(tmp_path / "deep" / "saved"))
    again = DiT.load(tmp_path / "deep" / "saved")
    assert torch.equal(*(each.generate(PROMPTS, SEEDS, steps=2, guidance=3.0) for each in (model, again)))
    stock = DiTPipeline.from_pretrained(tmp_path / "deep" / "saved")
    assert stock.labels == model.labels == again.labels
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["saved"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(OSError, match="not empty"):
        model.save(str(tmp_path / "mine"))


@pytest.mark.parametrize(
    ("file", "values", "said"),
    [
        ("model_index.json", {"_class_name": "FluxPipeline"}, "holds a FluxPipeline; accepted is a DiTPipeline"),
        ("model_index.json", {"id2label": ["cat"]}, "id2label .* is no json object"),
        ("model_index.json", {"id2label": {"1000": "cat"}}, "names the class '1000'; accepted are 0 to 999"),
        ("model_index.json", {"id2label": {"first": "cat"}}, "names the class 'first'"),
        ("scheduler/scheduler_config.json", {"prediction_type": "sample"}, "predicts 'sample'"),
        ("scheduler/scheduler_config.json", {"_class_name": "Rm"}, "The scheduler of .* is 'Rm'"),
        ("transformer/config.json", {"num_embeds_ada_norm": None}, "has None classes"),
        ("transformer/config.json", {"in_channels": 9}, "takes 9 channels and its autoencoder gives 4"),
        ("vae/config.json", {"out_channels": 1}, "draws 1 channels; accepted are 3"),
        ("transformer/config.json", {"num_layers": 3}, "lack transformer_blocks.2"),
    ],
)
def test_what_is_no_whole_dit_is_refused(folder: str, tmp_path: Path, file: str, values: dict, said: str) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    edit_json(tmp_path / "copy" / file, **values)
    with pytest.raises(Refusal, match=said):
        DiT.load(tmp_path / "copy")


def test_a_folder_without_labels_is_asked_by_number(folder: str, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    edit_json(tmp_path / "copy" / "model_index.json", id2label=None)
    model = DiT.load(tmp_path / "copy")
    assert model.encode_text(["7", ""]).flatten().tolist() == [7, 1000]
    with pytest.raises(Refusal, match=r"labels \(none by name\) and the numbers 0 to 999"):
        model.encode_text(["T-shirt"])
    model.save(str(tmp_path / "saved"))
    assert DiT.load(tmp_path / "saved").labels == {}


def test_the_catalogue_loads_it(folder: str) -> None:
    entry = find(folder)
    assert (entry.family, entry.size_px, entry.lexicon) == ("DiT", 16, f"{folder}/model_index.json")
    assert isinstance(models.load(entry), DiT)
    assert find("facebook/DiT-XL-2-256").licence == "CC-BY-NC-4.0"


def test_the_choices_of_weights_are_what_reads_the_class(folder: str) -> None:
    denoiser = DiT.load(folder).denoiser
    tables, reading, others, every = (set(select(denoiser, which)) for which in TRAINABLE)
    assert tables == {f"transformer_blocks.{k}.norm1.emb.class_embedder.embedding_table.weight" for k in (0, 1)}
    assert reading - tables == {
        f"transformer_blocks.{k}.norm1.linear.{part}" for k in (0, 1) for part in ("weight", "bias")
    }
    assert reading < every == {name for name, _ in denoiser.named_parameters()}
    assert others == every - reading


def test_changed_weights_and_adapter_come_back(folder: str, tmp_path: Path) -> None:
    model, base = DiT.load(folder), DiT.load(folder)
    chosen = select(model.denoiser, "cross_attention")
    with torch.no_grad():
        for weight in chosen.values():
            weight += 0.01 * torch.randn_like(weight)
    save_changed(tmp_path / "erased.safetensors", chosen)
    load_changed(tmp_path / "erased.safetensors", base.denoiser)
    assert torch.equal(*(each.generate(PROMPTS, SEEDS, steps=2, guidance=3.0) for each in (model, base)))
    changed = {name: weight.detach() for name, weight in chosen.items()}
    tensors, held = adapter(dict(DiT.load(folder).denoiser.named_parameters()), changed, rank=8)
    assert held > 0.95  # all but the biases: no matrix here has a larger rank
    assert "lora_unet_transformer_blocks_0_norm1_linear.lora_up.weight" in tensors


def test_no_program_reads_it_as_one_file_or_with_a_lora(folder: str) -> None:
    model = DiT.load(folder)
    for asked in (model.single_file, model.lora_metadata):
        with pytest.raises(Refusal, match="No program reads this family"):
            asked()
