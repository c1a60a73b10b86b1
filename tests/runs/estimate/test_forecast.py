"""What a run will take: arithmetic on what finished runs took, a guess that says so, a way out when there is none."""

import json
from collections.abc import Callable

import pytest

from balign import telemetry
from balign.data.prompts import build
from balign.data.targets import resolve
from balign.machine import Free
from balign.runs import prompt_lists
from balign.runs.config import RunConfig
from balign.runs.estimate import forecast
from balign.runs.estimate.timings import earlier_runs
from balign.runs.folder import Run
from balign.telemetry import Phase, Step

SD14 = "CompVis/stable-diffusion-v1-4"
VALUES = {
    "erase": ["cat"],
    "n_eval": 2,
    "n_forget": 4,
    "n_retain": 6,
    "sampling_steps": 4,
    "preview_every": 2,
    "steps": 6,
    "batch_forget": 2,
    "batch_retain": 2,
}
REPORT = {"scorer": "emoji", "groups": {}, "model": "emoji", "method": "balign", "seed": 0, "steps": 3, "seconds": 1.0}
Past = Callable[..., Run]


def config(**changes: object) -> RunConfig:
    return RunConfig.parse(VALUES | changes)


def estimate(config: RunConfig) -> forecast.Estimate:
    return forecast.estimate(config, prompt_lists.prompt_sets(config, prompt_lists.resolve(config)))


SETS = build(resolve(["cat"]), n_forget=4, n_retain=6)


