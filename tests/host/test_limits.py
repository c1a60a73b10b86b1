"""What a public instance does not do for a visitor, and that one's own machine does."""

import contextlib
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
        with pytest.raises(Refusal, match="is not used here; accepted are emoji, ViT-B-32/laion2b_s34b_b79k"):
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


def test_a_visitor_begins_so_many_runs_an_hour_and_no_more() -> None:
    rate = limits.Rate()
    rate.admit({"ann": 2}, now=0)
    rate.admit({"ann": 2, "here": 3}, now=600)
    with pytest.raises(ValueError, match=r"^2 runs were begun from here within an hour; try again in 50 min\.$"):
        rate.admit({"ann": 2, "here": 3}, now=601)
    rate.admit({"bob": 2, "here": 3}, now=602)
    rate.admit({"ann": 2, "here": 3}, now=3601)
    with pytest.raises(ValueError, match=r"^3 runs"):  # another secret, the same address
        rate.admit({"eve": 2, "here": 3}, now=3602)


def test_a_refused_start_is_not_counted() -> None:
    rate = limits.Rate()
    rate.admit({"here": 1}, now=0)
    for k in range(5):
        with pytest.raises(ValueError, match="try again"):
            rate.admit({"ann": 1, "here": 1}, now=k)
    rate.admit({"ann": 1}, now=6)


def test_refused_attempts_cost_no_memory_and_evict_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_KEYS", 5)
    rate = limits.Rate()
    rate.admit({"here": 1}, now=0)
    for k in range(1_000):
        with pytest.raises(Refusal):
            rate.admit({f"secret {k}": 1, "here": 1}, now=1)
    assert list(rate._seen) == ["here"]


def test_amounts_add_up_and_an_hour_later_there_is_room() -> None:
    rate = limits.Rate()
    rate.admit({"a": 10, "all": 15}, "bytes may be uploaded", 10, now=0)
    for address in ("a", "b"):
        with pytest.raises(Refusal, match="bytes may be uploaded from here within an hour"):
            rate.admit({address: 10, "all": 15}, "bytes may be uploaded", 6, now=10)
    rate.admit({"a": 10, "all": 15}, "bytes may be uploaded", 10, now=3_601)


def test_however_many_come_nobody_is_freed_and_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_KEYS", 5)
    monkeypatch.setattr(limits, "SHARED", 7)
    rate = limits.Rate()
    rate.admit({"at the limit": 1}, now=0)
    rate.admit({"half way": 2}, now=0)
    for k in range(1_000):
        with contextlib.suppress(Refusal):  # those beyond MAX_KEYS share their counts
            rate.admit({f"visitor {k}": 3}, now=k / 10)
    for key, most in (("at the limit", 1), ("half way", 1), ("one more", 1)):
        with pytest.raises(Refusal):
            rate.admit({key: most}, now=200)
    assert len(rate._seen) <= 5 + 7
    rate.admit({"one more": 1}, now=7_300)
    assert len(rate._seen) <= 5 + 7


def test_who_was_counted_with_others_is_not_freed_when_there_is_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_KEYS", 1)
    rate = limits.Rate()
    rate.admit({"first": 1}, now=0)
    rate.admit({"second": 1}, now=3_000)
    with pytest.raises(Refusal):
        rate.admit({"second": 1}, now=3_700)  # the first is forgotten by now


def test_several_charges_are_counted_together_or_not_at_all() -> None:
    rate = limits.Rate()
    starts, images = limits.Charge("starts", 5), limits.Charge("images", 10, 11, "images may be drawn")
    for _ in range(9):
        with pytest.raises(Refusal, match=r"^10 images may be drawn from here within an hour; ask for less\.$"):
            rate.charge([starts, images])
    for _ in range(5):
        rate.charge([starts])
    assert not rate._recent("images", 0)


def test_many_small_amounts_cost_no_more_than_few_large_ones() -> None:
    rate = limits.Rate()
    for k in range(10_000):
        rate.admit({"a": 10_000}, amount=1, now=k / 10)
    assert len(rate._seen["a"]) <= 18
    with pytest.raises(Refusal):
        rate.admit({"a": 10_000}, now=1_001)


def test_it_is_said_when_there_will_be_room_for_all_of_it() -> None:
    rate = limits.Rate()
    for now in (0, 600, 1_200):
        rate.admit({"a": 3}, now=now)
    with pytest.raises(Refusal, match="try again in 40 min"):
        rate.admit({"a": 3}, amount=2, now=1_800)


def test_the_documentation_has_every_limit_and_its_number() -> None:
    text = (Path(__file__).parents[2] / "docs" / "hosting.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d,.]+) \|", text, re.MULTILINE))
    assert rows == {field.name: f"{getattr(limits.LIMITS, field.name):,}" for field in fields(limits.Limits)}
