"""The paper's recipes: sets of its counts and dimensions, its numbers, a card of 24 GB; in miniature, whole runs."""

import json
import re
from pathlib import Path

import pytest

from balign import cli
from balign.measure import nudity
from balign.method.objectives import settle
from balign.models.catalogue import PAPER_SCORER, SD14
from balign.models.footprint import known
from balign.refusal import Refusal
from balign.runs import recipe
from balign.runs.config import RunConfig
from balign.runs.estimate import memory
from balign.runs.folder import list_runs
from balign.runs.prompt_lists import pictures, prompt_sets, resolve

RECIPES = Path(__file__).parents[2] / "recipes"
NUDE = ("nude", "naked", "undressed", "bare", "unclad")
MINIATURE = {
    "device": "cpu",
    "precision": "fp32",
    "n_forget": 6,
    "n_retain": 6,
    "n_eval": 3,
    "n_trained": 4,
    "steps": 2,
    "batch_forget": 2,
    "batch_retain": 2,
    "sampling_steps": 3,
    "preview_every": 1,
    "measure_every": 1,
}


def read(name: str, **changes: object) -> RunConfig:
    return recipe.read(RECIPES / f"{name}.toml", changes)


@pytest.mark.parametrize("name", ["nudity", "van-gogh"])
def test_the_sets_have_the_papers_counts_and_their_halves_share_no_word(name: str) -> None:
    config = read(name)
    sets = prompt_sets(config, resolve(config))
    grammar = config.grammar
    assert grammar is not None
    assert [len(set(part)) for part in (sets.forget, sets.retain)] == [800, 800]
    tested = {name: [test.prompt for test in group] for name, group in sets.tests.items()}
    assert [len(set(tested[name])) for name in ("erased", "kept", "trained")] == [100, 100, 800]
    assert tested["trained"] == sets.retain == sets.anchor
    for field, words in grammar.train.items():
        assert not {word.casefold() for word in words} & {word.casefold() for word in grammar.test[field]}
        for text in (*tested["erased"], *tested["kept"]):
            assert sum(word in text for word in grammar.test[field]) == 1
    for words in grammar.train.values():  # no word is left out, or twice as frequent as it should be
        counts = [sum(f"{word} " in text or f"{word}." in text for text in sets.forget) for word in words]
        assert min(counts) > 0.6 * 800 / len(words)
    assert sets.warnings == []


def test_nude_twins_lack_one_word() -> None:
    config = read("nudity")
    sets = prompt_sets(config, resolve(config))
    tests = [(test.prompt, kept.prompt) for test, kept in zip(sets.erased_test, sets.kept_test, strict=True)]
    for pairs in (list(zip(sets.forget, sets.retain, strict=True)), tests):
        exact = [(prompt, twin) for prompt, twin in pairs if _without_a_word(prompt) == twin]
        assert len(exact) == len(pairs) in (800, 100)
    counts = [sum(f" {word} " in text for text in sets.forget) for word in NUDE]
    assert counts == [160] * 5


def _without_a_word(prompt: str) -> str:
    without, times = re.subn(rf" (?:{'|'.join(NUDE)}) ", " ", prompt)
    return without if times == 1 else ""


def test_the_twins_of_van_gogh_have_another_artist() -> None:
    config = read("van-gogh")
    sets, grammar = prompt_sets(config, resolve(config)), config.grammar
    assert grammar is not None
    tests = [(test.prompt, kept.prompt) for test, kept in zip(sets.erased_test, sets.kept_test, strict=True)]
    for pairs in (list(zip(sets.forget, sets.retain, strict=True)), tests):
        artists = []
        for prompt, twin in pairs:
            start, concept, end = prompt.partition("Vincent van Gogh")
            assert (concept, end) == ("Vincent van Gogh", ".")
            assert twin.startswith(start)
            artists.append(twin.removeprefix(start).removesuffix("."))
        assert set(artists) == set(grammar.twin)
    assert not set(grammar.neighbours) & set(grammar.twin)


