"""A whole run on a class-conditional model: labels for prompts, and what reads the class for cross-attention."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from balign import cli
from balign.data.lexicon import load
from balign.runs.engine import execute
from balign.runs.folder import Run
from balign.telemetry import Phase, Step
from balign.ui.erase_tab import keep_assistant
from tests.measure.tiny_classifier import tiny_classifier
from tests.models.tiny_dit import tiny_dit
from tests.pipelines import edit_json
from tests.runs.small import SMALL, small_config


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


@pytest.fixture(scope="module")
def clothes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny DiT of the classes of Fashion-MNIST."""
    folder = tiny_dit(tmp_path_factory.mktemp("fashion") / "model")
    words = load("fashion").words["object"].values()
    edit_json(Path(folder) / "model_index.json", id2label={str(k): word.name for k, word in enumerate(words)})
    return folder


def test_clothes_are_erased_from_a_terminal_and_judged_by_the_classifier(
    clothes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the default method: removed, then its label leads to its replacement's vectors."""
    monkeypatch.setenv("BALIGN_RUNS", str(tmp_path))
    options = {name.replace("_", "-"): value for name, value in SMALL.items() if name != "erase"}
    flags = [f"--{name}={value}" for name, value in options.items()]
    assert cli.main(["erase", "coat", "--model", clothes, "--retain-words", "pullover, shirt", *flags]) == 0
    assert "coat" in capsys.readouterr().out
    (path,) = (each for each in tmp_path.iterdir() if (each / "config.json").is_file())
    run = Run(path)
    report = run.report()
    assert report is not None
    assert report.scorer == "fashion-judge"
    assert report.judged == {"object": "by the classifier fashion-judge, over its 11 classes"}
    assert report.ua is not None
    assert {each.features for each in report.distances} >= {"fashion-judge"}
    made = json.loads((path / "manifest.json").read_bytes())["images"]
    assert {image["prompt"] for image in made if image["side"] == "retain"} == {"pullover", "shirt"}
    tables = [name for name in load_file(path / "erased.safetensors") if "class_embedder" in name]
    assert tables
    other = small_config(model=clothes, erase=["coat"], scorer=str(tiny_classifier(tmp_path / "judge", ["cat", "dog"])))
    last = list(execute.run(Run.create(other, tmp_path)))[-1]
    assert isinstance(last, Phase)
    assert "has no class for 'coat'; it tells apart cat, dog." in last.message  # before anything is drawn


def test_the_page_offers_the_labels_of_such_a_model(clothes: str) -> None:
    values = {"erase": "coat", "model": clothes, "keep": "", "seed": "0"}
    draft = keep_assistant.read(values)
    assert draft.refusal == ""
    assert {"pullover", "shirt", "T-shirt"} & set(draft.offered or ())
    assert draft.configs[0].model == clothes
    assert "The model does not know" in keep_assistant.read(values | {"erase": "cat"}).refusal


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
