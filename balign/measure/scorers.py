"""Load a scorer: a CLIP model, or a classifier of a folder."""

from balign.measure.classifier import ClassScorer
from balign.measure.clip import Scorer
from balign.measure.scorer_names import scorer_source


def load(name: str, device: str = "cpu") -> Scorer:
    """The scorer of this name, as `scorer_names` reads it. Raises what `Scorer.load` raises."""
    found = scorer_source(name)
    if found.folder is not None and found.classifies:
        return ClassScorer.read(name, found.folder, device)
    return Scorer.load(name, device)
