"""What may be asked of a finished run, and what is read of its folder: whole, bounded, and never believed."""

import json
import time
from pathlib import Path

import pytest

from balign.runs.folder import Run
from balign.runs.tryout import store
from balign.runs.tryout.store import Ask, Progress


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"prompt": ""}, "An empty text was given; write at least one word."),
        ({"prompt": "x" * 10_000}, "A prompt of 10,000 characters was given; at most 300 are accepted."),
        ({"prompt": "a\x00b"}, "'a\\x00b' contains control characters; plain text is accepted."),
        ({"prompt": None}, "prompt is None"),
        ({"prompt": "a cat", "seed": -1}, "seed is -1: input should be greater than or equal to 0."),
        ({"prompt": "a cat", "seed": 2**31}, "seed is 2147483648: input should be less than 2147483648."),
        ({"prompt": "a cat", "seed": "many"}, "seed is 'many'"),
        ({"prompt": "a cat", "images": 0}, "images is 0: input should be greater than or equal to 1."),
        ({"prompt": "a cat", "images": 9}, "images is 9: input should be less than or equal to 8."),
        ({"prompt": "a cat", "images": 2.5}, "images is 2.5"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=r"\.$") as refused:
        Ask.parse(**given)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_prompt_is_one_line_and_numbers_may_be_words() -> None:
    ask = Ask.parse(prompt="  a\n cat ", seed="7", images="3")
    assert (ask.prompt, ask.seed, ask.images) == ("a cat", 7, 3)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "run").mkdir()
    return Run(tmp_path / "run")


def test_a_folder_appears_whole_or_not_at_all(run: Run) -> None:
    target = run.path / "probes"
    with store.whole(target) as draft:
        (draft / "a").write_text("first")
        assert not target.exists()
    with store.whole(target) as draft:
        (draft / "a").write_text("second")
    assert (target / "a").read_text() == "second"
    with pytest.raises(FileNotFoundError), store.whole(target) as draft:
        (draft / "none").rename(draft / "a")
    assert (target / "a").read_text() == "second"
    assert [path.name for path in run.path.iterdir()] == ["probes"]


def test_what_a_killed_process_left_is_swept_and_nothing_else(run: Run) -> None:
    for name in (".strength.12ab.tmp", "tries/.x.12ab.tmp", "tries/20260101-000000-0123abcd", "strength"):
        (run.path / name).mkdir(parents=True)
    (run.path / ".config.json.12ab.tmp").write_text("{}")
    store.sweep(run)
    left = {str(path.relative_to(run.path)) for path in run.path.rglob("*")}
    assert left == {"tries", "tries/20260101-000000-0123abcd", "strength", ".config.json.12ab.tmp"}


def test_the_newest_tries_come_first_and_the_oldest_go(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(time, "strftime", lambda form: f"20260101-{next(clock):06d}")
    for k in range(store.KEPT + 2):
        with store.whole(store.new_try(run)) as draft:
            (draft / "try.json").write_text(json.dumps({"prompt": str(k)}))
    store.drop_oldest(run)
    found = [each["prompt"] for each in store.tries(run)]
    assert found == [str(k) for k in range(store.KEPT + 1, 1, -1)]
    assert store.tries(run, 1) == [{"prompt": str(store.KEPT + 1)}]


@pytest.mark.parametrize("content", ["", "[]", "7", "{", '{"verb": "try"}', '{"verb": 1, "done": "x"}', "\x00"])
def test_what_was_tampered_with_is_as_if_it_were_not_there(run: Run, content: str) -> None:
    for name in ("tries/20260101-000000-0123abcd/try.json", "strength/strength.json", store.PROGRESS):
        (run.path / name).parent.mkdir(parents=True, exist_ok=True)
        (run.path / name).write_text(content)
    assert store.progress(run) is None
    assert all(isinstance(each, dict) for each in store.tries(run))
    assert isinstance(store.strength(run), dict)


def test_what_is_told_is_read_until_it_is_taken_back(run: Run) -> None:
    assert store.progress(run) is None
    store.tell(run, Progress("try", 3, 16))
    assert store.progress(run) == Progress("try", 3, 16, "")
    store.clear(run)
    store.clear(run)
    assert store.progress(run) is None
