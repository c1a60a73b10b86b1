"""What a public instance does not do for a visitor, and that one's own machine does."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from balign.host import limits
from balign.refusal import Refusal
from balign.runs.config import RunConfig

SMALL = {"erase": ["cat"]}
TOO_MUCH = [
    {"erase": list("abcde")},
    {"keep": [f"dog {k}" for k in range(101)]},
    {"steps": 501},
    {"sampling_steps": 51},
    {"batch_forget": 33},
    {"batch_retain": 33},
    {"preview_every": 1, "steps": limits.LIMITS.previews + 1},
    {"n_forget": 1_000},
    {"n_retain": 1_000},
    {"n_eval": 500},
    {"n_eval": 50, "eval_seeds": 20},
    {"device": "cuda"},
    {"scorer": "ViT-L-14/laion2b_s32b_b82k"},
    {"scorer": "/etc"},
    {"model": "owner/name"},
    {"model": "/etc"},
    {"model": "."},
    {"model": "assets/models/emoji"},
]


@pytest.mark.parametrize("more", TOO_MUCH, ids=lambda more: next(iter(more)))
def test_each_refusal_is_a_sentence_and_holds_in_public_only(
    more: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RunConfig.parse({**SMALL, "n_eval": 4, **more})
    limits.check(config)
    monkeypatch.setenv("BALIGN_PUBLIC", "1")
    with pytest.raises(ValueError, match=r"^[A-Z0-9].*\.$") as refused:
        limits.check(config)
    assert str(refused.value).count(". ") == 0


@pytest.mark.usefixtures("public")
def test_the_defaults_fit() -> None:
    limits.check(RunConfig.parse(SMALL))
    limits.check(RunConfig.parse({**SMALL, "steps": 500, "scorer": "emoji", "model": "CompVis/stable-diffusion-v1-4"}))


NAMES = ("ViT-B/32", "CLIP ViT-L/14", "clip-ViT-L-14", "ViT-L-14/laion2b_s32b_b82k", "openai/clip-vit-large-patch14")


@pytest.mark.usefixtures("public")
def test_a_scorer_is_named_as_papers_do_and_fetched_where_that_is_allowed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def check(name: str) -> None:
        limits.check(RunConfig.parse({**SMALL, "n_eval": 4, "scorer": name}))

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    check("laion/CLIP-ViT-B-32-laion2B-s34B-b79K")  # the catalogue's own, otherwise written
    for name in NAMES:
        with pytest.raises(Refusal, match="accepted are emoji, fashion-judge, ViT-B-32/laion2b_s34b_b79k"):
            check(name)
    _cached(tmp_path, "timm/vit_large_patch14_clip_224.openai")
    check("CLIP ViT-L/14")
    with pytest.raises(Refusal, match="ViT-L-14/openai"):
        check("ViT-B/32")
    monkeypatch.setenv("BALIGN_OPEN_MODELS", "1")
    for name in NAMES:
        check(name)
    for name in ("hf-hub:someone/clip", "/etc", ".", "assets/models/emoji-clip", "RN50", "ViT-H/14"):
        with pytest.raises(Refusal, match="is not used here"):
            check(name)


def _cached(cache: Path, repository: str) -> None:
    """What the hub's client keeps of a scorer."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    (folder / "snapshots" / ("0" * 40)).mkdir(parents=True)
    (folder / "snapshots" / ("0" * 40) / "open_clip_model.safetensors").touch()


def test_other_models_of_the_hub_are_opened_and_folders_never(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BALIGN_PUBLIC", "1")
    monkeypatch.setenv("BALIGN_OPEN_MODELS", "1")
    monkeypatch.chdir(tmp_path)
    limits.check_model("owner/name")
    limits.check_model("https://huggingface.co/owner/name/tree/main")
    (tmp_path / "owner" / "name").mkdir(parents=True)
    for name in (
        "owner/name",
        "/etc",
        "..",
        "../x",
        "a/b/c",
        "a/..",
        "~/x",
        str(tmp_path),
        "https://x/y",
        "a/b\n",
        "runs/a",
        "owner/x.safetensors",
        '"owner/name"',
        "(/etc)",
        "file:///etc",
        "file:owner/name",
    ):
        with pytest.raises(ValueError, match="is no hub id"):
            limits.check_model(name)


@pytest.mark.parametrize("said", ["1", "true", "YES", "on", " True "])
def test_an_instance_is_public_if_it_is_said(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALIGN_PUBLIC", said)
    assert limits.public()


@pytest.mark.parametrize("said", ["0", "false", "No", "OFF", " 0 "])
@pytest.mark.parametrize("where", [{"SPACE_ID": "a/b"}, {"GRADIO_SERVER_NAME": "0.0.0.0"}, {"GRADIO_SHARE": "True"}])
def test_it_is_not_if_that_is_said(said: str, where: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ({"BALIGN_PUBLIC": said} | where).items():
        monkeypatch.setenv(name, value)
    assert not limits.public()


@pytest.mark.parametrize("said", ["2", "maybe", "-1", "nope", "ja", "1 1"])
def test_any_other_word_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALIGN_PUBLIC", said)
    with pytest.raises(Refusal, match=r"^BALIGN_PUBLIC is '.*'; accepted are 1, true, yes, on, 0, false, no, off\.$"):
        limits.public()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SPACE_ID", "", False),
        ("SPACE_ID", "a/b", True),
        ("GRADIO_SHARE", "True", True),
        ("GRADIO_SHARE", "true", True),
        ("GRADIO_SHARE", "False", False),
        *(("GRADIO_SERVER_NAME", name, False) for name in ("127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost")),
        *(
            ("GRADIO_SERVER_NAME", name, True)
            for name in ("0.0.0.0", "::", "[::]", "192.168.1.5", "mybox", "", "fe80::1")
        ),
        *(("GRADIO_SERVER_NAME", name, True) for name in ("localhost.example", "127.0.0.1.example", "::ffff:10.0.0.1")),
    ],
)
def test_without_a_word_it_is_unless_only_this_machine_reaches_it(
    name: str, value: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BALIGN_PUBLIC", " ")  # empty: nothing is said
    monkeypatch.setenv(name, value)
    assert limits.public() is expected


def test_the_documentation_has_every_limit_and_its_number() -> None:
    text = (Path(__file__).parents[2] / "docs" / "hosting.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d,.]+) \|", text, re.MULTILINE))
    assert rows == {field.name: f"{getattr(limits.LIMITS, field.name):,}" for field in fields(limits.Limits)}
