"""A scorer is loaded from its own folder, scores as open_clip does, and never scores with weights nobody gave it."""

from pathlib import Path

import pytest
import torch

from balign.measure.clip import Scorer, ScorerAbsent
from balign.refusal import Refusal
from tests.measure.tiny_clip import tiny_clip

TEXTS = ["a cat on a white background", "ink style", "a pizza"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("clip") / "tiny")


@pytest.fixture
def scorer(folder: Path) -> Scorer:
    return Scorer.load(str(folder))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(256, (3, 20, 20, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_alignment_is_open_clips_own_cosine(scorer: Scorer, folder: Path, images: torch.Tensor) -> None:
    import open_clip
    from PIL import Image

    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.no_grad():
        pixels = torch.stack([preprocess(Image.fromarray(image.numpy())) for image in images])
        seen = model.eval().encode_image(pixels, normalize=True)
        said = model.encode_text(tokenizer(TEXTS), normalize=True)
    torch.testing.assert_close(scorer.alignment(images, TEXTS), (seen * said).sum(-1))
    torch.testing.assert_close(scorer.embed_images(images).norm(dim=-1), torch.ones(3))


def test_one_image_at_a_time_scores_the_same(scorer: Scorer, images: torch.Tensor) -> None:
    alone = torch.cat([scorer.alignment(images[i : i + 1], TEXTS[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(scorer.alignment(images, TEXTS), alone)
    torch.testing.assert_close(scorer.embed_images(images, batch=2), scorer.embed_images(images))
    assert torch.equal(scorer.alignment(scorer.embed_images(images), TEXTS), scorer.alignment(images, TEXTS))


def test_the_nearest_label_is_chosen(scorer: Scorer, images: torch.Tensor) -> None:
    labels = ["cat", "dog", "pizza"]
    cosines = scorer.embed_images(images) @ scorer.embed_texts([f"a photo of a {label}" for label in labels]).T
    nearest = [labels[k] for k in cosines.argmax(-1)]
    assert scorer.classify(images, {label: [f"a photo of a {label}"] for label in labels}) == nearest
    captions = {"cat": ["a cat", "cat"], "dog": ["a dog"], "pizza": ["pizza"]}
    assert len(scorer.classify(images, captions)) == 3
    with pytest.raises(ValueError, match="No labels"):
        scorer.classify(images, {})


def test_a_text_is_encoded_once(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = []
    inner = scorer._tokenizer
    monkeypatch.setattr(scorer, "_tokenizer", lambda texts: encoded.extend(texts) or inner(texts))
    first = scorer.embed_texts([*TEXTS, *TEXTS])
    again = scorer.embed_texts(TEXTS)
    assert encoded == TEXTS
    assert torch.equal(first[:3], again)
    assert torch.equal(first[3:], again)


def test_no_image_at_all(scorer: Scorer) -> None:
    nothing = torch.zeros(0, 20, 20, 3, dtype=torch.uint8)
    assert scorer.alignment(nothing, []).shape == (0,)
    assert scorer.embed_images(nothing).shape == (0, 16)


def test_what_is_no_image_is_refused(scorer: Scorer, images: torch.Tensor) -> None:
    for wrong in (images.permute(0, 3, 1, 2), images.float(), images[0]):
        with pytest.raises(ValueError, match=r"uint8 of shape \(N, height, width, 3\)"):
            scorer.embed_images(wrong)
    with pytest.raises(ValueError, match="3 images and 1 prompts"):
        scorer.alignment(images, TEXTS[:1])


def test_unknown_scorers_are_one_sentence(tmp_path: Path) -> None:
    for name in ("nonsense", "ViT-B-32/nonsense", "ViT-", "/no/such/folder"):
        with pytest.raises(Refusal, match=f"There is no scorer '{name}'; emoji, fashion-judge, ViT-L/14, "):
            Scorer.load(name)
    with pytest.raises(Refusal, match=r"holds no open_clip_config.json and no \*.safetensors"):
        Scorer.load(str(tmp_path))


def test_one_that_cannot_be_fetched_is_absent_and_never_made_up() -> None:
    for name in ("ViT-B-32/openai", "hf-hub:someone/some-clip"):
        with pytest.raises(ScorerAbsent, match=f"the scorer '{name}' is not on this machine") as raised:
            Scorer.load(name)
        assert "\n" not in str(raised.value)


def test_weights_that_are_missing_or_broken_never_score(tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "clip")
    weights = folder / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(RuntimeError, match="cannot be loaded") as raised:
        Scorer.load(str(folder))
    assert "\n" not in str(raised.value)
    weights.unlink()
    with pytest.raises(Refusal, match=r"holds no \*.safetensors"):
        Scorer.load(str(folder))


def test_the_papers_scorers_are_known_by_open_clip() -> None:
    import open_clip

    for name in ("ViT-B-32/laion2b_s34b_b79k", "ViT-L-14/laion2b_s32b_b82k"):
        model, _, weights = name.partition("/")
        assert weights in open_clip.list_pretrained_tags_by_model(model)
