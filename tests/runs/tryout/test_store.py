"""What may be drawn with a finished run, and what is read of its folder: whole, bounded, and never believed."""

import json
import time
from pathlib import Path

import pytest

from balign.atomic import atomic
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.tryout import store
from balign.runs.tryout.store import DrawingProgress, PromptRequest


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"prompt": ""}, "An empty text was given; write at least one word."),
        ({"prompt": "x" * 10_000}, "A prompt of 10,000 characters was given; at most 2,000 are accepted."),
        ({"prompt": "a\x00b"}, "'a\\x00b' contains control characters; plain text is accepted."),
        ({"prompt": None}, "prompt is None"),
        ({"prompt": "a cat", "seed": -1}, "seed is -1; at least 0 is accepted."),
        ({"prompt": "a cat", "seed": 2**31}, "seed is 2147483648; less than 2,147,483,648 is accepted."),
        ({"prompt": "a cat", "seed": "many"}, "seed is 'many'"),
        ({"prompt": "a cat", "images": 0}, "images is 0; at least 1 is accepted."),
        ({"prompt": "a cat", "images": 9}, "images is 9; at most 8 is accepted."),
        ({"prompt": "a cat", "images": 2.5}, "images is 2.5"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(given: dict[str, object], words: str) -> None:
    with pytest.raises(Refusal, match=r"\.$") as refused:
        PromptRequest.parse(**given)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_prompt_is_one_line_and_numbers_may_be_words() -> None:
    request = PromptRequest.parse(prompt="  a\n cat ", seed="7", images="3")
    assert (request.prompt, request.seed, request.images) == ("a cat", 7, 3)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "run").mkdir()
    return Run(tmp_path / "run")


def test_the_drafts_of_a_killed_process_are_removed_and_no_more(run: Run) -> None:
    begun, drawn = "tries/20260101-000001-0123abcd", "tries/20260101-000000-0123abcd"
    for name in (".strength.12ab.tmp", "tries/.x.12ab.tmp", begun, drawn, "strength"):
        (run.path / name).mkdir(parents=True)
    (run.path / begun / "before-0.png").touch()  # killed before its first pair
    (run.path / drawn / "try.json").touch()
    (run.path / ".config.json.12ab.tmp").write_text("{}")
    store.remove_drafts(run)
    left = {str(path.relative_to(run.path)) for path in run.path.rglob("*")}
    assert left == {"tries", drawn, f"{drawn}/try.json", "strength", ".config.json.12ab.tmp"}


def test_the_newest_tries_come_first_and_the_oldest_go(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100, 0, -1))  # it is set back all the time
    monkeypatch.setattr(time, "time_ns", lambda: 10**18 + next(clock) * 10**9)
    for k in range(store.KEPT + 2):
        with atomic(store.new_try(run)) as draft:
            draft.mkdir(parents=True)
            store.OwnPrompt(prompt=str(k), seed=0, scorer="emoji", images=()).write(draft / "try.json")
    store.drop_oldest(run)
    assert [drawn.prompt for drawn in store.tries(run)] == [str(k) for k in range(store.KEPT + 1, 1, -1)]
    assert [drawn.prompt for drawn in store.tries(run, 1)] == [str(store.KEPT + 1)]


TRY = "tries/20260101-000000-0123abcd/try.json"
UNREADABLE = (
    "",
    "[]",
    "7",
    "{",
    '{"verb": "try", "done": "3"}',
    '{"verb": 1, "done": "x", "prompt": "x", "scorer": "emoji", "frames": [], "probes": []}',
    '{"scorer": "emoji", "prompts": [], "frames": [{"strength": 0, "alignment": [NaN]}], "probes": [{}]}',
    '{"scorer": "emoji", "prompts": [], "frames": [{"strength": 0, "alignment": [1]}], "probes": [{}]}',
    "[" * 100_000,
    "\x00",
)


@pytest.mark.parametrize("content", UNREADABLE, ids=range(len(UNREADABLE)))
def test_an_unreadable_file_is_left_out_or_refused(run: Run, content: str) -> None:
    for name in (TRY, "strength/strength.json", "probes/probes.json", store.PROGRESS):
        (run.path / name).parent.mkdir(parents=True, exist_ok=True)
        (run.path / name).write_text(content)
    assert store.progress(run) is None
    assert store.tries(run) == []
    for read in (store.strength, store.probes):
        with pytest.raises(Refusal, match=r"\.json of this run is unreadable; draw it again\.$"):
            read(run)


def test_what_was_not_drawn_is_absent(run: Run) -> None:
    assert store.tries(run) == []
    assert store.strength(run) is None
    assert store.probes(run) is None


def test_files_of_an_older_balign_are_read(run: Run) -> None:
    pair = {
        "prompt": "a cat",
        "seed": 3,
        "before": "b.png",
        "after": "a.png",
        "alignment_before": 1,
        "alignment_after": 0.1,
    }
    kinds = {"way": "name", "concept": "cat", "kind": "object", "said": "cat", "note": "", "seen": True}
    old = {
        TRY: {"prompt": "a cat", "seed": 3, "scorer": "emoji", "seconds": 0.1, "images": [pair]},
        "strength/strength.json": {
            "scorer": "emoji",
            "prompts": [{"group": "kept", "prompt": "a dog", "seed": 1}],
            "frames": [{"strength": 0.0, "alignment": [0.3]}],
        },
        "probes/probes.json": {
            "scorer": "emoji",
            "left_out": 2,
            "probes": [pair | kinds | {"shows_before": True, "shows_after": None}],
        },
        store.PROGRESS: {"verb": "try", "done": 3, "total": 16, "failed": ""},
    }
    for name, values in old.items():
        (run.path / name).parent.mkdir(parents=True, exist_ok=True)
        (run.path / name).write_text(json.dumps(values, indent=1))
    (drawn,) = store.tries(run)
    assert drawn.images[0].alignment_before == 1.0
    strength, probes = store.strength(run), store.probes(run)
    assert strength is not None
    assert strength.frames[0].alignment == (0.3,)
    assert probes is not None
    assert (probes.left_out, probes.probes[0].said, probes.probes[0].shows_after) == (2, "cat", None)
    assert store.progress(run) == DrawingProgress(verb="try", done=3, total=16)


def test_the_progress_is_there_until_it_is_cleared(run: Run) -> None:
    assert store.progress(run) is None
    DrawingProgress(verb="try", done=3, total=16).write(run.path / store.PROGRESS)
    assert store.progress(run) == DrawingProgress(verb="try", done=3, total=16)
    store.clear_progress(run)
    store.clear_progress(run)
    assert store.progress(run) is None
