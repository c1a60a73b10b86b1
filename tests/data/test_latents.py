"""Images are made once, a broken one again, and nothing half-written is ever read."""

import dataclasses
import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from balign.data import latents
from balign.data.prompts import PromptSets, build
from balign.data.targets import resolve
from balign.models.base import BaseModel
from balign.models.stable_diffusion import StableDiffusion
from balign.refusal import Refusal


class Painter(BaseModel):
    """Draws noise from the seed, counts what it drew, and encodes a prompt as its length."""

    latent_shape = (2, 3, 3)
    size = 6
    num_train_timesteps = 10
    fingerprint = "0123456789abcdef" * 4

    denoiser = nn.Linear(1, 1)

    def __init__(self) -> None:
        self.drawn: list[str] = []
        self.encoded: list[str] = []

    def generate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        steps: int,
        guidance: float,
        batch: int = 8,
        on_batch=None,
    ) -> Tensor:
        self.drawn += prompts
        return torch.stack([torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(seed)) for seed in seeds])

    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        self.encoded += prompts
        return torch.tensor([float(len(prompt)) for prompt in prompts])[:, None, None].expand(-1, 4, 5)

    def _none(self, *_: object, **__: object) -> Tensor:
        raise AssertionError("pairs ask for nothing but drawings and encodings")

    add_noise = predict = decode = encode = release = save = _none  # type: ignore[assignment]


@pytest.fixture
def sets() -> PromptSets:
    return build(resolve(["cat"], ["a dog"]), n_forget=10, n_retain=14, n_test=2)


@pytest.fixture
def make(sets: PromptSets, tmp_path: Path) -> Callable[..., latents.Latents]:
    def made(model: BaseModel, **options) -> latents.Latents:
        return latents.make(model, sets, tmp_path / "cache", **{"seed": 1, "steps": 3, "guidance": 2.0} | options)

    return made


def test_the_second_run_makes_nothing(make, sets: PromptSets) -> None:
    model = Painter()
    first = make(model)
    assert len(model.drawn) == 24
    assert first.forget.shape == (10, 2, 3, 3)
    assert first.retain.shape == (14, 2, 3, 3)
    model = Painter()
    again = make(model)
    assert model.drawn == []
    assert torch.equal(first.forget, again.forget)
    assert torch.equal(first.retain, again.retain)
    assert first.manifest == again.manifest
    assert [entry["prompt"] for entry in first.manifest] == sets.forget + sets.retain
    assert {entry["side"] for entry in first.manifest} == {"forget", "retain"}
    assert all(Path(entry["file"]).is_file() for entry in first.manifest)


def test_every_latent_is_that_of_its_own_prompt_and_seed(make) -> None:
    made = make(Painter(), batch=5)
    for entry, latent in zip(made.manifest, torch.cat([made.forget, made.retain]), strict=True):
        expected = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(entry["seed"]))
        assert torch.equal(latent, expected)
    assert len({entry["seed"] for entry in made.manifest}) == 24


@pytest.mark.parametrize("changed", [{"seed": 2}, {"steps": 4}, {"guidance": 2.5}])
def test_another_sampler_or_seed_is_another_image(make, changed: dict) -> None:
    make(Painter())
    model = Painter()
    make(model, **changed)
    assert len(model.drawn) == 24


