"""KID and FID: how far the pictures of the kept prompts lie from the base model's own of the same prompts.

The reference is what the base model draws of the kept prompts from other seeds. The same distance from it to the base
model's test pictures is the floor: what two draws of one model differ by. Few pictures make FID large whatever they
show, and both are comparable only at the same n, on the same features, and beside their floor. KID may be below zero,
since both sides show the same prompts.
"""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from balign.measure.clip import Scorer
from balign.measure.report import Distance

INCEPTION = "weights-inception-2015-12-05-6726825d.pth"
"""The file that torchmetrics fetches for its FID; the end of its name is the beginning of its sha256."""


class Compared(NamedTuple):
    """Pictures of the kept prompts, uint8 (N, H, W, 3) each: the base's, the erased model's, and the reference."""

    before: Tensor
    after: Tensor
    reference: Tensor


def kid(one: Tensor, other: Tensor) -> float:
    """The unbiased squared MMD of two sets of features (N, D) and (M, D) under the kernel (x·y / D + 1)³.

    Binkowski et al., Demystifying MMD GANs, ICLR 2018; over all pictures rather than subsets. At least two of each.
    """
    x, y = one.double(), other.double()

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a: Tensor) -> Tensor:
        values = kernel(a, a)
        return (values.sum() - values.trace()) / (len(a) * (len(a) - 1))

    return float(within(x) + within(y) - 2 * kernel(x, y).mean())


def fid(one: Tensor, other: Tensor) -> float:
    """The Fréchet distance of two Gaussians fitted to features (N, D) and (M, D). At least two of each.

    Heusel et al., NeurIPS 2017. The trace of the root of the product of both covariances is the nuclear norm of the
    (N, M) matrix of inner products, so that no matrix of D x D is made.
    """
    x, y = one.double(), other.double()
    means = (x.mean(dim=0) - y.mean(dim=0)).square().sum()
    a, b = ((part - part.mean(dim=0)) / (len(part) - 1) ** 0.5 for part in (x, y))
    return float(means + a.square().sum() + b.square().sum() - 2 * torch.linalg.svdvals(a @ b.T).sum())


def distances(pictures: Compared, scorer: Scorer, device: str = "cpu") -> tuple[Distance, ...]:
    """Both, on the scorer's features, and on those of Inception where its weights are; none of fewer than two."""
    if len(pictures.before) < 2:
        return ()
    found = [_distance(scorer.name, *(scorer.features(images) for images in pictures))]
    network = inception()
    if network is not None:
        network.to(device)
        found.append(_distance("Inception", *(_inception_features(network, images, device) for images in pictures)))
    return tuple(found)


def inception() -> Any | None:
    """torchmetrics' network, if that is installed and its weights lie where it keeps them; nothing is fetched."""
    import hashlib

    path = Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION
    try:
        from torchmetrics.image.fid import NoTrainInceptionV3

        content = path.read_bytes()
    except (ImportError, OSError):
        return None
    if not hashlib.sha256(content).hexdigest().startswith(path.stem.rpartition("-")[2]):
        return None  # another file than that of its name, which is not opened
    try:
        return NoTrainInceptionV3("inception-v3-compat", ["2048"], str(path))
    except ModuleNotFoundError:  # torchmetrics without torch-fidelity
        return None


def _inception_features(network: Any, images: Tensor, device: str, batch: int = 16) -> Tensor:
    with torch.no_grad():
        parts = [network(part.permute(0, 3, 1, 2).to(device)).cpu() for part in images.split(batch)]
    return torch.cat(parts)


def _distance(features: str, before: Tensor, after: Tensor, reference: Tensor) -> Distance:
    return Distance(
        features=features,
        n=len(after),
        kid=kid(after, reference),
        kid_floor=kid(before, reference),
        fid=fid(after, reference),
        fid_floor=fid(before, reference),
    )
