"""A whole run on a class-conditional model: labels for prompts, and what reads the class for cross-attention."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

from balign.data.lexicon import load
from balign.runs.engine import execute
from balign.runs.folder import Run
from balign.telemetry import Phase, Step
from tests.models.tiny_dit import tiny_dit
from tests.pipelines import edit_json
from tests.runs.small import small_config


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny DiT that calls its classes by the words of the lexicon, as the real one does."""
    folder = tiny_dit(tmp_path_factory.mktemp("dit") / "model")
    words = load("imagenet").words["object"].values()
    edit_json(
        Path(folder) / "model_index.json",
        id2label={str(k): ", ".join((word.name, *word.synonyms)) for k, word in enumerate(words)},
    )
    return folder


def test_a_class_is_erased_like_a_word(labelled: str, tiny_scorer_path: str, tmp_path: Path) -> None:
    config = small_config(model=labelled, scorer=tiny_scorer_path, erase=["golden retriever"], keep=["tench"])
    run = Run.create(config, tmp_path)
    events = list(execute.run(run))
    assert [event.name for event in events if isinstance(event, Phase)][-1] == "done"
    assert len([event for event in events if isinstance(event, Step)]) == 6
    moved = load_file(run.path / "erased.safetensors")
    assert moved
    assert all("class_embedder" in name or "norm1.linear" in name for name in moved)
    prompts = {pair.prompt for group in run.report().groups.values() for pair in group.images}
    assert {"golden retriever", "tench"} <= prompts