def test_another_model_is_another_image(make) -> None:
    make(Painter())
    other = Painter()
    other.fingerprint = "f" * 64
    make(other)
    assert len(other.drawn) == 24


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:40])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def flipped(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[data.index(b"NUMPY") + 130] ^= 255  # in the numbers themselves
    file.write_bytes(bytes(data))


def misshapen(file: Path) -> None:
    latents._write(file, torch.zeros(1, 2))


def not_finite(file: Path) -> None:
    latents._write(file, torch.full((2, 3, 3), float("nan")))


@pytest.mark.parametrize("damage", [truncated, empty, flipped, misshapen, not_finite])
def test_a_broken_file_is_made_again(make, damage: Callable[[Path], None]) -> None:
    first = make(Painter())
    damage(Path(first.manifest[3]["file"]))
    model = Painter()
    with pytest.warns(UserWarning, match="drawn again"):
        again = make(model)
    assert model.drawn == [first.manifest[3]["prompt"]] * 8  # alone in a batch as full as any
    assert torch.equal(first.forget, again.forget)
    model = Painter()
    make(model)
    assert model.drawn == []


class Sociable(Painter):
    """Its drawings depend on how many are drawn at once, as a network's last bits do."""

    def generate(self, prompts: Sequence[str], seeds: Sequence[int], **options) -> Tensor:
        return super().generate(prompts, seeds, **options) + len(prompts)


def test_what_was_cached_does_not_show(make) -> None:
    whole = make(Sociable())
    for image in whole.manifest[5:18]:
        Path(image["file"]).unlink()
    assert torch.equal(make(Sociable()).forget, whole.forget)
    assert torch.equal(make(Sociable()).retain, whole.retain)


def test_stopping_keeps_what_was_made(make) -> None:
    told = []

    def stop(done: int, total: int) -> None:
        told.append((done, total))
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(Painter(), on_progress=stop, batch=4)
    assert told == [(0, 24), (4, 24), (8, 24)]
    model = Painter()
    make(model, on_progress=lambda done, total: told.append((done, total)), batch=4)
    assert len(model.drawn) == 16
    assert told[3] == (8, 24)
    assert told[-1] == (24, 24)


def test_a_full_disk_is_one_sentence(make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(latents.np, "savez", full)
    with pytest.raises(OSError, match=r"cannot be written \(No space left on device\).*BALIGN_CACHE"):
        make(Painter())
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_every_prompt_is_encoded_once(make, sets: PromptSets) -> None:
    model = Painter()
    data = latents.training_data(model, sets, make(model), batch=7)
    assert len(model.encoded) == len(set(model.encoded))
    for conditions, said in (
        (data.forget_conditions, sets.forget),
        (data.retain_conditions, sets.retain),
        (data.anchor_conditions, sets.anchor),
        (data.empty_condition, [""]),
    ):
        assert conditions.shape == (len(said), 4, 5)
        assert conditions[:, 0, 0].tolist() == [len(prompt) for prompt in said]


def test_seeds_follow_the_prompt_not_its_place() -> None:
    one = dict(zip("abc", latents.image_seeds(["a", "b", "c"], 5), strict=True))
    assert latents.image_seeds(["c", "a"], 5) == [one["c"], one["a"]]
    assert len(set(latents.image_seeds(["a"] * 50, 5))) == 50
    assert latents.image_seeds(["a"], 6) != [one["a"]]
    assert all(0 <= seed < 2**31 for seed in latents.image_seeds(["é" * n for n in range(50)], 0))


@pytest.mark.parametrize(
    ("dtype", "said"),
    [(torch.float16, "in fp16 is not finite; --precision fp32 or bf16 is accepted"), (torch.float32, "may be damaged")],
)
def test_what_is_not_finite_never_enters_the_cache(
    sets: PromptSets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, said: str
) -> None:
    painter = Painter()
    painter.drawn_in = dtype
    monkeypatch.setattr(painter, "generate", lambda prompts, *_, **__: torch.full((len(prompts), 2, 3, 3), torch.nan))
    with pytest.raises(Refusal, match=said):
        latents.make(painter, sets, tmp_path, steps=2, guidance=1.0)
    with pytest.raises(Refusal, match=said):
        latents.batch_of(painter, ["a cat"], [1], steps=2, guidance=1.0)
    assert not list(tmp_path.rglob("*.npz"))


@pytest.mark.parametrize(
    ("ids", "twin", "spans"),
    [
        ([0, 5, 6, 7, 9], [0, 5, 8, 9], ((2, 3), (2, 2))),  # two tokens for one
        ([0, 5, 9], [0, 9], ((1, 1), (1, 1))),  # a word that is left out: what stands in its place
        ([0, 5, 6, 5, 6, 9], [0, 5, 6, 9], ((3, 4), (3, 3))),  # a repetition is not counted twice
        ([0, 5, 9], [0, 5, 9], ((2, 2), (2, 2))),
    ],
)
def test_where_two_prompts_differ(ids: list[int], twin: list[int], spans: tuple) -> None:
    assert latents.differing(ids, twin) == spans
    assert latents.differing(twin, ids) == spans[::-1]


def test_a_name_of_several_tokens_is_found_whole(tiny_model_path: str) -> None:
    model = StableDiffusion.load(tiny_model_path)
    sets = build(resolve(["cat"]), n_forget=2, n_retain=2, n_test=1)
    sets = dataclasses.replace(sets, forget=["a guitar zzq of ink"] * 2, anchor=["a pizza of ink"] * 2)
    nothing = torch.zeros(2, *model.latent_shape)
    data = latents.training_data(model, sets, latents.Latents(nothing, nothing, []))
    assert data.forget_span is not None
    assert data.anchor_span is not None
    ids = model.token_ids(sets.forget)[0]
    first, last = data.forget_span[0].tolist()
    word = model.token_ids(["guitar zzq"])[0][1:-1]
    assert len(word) > 2
    assert ids[first : last + 1] == word
    assert data.anchor_span[0].tolist() == [2, 2]
