"""From the form to a config and a command, and one sentence for whatever cannot be."""

import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balign import cli
from balign.cli import run_commands
from balign.method.objectives import DEFAULT_METHOD, METHODS
from balign.runs.config import Options, RunConfig
from balign.ui import form, form_fields


def test_the_defaults_on_the_page_are_those_of_the_config() -> None:
    values = {setting.name: form.written(form.default(setting.name)) for setting in form_fields.SETTINGS}
    made = form.config(values | {"erase": "cat", "model": "emoji", "train": ""})
    assert made == RunConfig.parse({"erase": ["cat"]})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cat", ["cat"]),
        ("cat, dog\nhorse,,", ["cat", "dog", "horse"]),
        (" \n", []),
        ("a photo of a dog, oil painting, highly detailed picture of it", None),
        ("a red car, a blue car", ["a red car", "a blue car"]),
        ("dog; horse | owl", ["dog", "horse", "owl"]),
        ('"a sign, red, big", owl', ["a sign, red, big", "owl"]),
        ("犬、猫\uff0c鳥", ["犬", "猫", "鳥"]),
    ],
)
def test_lines(text: str, found: list[str] | None) -> None:
    assert form.lines(text, "x") == ([text] if found is None else found)


def test_replacements_go_to_all_or_one_to_each() -> None:
    def pairs(erase: str, replace: str) -> list[tuple[str, str | None]]:
        return [(c.name, c.replace_with) for c in form.concepts(erase, replace)]

    assert pairs("cat, dog", "horse") == [("cat", "horse"), ("dog", "horse")]
    assert pairs("cat, dog", "cow, pig") == [("cat", "cow"), ("dog", "pig")]
    assert pairs("cat=cow, dog", "pig") == [("cat", "cow"), ("dog", "pig")]
    with pytest.raises(ValueError, match="2 replacements were given for 3 concepts"):
        form.concepts("cat, dog, cow", "pig, hen")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"erase": ""}, "Nothing to erase was given"),
        ({"erase": None}, "Nothing to erase was given"),
        ({"erase": 7}, "the concepts to erase is '7'"),
        ({"erase": "x" * 101}, "101 characters"),
        ({"erase": "cat", "keep": "\n".join(["a"] * 10_000)}, "10,000 prompts to keep"),
        ({"erase": "cat", "keep": "x" * 300_000}, "300,000 characters"),
        ({"erase": "cat", "steps": 0}, "Steps is 0"),
        ({"erase": "cat", "steps": " 2.5 "}, "steps is '2.5'"),
        ({"erase": "cat", "steps": "many"}, "steps is 'many'"),
        ({"erase": "cat", "seed": "9" * 5000}, "seed is"),
        ({"erase": "cat", "seed": -1}, "seed is -1"),
        ({"erase": "cat", "learning_rate": "nan"}, "learning_rate is 'nan'"),
        ({"erase": "cat", "method": "nothing like it"}, "no method 'nothing like it'"),
        ({"erase": "cat\x07"}, "control characters"),
    ],
)
def test_what_cannot_be_is_one_sentence(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        form.config(values)
    assert len(str(caught.value).splitlines()) == 1


def test_advice() -> None:
    assert form.advice(RunConfig.parse({"erase": ["cat"]})) == []
    with pytest.raises(ValueError, match="names 'cat'"):
        form.advice(RunConfig.parse({"erase": ["cat"], "keep": ["a cat on a mat"]}))


def test_the_command_holds_what_differs_and_quotes_it() -> None:
    config = RunConfig.parse(
        {
            "erase": [{"name": "cat", "replace_with": "dog"}],
            "keep": ["it's; rm -rf /"],
            "steps": 50,
            "learning_rate": 2e-4,
        }
    )
    line = form.command(config)
    words = shlex.split(line)
    assert words[:5] == ["python", "-m", "balign", "erase", "cat=dog"]
    assert words[words.index("--keep") + 1] == '"it\'s; rm -rf /"'  # in quotes it is one prompt
    assert words[-4:] == ["--steps", "50", "--learning-rate", "0.0002"]
    assert form.command(RunConfig.parse({"erase": ["cat"], "method": DEFAULT_METHOD})) == "python -m balign erase cat"


@pytest.mark.parametrize(
    ("erase", "keep"),
    [
        (["cat"], ["-5 degrees", "--seed", "--keep", "a=b", 'it\'s "so"', "$HOME `x` \\ back"]),
        (["-ink"], ["~/home", "*", "é猫", "a;b|c&d"]),
    ],
)
def test_the_command_gives_the_same_config(
    erase: list[str], keep: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_model_path: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x y").symlink_to(tiny_model_path)
    began: list[RunConfig] = []
    monkeypatch.setattr(run_commands.Run, "create", lambda made, pictures: made)
    monkeypatch.setattr(run_commands, "follow", lambda made: began.append(made) or 0)
    made = RunConfig.parse({"erase": erase, "keep": keep, "model": "~/x y"})
    things = tuple(concept.model_copy(update={"kind": "thing"}) for concept in made.erase)
    made = made.model_copy(update={"erase": things})
    assert cli.main(shlex.split(form.command(made))[3:]) == 0
    assert began == [made]


def test_on_windows_its_own_quotes_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "os", SimpleNamespace(name="nt"))
    assert form.command(RunConfig.parse({"erase": ["it's a cat"]})) == 'python -m balign erase "it\'s a cat"'


@settings(deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_gives_a_config_or_a_sentence(erase: str, keep: str) -> None:
    made, sentence = None, ""
    try:
        made = form.config({"erase": erase, "keep": keep})
    except ValueError as error:
        sentence = str(error)
    if made is None:
        assert sentence.strip()
        assert "\n" not in sentence
    else:
        assert form.filled(made)["erase"]
        assert shlex.split(form.command(made))


@pytest.mark.parametrize(
    ("typed", "seeds"),
    [("", [0]), (None, [0]), (3, [3]), ("7", [7]), (" 0, 1,2 ", [0, 1, 2]), ("4-6, 5", [4, 5, 6]), ("3 - 3", [3])],
)
def test_every_seed_is_a_run(typed: object, seeds: list[int]) -> None:
    made = form.configs({"erase": "cat", "seed": typed})
    assert [config.seed for config in made] == seeds
    assert made == [RunConfig.parse({"erase": ["cat"], "seed": seed}) for seed in seeds]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("2-0", "0-2 is accepted"),
        ("0-20", "at most 20"),
        ("0-9999999999", "at most 20"),
        (",".join(map(str, range(21))), "at most 20"),
        ("0, x", "'x' is no seed"),
        ("-1", "'-1' is no seed"),
    ],
)
def test_seeds_that_cannot_be_are_one_sentence(typed: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        form.configs({"erase": "cat", "seed": typed})


def test_the_command_of_several_seeds_is_a_loop() -> None:
    line = form.command(*form.configs({"erase": "a cat", "seed": "3, 5"}))
    assert line == "for seed in 3 5; do python -m balign erase 'a cat' --seed $seed; done"


def test_a_run_fills_the_form_as_it_was() -> None:
    config = RunConfig.parse({"erase": ["cat", "dog"], "keep": ["a", "b"], "steps": 7, "train": "all", "method": "rgd"})
    assert form.config(form.filled(config)) == config


def test_kinds_and_quoted_entries_fill_the_form_as_they_were() -> None:
    erase = [{"name": "Jane Doe", "kind": "person"}, {"name": "Paris, Texas", "kind": "place"}, {"name": "cat"}]
    keep = ["a sign; red", "dog", "a long prompt, with commas in it"]
    config = RunConfig.parse({"erase": erase, "keep": keep, "model": "owner/name", "method": "rgd"})
    assert form.config(form.filled(config)) == config
    assert [
        form.config({"erase": "Jane Doe, cat", "kind": kind}).erase[0].kind for kind in ("person", "place, thing")
    ] == [
        "person",
        "place",
    ]
    with pytest.raises(ValueError, match="2 kinds were given for 3 concepts"):
        form.config({"erase": "cat, dog, owl", "kind": "thing, thing"})
    with pytest.raises(ValueError, match="Kind is 'colour'; accepted are thing, style"):
        form.config({"erase": "cat", "kind": "colour"})


def test_everything_on_offer_is_described() -> None:
    assert {name for _, name in form.methods()} == METHODS.keys()
    assert form.methods()[0][1] == DEFAULT_METHOD
    assert all(form.about_method(name) for name in METHODS)
    assert all(form.about_model(name) for _, name in form.models())
    assert all(setting.name in Options.model_fields for setting in form_fields.SETTINGS)
    steps = form_fields.SETTINGS[0]
    assert form.left_empty(steps, DEFAULT_METHOD) == str(METHODS[DEFAULT_METHOD].steps)