@pytest.mark.parametrize("name", ["nudity", "van-gogh"])
def test_the_numbers_are_the_papers_and_fit_a_card_of_24_gb(name: str) -> None:
    config = read(name)
    settings, footprint = settle(config), known(SD14)
    assert config.model == SD14.id
    told = {key: getattr(settings, key) for key in ("forget", "combine", "retain_target", "project_step", "edit")}
    assert told == {
        "forget": "ascent",
        "combine": "restricted",
        "retain_target": "denoising",
        "project_step": False,
        "edit": "",
    }
    assert (settings.train, settings.steps, settings.learning_rate) == ("all", 100, 1e-5)
    assert (settings.batch_forget, settings.batch_retain) == (8, 8)
    assert (settings.retain_weight, settings.truncation) == (1.6, 1.5)
    drawn = (config.sampler, config.sampling_steps, config.guidance, config.scorer)
    assert drawn == ("pndm", 50, 7.5, PAPER_SCORER)
    assert pictures(config).training == 1_600
    for room, parts in ((24 * 2**30, (1, False)), (24e9, (1, True))):
        left = room - memory.beside(SD14, True)
        fitted = memory.fit(footprint, settings, config, left)
        assert fitted is not None
        assert (memory.at_once(fitted), fitted.gradient_checkpointing) == parts
        assert memory.needed(footprint, fitted, SD14, True) < room
        assert memory.drawing(footprint, SD14) < left


@pytest.mark.parametrize("name", ["nudity", "van-gogh"])
def test_in_miniature_a_whole_run(
    name: str,
    tiny_model_path: str,
    tiny_scorer_path: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The recipe as it stands, by the command of its first lines, with other numbers."""
    changes = MINIATURE | {"model": tiny_model_path, "scorer": tiny_scorer_path}
    flags = [text for key, value in changes.items() for text in (f"--{key.replace('_', '-')}", str(value))]
    (tmp_path / "i2p.csv").write_text("prompt,sd_seed\na cat in ink,7\nthe dog,8\n")
    assert cli.main(["run", str(RECIPES / f"{name}.toml"), *flags, "--tests", str(tmp_path / "i2p.csv")]) == 0
    (run,) = list_runs()
    report = run.report()
    assert report is not None
    groups = {name: group.n for name, group in report.groups.items()}
    beside = {"neighbours": 3} if name == "van-gogh" else {}
    assert groups == {"erased": 3, "kept": 3, **beside, "trained": 4, "own": 2}
    assert [pair.seed for pair in report.groups["own"].images] == [7, 8]
    assert report.groups["trained"].alignment_after is not None
    made = json.loads((run.path / "manifest.json").read_text())["images"]
    assert [image["side"] for image in made] == ["forget"] * 6 + ["retain"] * 6
    assert (report.steps, report.settings["sampler"]) == (2, "pndm")
    counted = {name: found.n for name, found in report.nudity.groups.items()} if report.nudity else {}
    assert counted == (groups if name == "nudity" and nudity.installed() else {})
    assert "Trained on" in capsys.readouterr().out
    page = (run.path / "report.html").read_text()
    assert "what was to stay, by the prompts of the training" in page
    assert cli.main(["run", str(run.path)]) == 0
    assert cli.main(["run", str(run.path), "--steps", "3"]) == 2
    assert "steps is given; of a run that has begun only batch_forget" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("erase = [", "is not readable toml"),
        ("erase = ['cat']\nstpes = 3", "stpes is not a setting"),
        ("model = 'emoji'", "erase is missing"),
        ("erase = {name = 'cat'}", "erase is {'name': 'cat'}; a list is accepted"),
        ("\ufefferase = ['cat']\nmodel = 3", "model is 3; a text is accepted"),
        ("erase = ['cat']\n[grammar]\ntemplate = 'a {concept}'", "grammar.concept is missing"),
        ("erase = ['cat']\nkeep = ['dog']\n[grammar]\ntemplate = 'a {concept} {a}'\nconcept = ['cat']\n"
         "train = {a = ['x']}\ntest = {a = ['y']}", "Keep is given with a grammar"),
    ],
)  # fmt: skip
def test_what_is_no_recipe_is_refused_in_a_sentence(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(text)
    with pytest.raises(Refusal, match=re.escape(said)) as refused:
        recipe.read(tmp_path / "my.toml")
    assert str(refused.value).endswith(".")


def test_a_recipe_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"my.toml cannot be read \(No such file or directory\)"):
        recipe.read(tmp_path / "my.toml")


def test_a_setting_in_place_of_the_recipes_own() -> None:
    smaller = read("nudity", n_forget=400, n_retain=400, n_trained=400, method="grad_diff")
    whole = prompt_sets(read("nudity"), resolve(smaller))
    sets = prompt_sets(smaller, resolve(smaller))
    assert sets.forget == whole.forget[:400]
    assert settle(smaller).combine == "plain_sum"
