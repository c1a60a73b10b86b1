"""A classifier in the place of CLIP: what it recognises, how sure it is, and what KID and FID compare."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from balign.measure import scorers
from balign.measure.classifier import ClassScorer
from balign.measure.distances import Compared, distances
from balign.measure.evaluation import Shot, evaluate
from balign.measure.scorer_names import scorer_source
from balign.refusal import Refusal
from tests.measure.tiny_classifier import tiny_classifier

LABELS = ("T-shirt", "shirt", "ankle boot, boot", "noise")
CHOICES = {"object": [{label: [f"a photo of a {label}"] for label in ("T-shirt", "shirt", "ankle boot")}]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_classifier(tmp_path_factory.mktemp("classifier") / "judge", LABELS)


@pytest.fixture
def scorer(folder: Path) -> ClassScorer:
    found = scorers.load(str(folder))
    assert isinstance(found, ClassScorer)
    return found


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(0, 256, (6, 32, 32, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def logits(folder: Path, images: torch.Tensor) -> torch.Tensor:
    """By transformers alone."""
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    model = AutoModelForImageClassification.from_pretrained(folder).float().eval()
    pixels = AutoImageProcessor.from_pretrained(folder)(list(images.numpy()), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        return model(pixels).logits


def test_alignment_is_the_probability_of_the_prompts_class(scorer: ClassScorer, folder: Path, images) -> None:
    wanted = logits(folder, images).softmax(-1)
    said = ["T-shirt", "a photo of an ankle boot", "boot", "3", " SHIRT ", ""]
    expected = [wanted[0, 0], wanted[1, 2], wanted[2, 2], wanted[3, 3], wanted[4, 1], torch.tensor(0.0)]
    torch.testing.assert_close(scorer.alignment(images, said), torch.stack(expected))
    features = scorer.embed_images(images)
    torch.testing.assert_close(scorer.alignment(features, said), torch.stack(expected))
    assert features.shape == (6, 16)
    assert scorer.alignment(images[:0], []).shape == (0,)
    with pytest.raises(ValueError, match="6 images and 1 prompts"):
        scorer.alignment(images, ["shirt"])
    with pytest.raises(ValueError, match="uint8 of shape"):
        scorer.embed_images(images.float())


def test_the_likeliest_of_all_classes_is_recognised(scorer: ClassScorer, folder: Path, images) -> None:
    nearest = logits(folder, images).argmax(-1).tolist()
    first = [label.partition(",")[0] for label in LABELS]
    assert scorer.classify(images, CHOICES["object"][0]) == [first[k] for k in nearest]
    assert scorer.classify(images, {"shirt": []}) == ["shirt" if k == 1 else LABELS[k] for k in nearest]
    assert scorer.classify(images[:0], {"shirt": []}) == []


def test_what_is_no_class_is_refused_before_anything_is_drawn(scorer: ClassScorer) -> None:
    assert scorer.embed_texts(["shirt", ""]).tolist() == [[0, 1, 0, 0], [0, 0, 0, 0]]
    for text in ("tench", "4", "-1"):
        with pytest.raises(Refusal, match=r"has no class for .*; it tells apart T-shirt, shirt"):
            scorer.embed_texts([text])


def test_an_evaluation_says_that_a_classifier_judged(scorer: ClassScorer, folder: Path, images) -> None:
    tests = [Shot("erased", "shirt", {"object": "shirt"}, k, twin="T-shirt") for k in range(3)]
    tests += [Shot("kept", "T-shirt", {"object": "T-shirt"}, k) for k in range(3)]
    found = evaluate(tests, images, images, scorer, CHOICES, {"object": ["shirt"]})
    nearest = logits(folder, images).argmax(-1)
    assert found.ua == (nearest[:3] != 1).float().mean()
    assert found.groups["kept"].accuracy_after == (nearest[3:] == 0).float().mean()
    assert found.judged == {"object": f"by the classifier {scorer.name}, over its 4 classes"}
    (far,) = distances(Compared(images[:3], images[3:], images[3:]), scorer)
    assert (far.features, far.n, far.fid) == (scorer.name, 3, pytest.approx(0, abs=1e-3))
    assert torch.equal(scorer.features(images), scorer.embed_images(images))


def test_the_bundled_judge_is_whole() -> None:
    judge = scorers.load("fashion-judge")
    assert judge.name == "fashion-judge"
    assert isinstance(judge, ClassScorer)
    assert (len(judge.labels), judge.labels[-1]) == (11, "noise")
    listed = json.loads((Path(__file__).parents[2] / "assets" / "prompts" / "fashion.json").read_text())["objects"]
    assert list(listed) == judge.labels[:-1]
    nothing = torch.randint(0, 256, (4, 32, 32, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert judge.classify(nothing, {name: [name] for name in listed}) == ["noise"] * 4


def test_only_safetensors_are_read(folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    torch.save(load_file(folder / "model.safetensors"), tmp_path / "pytorch_model.bin")
    with pytest.raises(Refusal, match=r"holds no \*\.safetensors"):
        scorer_source(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(RuntimeError, match="cannot be loaded"):
        scorers.load(str(tmp_path))