@pytest.fixture
def past() -> Past:
    """``past(memory_gb=0.9)``: a finished run: 12 s to start, 12 s for 12 pictures, 2 s a step of 4 pictures."""

    def make(drawn: tuple[str, ...] = (), memory_gb: float = 0.9, **changes: object) -> Run:
        run = Run.create(config(**changes))
        steps = [
            Step(k, 0.3, 0.2, 1, 1, 0, True, 1, 0, 0, None, None, seconds) for k, seconds in ((1, 9), (2, 2), (3, 2))
        ]
        ends = [("load", 1, 10.0), ("data", 16, 7.0), ("evaluate", 12, 12.0), ("save", 1, 2.0), ("done", 1, 0.0)]
        for record in (*steps, *(Phase(name, n, n, seconds) for name, n, seconds in ends)):
            telemetry.append(run.path / "telemetry.jsonl", record)
        (run.path / "manifest.json").write_text(json.dumps({"images": [{"prompt": text} for text in drawn]}))
        (run.path / "report.json").write_text(json.dumps(REPORT | {"memory_gb": memory_gb}))
        return run

    return make


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``room(memory=3)``: what the machine has free."""

    def make(memory: float = 64.0, disk: float = 500.0, gpu: bool = False) -> None:
        monkeypatch.setattr(forecast, "free", lambda *_: Free(memory, disk, gpu))

    make()
    return make


def test_time_is_that_of_the_parts_in_an_earlier_run(past: Past, room: Callable[..., None]) -> None:
    past()
    learnt, before, after, reference, twice, previewed = 10, 6, 6, 2, 6, 3 * 6
    drawing = (learnt + before + after + reference + twice + previewed) * 4 * (12 / 12 / 4)
    found = estimate(config())
    assert found.seconds == pytest.approx(12 + drawing + 6 * 4 * (2 / 4))
    assert (found.runs, found.obstacle) == (1, "")
    assert "going by 1 earlier run on this machine." in forecast.sentence(found)


def test_what_is_in_the_cache_is_not_drawn_again(past: Past, room: Callable[..., None]) -> None:
    sets = build(resolve(["cat"]), n_forget=4, n_retain=6)
    past()
    full = estimate(config()).seconds
    past(drawn=(*sets.forget, *sets.retain))
    assert full - estimate(config()).seconds == pytest.approx(10 * 4 * 0.25)
    assert estimate(config(seed=1)).seconds == pytest.approx(full)


def test_more_work_takes_longer(past: Past, room: Callable[..., None]) -> None:
    past()
    least = estimate(config()).seconds
    for more in (
        {"steps": 12},
        {"n_forget": 8},
        {"n_eval": 4},
        {"eval_seeds": 2},
        {"batch_retain": 9},
        {"preview_every": 1},
    ):
        assert estimate(config(**more)).seconds > least


def test_memory_is_the_most_that_such_a_run_took(past: Past, room: Callable[..., None]) -> None:
    past(memory_gb=0.9)
    past(memory_gb=0.7)
    found = estimate(config())
    assert (found.memory_gb, found.memory_measured, found.runs) == (0.9, True, 2)
    assert not estimate(config(batch_forget=6)).memory_measured  # more pictures at once
    other = estimate(config(train="all"))
    assert not other.memory_measured
    assert "by a count" in forecast.sentence(other)


@pytest.mark.parametrize("changes", [{"model": "other/model"}, {"precision": "bf16"}, {"device": "cpu"}])
def test_a_run_of_another_model_or_place_says_nothing(past: Past, changes: dict[str, str]) -> None:
    past(**changes)
    assert earlier_runs(config()) == []
    assert len(earlier_runs(config(**changes))) == 1


def test_a_run_that_cannot_be_read_says_nothing(past: Past) -> None:
    for name, text in (("config.json", "{"), ("telemetry.jsonl", ""), ("manifest.json", "[]"), ("report.json", "7")):
        (past().path / name).write_text(text)
    unfinished = past()
    (unfinished.path / "report.json").unlink()
    assert earlier_runs(config()) == []


def test_without_a_run_it_is_a_guess_and_says_so(room: Callable[..., None]) -> None:
    found = estimate(config())
    assert found.runs == 0
    assert "The time is a guess" in forecast.sentence(found)
    assert "fetched" not in forecast.sentence(found)
    large = estimate(config(model="CompVis/stable-diffusion-v1-4"))
    assert large.seconds > 20 * found.seconds
    assert "it is fetched first if it is not on the disk" in forecast.sentence(large)
    room(gpu=True)
    assert estimate(config(model="CompVis/stable-diffusion-v1-4")).seconds < large.seconds / 10


def test_a_batch_is_split_as_far_as_the_card_asks(room: Callable[..., None]) -> None:
    said = []
    for memory in (80.0, 24.0, 12.0, 8.5, 7.0):
        room(memory=memory, gpu=True)
        found = forecast.estimate(config(model=SD14, batch_forget=12, batch_retain=24), SETS)
        said.append((found.split, found.obstacle != ""))
        if not found.obstacle:
            assert found.memory_gb < memory
    pictures = ", with {} of a batch at a time"
    assert said == [
        ("", False),
        (pictures.format("6 pictures"), False),
        (pictures.format("3 pictures"), False),
        (pictures.format("1 picture"), False),
        (pictures.format("1 picture") + " and gradient checkpointing", True),
    ]


def test_too_little_memory_says_what_would_do(room: Callable[..., None]) -> None:
    large = {"model": SD14, "train": "all"}
    room(memory=14.0)
    said = estimate(config(**large)).obstacle
    assert "14 GB are free" in said
    assert "training the cross-attention alone, or with the bundled model, or with" in said
    room(memory=4.0, gpu=True)
    said = estimate(config(**large)).obstacle
    assert "4.0 GB of the graphics card's memory are free" in said
    assert "cross-attention" not in said
    assert "the bundled model" in said
    assert estimate(config()).obstacle == ""
    room(memory=9.0, gpu=True)
    said = estimate(config(model=SD14, batch_retain=24, micro_batch=24)).obstacle
    assert "--micro-batch and --gradient-checkpointing left out" in said


def test_memory_and_time_grow_with_the_size_that_is_drawn(room: Callable[..., None]) -> None:
    small, large = (forecast.estimate(config(model=SD14, size=size), SETS) for size in (256, 512))
    assert large.memory_gb - small.memory_gb == pytest.approx(2 * 1.57 * 3 / 4, abs=0.1)  # two pictures at once
    assert large.seconds > 3 * small.seconds
    assert forecast.estimate(config(model=SD14), SETS) == large


def test_too_little_disk_is_said_first(room: Callable[..., None]) -> None:
    room(disk=0.0, memory=0.0)
    assert estimate(config()).obstacle.startswith("The disk is too full")


def test_a_terminal_is_told_in_one_line_or_nothing(room: Callable[..., None]) -> None:
    room(memory=0.1)
    said = forecast.summary(config())
    assert said.startswith("About ")
    assert "The memory is too small" in said
    assert "\n" not in said
    assert forecast.summary(config(erase=["nothing like it"])) == ""
