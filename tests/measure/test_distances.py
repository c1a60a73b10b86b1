"""KID and FID are torchmetrics' own on the same features, and a model that changed nothing is at the floor."""

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from balign.measure import distances
from balign.measure.clip import Scorer
from balign.measure.distances import Compared, fid, kid


class AsTheyAre(nn.Module):
    """Features are given as they are."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def features(n: int, d: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator) @ torch.randn(d, d, generator=generator) / d**0.5 + seed / 10


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`:UserWarning")
@pytest.mark.parametrize(("n", "m", "d"), [(16, 16, 64), (40, 30, 8), (3, 5, 96)])
def test_both_are_torchmetrics_own_on_the_same_features(n: int, m: int, d: int) -> None:
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance, poly_mmd

    one, other = features(n, d, 1), features(m, d, 2)
    theirs = FrechetInceptionDistance(feature=AsTheyAre(d)).set_dtype(torch.float64)
    theirs.update(one.double(), real=True)
    theirs.update(other.double(), real=False)
    assert fid(one, other) == pytest.approx(float(theirs.compute()), abs=1e-5)
    if n == m:
        whole = KernelInceptionDistance(feature=AsTheyAre(d), subsets=1, subset_size=n).set_dtype(torch.float64)
        whole.update(one.double(), real=True)
        whole.update(other.double(), real=False)
        assert kid(one, other) == pytest.approx(float(whole.compute()[0]), abs=1e-5)
        assert kid(one, other) == pytest.approx(float(poly_mmd(one.double(), other.double())), abs=1e-9)


def test_a_changed_model_is_further_than_the_floor() -> None:
    before, reference = features(24, 16, 1), features(24, 16, 1).flip(0)
    assert fid(before, reference) == pytest.approx(0, abs=1e-9)
    assert kid(before + 1, reference) > kid(before, reference)


def pictures(n: int, seed: int) -> Tensor:
    return torch.randint(256, (n, 20, 20, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_they_are_taken_on_the_scorers_features_with_n_and_the_floor(tiny_scorer_path: str) -> None:
    scorer = Scorer.load(tiny_scorer_path)
    before, reference = pictures(5, 1), pictures(5, 2)
    same, none = (distances.distances(Compared(before[:n], before[:n], reference[:n]), scorer) for n in (5, 1))
    assert none == ()
    (found,) = same
    assert (found.features, found.n) == (scorer.name, 5)
    assert (found.kid, found.fid) == (found.kid_floor, found.fid_floor)
    lengths = scorer.features(before).square().mean(dim=-1)
    torch.testing.assert_close(lengths, torch.ones(5))


@pytest.mark.slow
def test_inception_is_used_where_its_weights_are_and_nothing_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_scorer_path: str
) -> None:
    from torchmetrics.image.fid import NoTrainInceptionV3

    def no_download(*_: object, **__: object) -> None:
        raise AssertionError("the weights were fetched")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", no_download)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert distances.inception() is None
    with monkeypatch.context() as patch:
        patch.setattr(NoTrainInceptionV3, "load_state_dict", lambda *_: None)
        patch.setattr("torch.load", lambda *_, **__: {})
        weights = NoTrainInceptionV3("inception-v3-compat", ["2048"], "nowhere").state_dict()
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(weights, folder / "weights.pth")
    sha = hashlib.sha256((folder / "weights.pth").read_bytes()).hexdigest()
    monkeypatch.setattr(distances, "INCEPTION", f"weights-{sha[:8]}.pth")
    (folder / "weights.pth").rename(folder / distances.INCEPTION)
    two = Compared(pictures(2, 1), pictures(2, 1), pictures(2, 2))
    _, by_inception = distances.distances(two, Scorer.load(tiny_scorer_path))
    assert (by_inception.features, by_inception.n) == ("Inception", 2)
    assert by_inception.fid == pytest.approx(by_inception.fid_floor)
    (folder / distances.INCEPTION).write_bytes(b"something else")
    assert distances.inception() is None
