"""Whatever a run's folder holds or forbids, only that run shows it, in a sentence; all others, and the queue, go on."""

import contextlib
import json
import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from balign.host import disk, housekeeping, listing, processes, scheduler, status, visitors, waitlist
from balign.host.visitors import Visitor
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.estimate import timings
from balign.runs.folder import Run, find, list_runs, runs_root
from balign.runs.outcome import bundle, report_page
from balign.ui import files
from balign.ui.api import endpoints
from balign.ui.erase_tab import erase_handlers
from balign.ui.page import answering, caller
from balign.ui.runs_tab import comparison_panel, run_actions, runs_layout
from balign.ui.try_tab import blind_vote, try_layout
from tests.host import fake_run, fake_tryout
from tests.host.conftest import nest
from tests.powerless import powerless
from tests.ui.test_hostile import LISTED, texts

ANN = Visitor("a" * 43)
DEEP, HUGE = "[" * 100_000, "1" + "0" * 400
SECONDS = 30
"""Within which all views of a damaged run are drawn; a pipe that is waited for takes for ever."""
READ_ALL_THE_TIME = 5
"""How many of these files are put into every state, the others only into some."""
FILES = (
    "config.json", "telemetry.jsonl", "report.json", "queued", "pid", "label", "owner", "starter", "stop", "log.txt",
    "tryout.json", "reproduces.json", "manifest.json", "erased.safetensors", "report.html", ".lock",
    "strength/strength.json", "probes/probes.json", "attacks/0123456789abcdef/attack.json",
    "votes/votes.csv", "images/before/0000.png",
)  # fmt: skip
KINDS: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "empty": lambda path: path.write_bytes(b""),
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 40),
    "brackets": lambda path: path.write_text(DEEP + "\n"),
    "number": lambda path: path.write_text(HUGE + "\n"),
    "list": lambda path: path.write_text("[]\n"),
    "null": lambda path: path.write_text("null\n"),
    "nul": lambda path: path.write_bytes(b"\0" * 5_000),
    "folder": lambda path: (path / "x").mkdir(parents=True),
    "nowhere": lambda path: path.symlink_to("nowhere"),
    "loop": lambda path: path.symlink_to(path.name),
    "link": lambda path: path.symlink_to("/etc/hostname"),
    "pipe": os.mkfifo,
    "shut": lambda path: (path.touch(), path.chmod(0)),
    "large": lambda path: (path.touch(), os.truncate(path, 300_000_000)),
}
EVERYWHERE = ("missing", "folder", "loop", "pipe", "shut")
PLACES = {
    f"{name} {kind}": (name, KINDS[kind])
    for place, name in enumerate(FILES)
    for kind in (KINDS if place < READ_ALL_THE_TIME else EVERYWHERE)
}


def records(*odd: dict[str, object]) -> Callable[[Path], object]:
    """Lines in the telemetry."""

    def add(run: Path) -> None:
        with (run / "telemetry.jsonl").open("a") as file:
            file.writelines(json.dumps(values).replace('"HUGE"', HUGE) + "\n" for values in odd)

    return add


def report(**values: object) -> Callable[[Path], object]:
    """A report with other values."""

    def change(run: Path) -> None:
        known = json.loads((run / "report.json").read_text()) | values
        (run / "report.json").write_text(json.dumps(known).replace('"HUGE"', HUGE))

    return change


def picture(name: object) -> Callable[[Path], object]:
    """A report that names another picture."""

    def change(run: Path) -> None:
        known = json.loads((run / "report.json").read_text())
        known["groups"]["erased"]["images"][0]["before"] = name
        (run / "report.json").write_text(json.dumps(known))

    return change


def scores(size: float) -> Callable[[Path], object]:
    """A report whose scores went from one end to the other."""

    def change(run: Path) -> None:
        known = json.loads((run / "report.json").read_text())
        for group in known["groups"].values():
            group["alignment_change"] = {"mean": size, "low": -size, "high": size, "p": 0.5}
            group |= {"alignment_before": -size, "alignment_after": size}
            for image in group["images"]:
                image |= {"alignment_before": -size, "alignment_after": size}
        (run / "report.json").write_text(json.dumps(known | {"ua": size, "intervals": {"ua": [-size, size]}}))

    return change


PHASE: dict[str, Any] = {"kind": "phase", "name": "unlearn", "done": 3, "total": 9, "seconds": 1.0}
STEP = {"kind": "step"} | dict.fromkeys(
    ("forget_loss", "retain_loss", "forget_norm", "retain_norm", "cosine", "kept_fraction", "forget_change"), 0.5
)
STEP |= {"step": 4, "projected": True, "retain_change": 0.1, "seconds": 1.0}
STEP |= {"measured_forget_change": None, "measured_retain_change": None}
ODD = ("HUGE", [], {"a": []}, None, "x", True, 1e308, -1)
CONTENTS: dict[str, Callable[[Path], object]] = {
    **{
        f"phase {name}": records(*(PHASE | {name: value} for value in ODD))
        for name in ("name", "done", "total", "seconds", "message")
    },
    "phase of all odd values": records(PHASE | {"done": -(2**52), "total": 2**52, "seconds": 1e308}),
    "phase in a million words": records(PHASE | {"message": "x " * 10**6}),
    **{
        f"step {name}": records(*(STEP | {name: value} for value in ODD))
        for name in ("step", "cosine", "projected", "measured_forget_change")
    },
    "step of all odd values": records(STEP | dict.fromkeys(("forget_loss", "cosine"), 1e308) | {"step": -(2**52)}),
    "previews": records(
        {"kind": "preview", "step": [], "image": "x"},
        {"kind": "preview", "step": 1, "image": ["x"]},
        {"kind": "preview", "step": 1, "image": "../../x", "alignment": {"erased": "HUGE", "kept": "x"}},
        {"kind": "preview", "step": 2, "image": "x\0", "alignment": {"\ud800": 1e308}, "margin": {}},
    ),
    "conflicts": records(
        {"kind": "conflict", "step": 1, "cosines": {"a": "b"}},
        {"kind": "conflict", "step": 1, "cosines": {"a": 1.0}, "quarter": 99},
    ),
    "phase of nothing": records(PHASE | {"total": 0}),
    "phase of less than nothing": records(PHASE | {"done": -5, "total": -1}),
    "steps at both ends": records(
        *(
            STEP | {"step": 4 + k, "forget_loss": end, "retain_loss": -end}
            for k, end in enumerate((1e308, -1e308, 9e11))
        )
    ),
    "conflicts at both ends": records({"kind": "conflict", "step": 1, "cosines": {"a": 1e308, "b": -1e308}}),
    "previews at both ends": records(
        *({"kind": "preview", "step": k, "image": "x", "alignment": {"erased": (-1) ** k * 1e308}} for k in range(3))
    ),
    "scores at both ends": scores(1e308),
    "scores of an earthly size": scores(9e11),
    "no records": records({"kind": "report", "summary": 7}, {"kind": []}, {"a": 1}),
    **{
        f"report {name} {k}": report(**{name: value})
        for name in ("groups", "seconds", "settings")
        for k, value in enumerate([*ODD[:4], "x" * 10**6])
    },
    "picture long": picture("x" * 5_000),
    "picture nul": picture("a\0b.png"),
    "picture outside": picture("../../../etc/passwd"),
    "picture surrogate": picture("\ud800.png"),
    "picture number": picture(7),
    "config and place": lambda run: [(run / "config.json").write_text(DEEP), (run / "queued").write_text('[1, "run"]')],
    "place in front": lambda run: [(run / "queued").write_text('[0, "run"]'), shutil.rmtree(run / "votes")],
    "place and log": lambda run: [(run / "queued").write_text('[0, "run"]'), (run / "log.txt").mkdir()],
    "place and pipe": lambda run: [(run / "queued").write_text('[0, "run"]'), os.mkfifo(run / "log.txt")],
    "place and shut": lambda run: [(run / "queued").write_text('[0, "run"]'), run.chmod(0o500)],
    "long names": lambda run: [(run / sub / ("0" * 251 + ".png")).touch() for sub in ("", "previews", "images/before")],
    "names of no text": lambda run: [
        Path(os.fsdecode(os.fsencode(run / sub) + b"/0\xff\xfe.png")).touch() for sub in ("", "previews", "tries")
    ],
    "names with lines": lambda run: [(run / sub / "0\n\x1b[2J.png").touch() for sub in ("", "previews", "votes")],
    "folders in folders": lambda run: nest(run / "previews", 3_000),
    "a file of holes": lambda run: [
        (run / "erased.safetensors").touch(),
        os.truncate(run / "erased.safetensors", 10**13),
    ],
    "shut": lambda run: run.chmod(0),
    "no listing": lambda run: run.chmod(0o300),
    "no writing": lambda run: run.chmod(0o500),
    **{
        f"{name} shut": lambda run, name=name: (run / name).chmod(0)
        for name in ("images", "images/before", "previews", "tries", "strength", "probes", "votes")
    },
    **{
        f"{name} {kind}": lambda run, name=name, kind=kind: [shutil.rmtree(run / name), KINDS[kind](run / name)]
        for name in ("images", "previews", "tries", "strength", "probes", "votes")
        for kind in ("binary", "loop")
    },
}
VIEWS: dict[str, Callable[[Run, Run], object]] = {
    "list": lambda bad, good: act(runs_layout.refreshed, {}, LISTED),
    "search": lambda bad, good: act(runs_layout.refreshed, {}, LISTED | {"search": "cat", "state": "done"}),
    "look": lambda bad, good: (status.look(bad).fraction, status.look(bad).seconds_left, status.look(bad).partial),
    "state": lambda bad, good: (status.state(bad), listing.entry(bad).title, bad.label, bad.running(), bad.logged()),
    "page": lambda bad, good: act(erase_handlers.refresh, {"run": bad.id}, None),
    "link": lambda bad, good: act(erase_handlers.attach, {"run": bad.id}),
    "try": lambda bad, good: act(try_layout.refreshed, {"run": bad.id}, None),
    "vote": lambda bad, good: act(blind_vote.begin, {"run": bad.id}, {}),
    "compare": lambda bad, good: act(lambda who: {"x": comparison_panel.panel([good, bad])}, {}),
    "settings": lambda bad, good: act(run_actions.use_settings, {}, [bad.id]),
    "ask": lambda bad, good: act(run_actions.ask_delete, {}, [bad.id]),
    "estimate": lambda bad, good: timings.earlier_runs(good.config),
    "size": lambda bad, good: disk.size(bad.path),
    "report": lambda bad, good: expecting(lambda: report_page.page(bad)),
    "zip": lambda bad, good: expecting(lambda: [len(piece) for piece in bundle.stream(bad)]),
    "files": lambda bad, good: [files.locate(bad.id, name) for name in (*files.DOWNLOADS, "images/before/0000.png")],
    **{
        f"api {endpoint.__name__}": lambda bad, good, endpoint=endpoint: expecting(lambda: endpoint(bad.id))
        for endpoint in (endpoints.status, endpoints.metrics, endpoints.pair, endpoints.score, endpoints.export)
    },
}


def act(work: Callable[..., Any], store: object, *values: object) -> object:
    answer = answering(work, "It could not be done", "say")(caller(store), *values)
    for text in texts(answer):
        assert "notice failed" not in text, text[-600:]
        assert "Traceback" not in text
    return answer


def expecting(work: Callable[[], object]) -> object:
    """What it gives, or the sentence in which it is refused."""
    try:
        return work()
    except (Refusal, OSError, gr.Error) as error:
        said = str(error)
    assert "balign itself" not in said
    return said


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run with everything that can be drawn with it, made once for all these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKE_PAUSE", "0")
        patch.setenv("FAKE_STEPS", "10")
        run = Run.create(RunConfig.parse({"erase": ["cat"]}), tmp_path_factory.mktemp("made"))
        fake_run.main(str(run.path))
        fake_tryout.write_try(run, "a cat", 0, 1)
        fake_tryout.write_strengths(run)
        fake_tryout.write_probes(run)
        fake_tryout.write_attack(run)
        (run.path / "votes").mkdir()
        (run.path / "votes" / "votes.csv").write_text("time,question\n")
        (run.path / "owner").write_text("0" * 64)
    return run


@pytest.fixture
def damaged(
    made: Run, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[tuple[Run, Run, Run]]:
    """A run to be damaged, a good one, and one that waits; pipes are waited for no longer than SECONDS."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    root = runs_root()
    bad, good = (Run(shutil.copytree(made.path, root / f"20260101-00000{k}-{k * 16}")) for k in "12")
    waiting = Run.create(made.config)
    waitlist.join(waiting)
    monkeypatch.chdir(bad.path)
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError("it waits for ever")))
    signal.alarm(SECONDS)
    with powerless():
        yield bad, good, waiting
    signal.alarm(0)
    with contextlib.suppress(OSError):
        bad.path.chmod(0o700)
    for parent, folders, _ in os.walk(root):
        for name in folders:
            os.chmod(os.path.join(parent, name), 0o700)


def check(bad: Run, good: Run, waiting: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Everything that a server does and shows, with one damaged run among the others."""
    for name, view in VIEWS.items():
        try:
            view(bad, good)
        except Exception as error:
            raise AssertionError(f"{name} of a damaged run fails") from error
    assert "This run cannot be" not in str(act(runs_layout.refreshed, {}, LISTED))
    assert status.state(good) == "done"
    assert good.id in str(act(runs_layout.refreshed, {}, LISTED))
    caplog.clear()
    started: list[Run] = []
    monkeypatch.setattr(processes, "COMMAND", ("/bin/sh", "-c", "exit 0"))
    monkeypatch.setenv("BALIGN_PUBLIC", "1")
    for number in (0, *range(3)):
        housekeeping.round_of(number)
        for child in processes._children:
            child.process.wait(10)
    assert [record for record in caplog.records if record.levelno > logging.WARNING] == []
    assert len(caplog.records) <= 1
    assert (waitlist.ticket(waiting), waitlist.ticket(good)) == (None, None), "the queue goes on"
    assert good in list_runs()
    visitors.owns(bad, ANN)
    monkeypatch.delenv("BALIGN_PUBLIC")
    if find(bad.id):
        expecting(lambda: scheduler.delete(bad))
    expecting(lambda: scheduler.delete(waiting))
    assert list_runs()[0] == good
    assert started == []


@pytest.mark.parametrize("place", PLACES)
def test_anything_may_lie_in_the_place_of_a_file(
    place: str, damaged: tuple[Run, Run, Run], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name, put = PLACES[place]
    (damaged[0].path / name).unlink(missing_ok=True)
    put(damaged[0].path / name)
    check(*damaged, monkeypatch, caplog)


@pytest.mark.parametrize("content", CONTENTS)
def test_anything_may_be_written_in_a_folder(
    content: str, damaged: tuple[Run, Run, Run], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    CONTENTS[content](damaged[0].path)
    check(*damaged, monkeypatch, caplog)


def test_a_run_that_vanishes_while_the_list_is_made_is_left_out(
    damaged: tuple[Run, Run, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes between any two files that are read of it."""
    bad, good, _ = damaged
    there, opened, left = bad.path.rename(bad.path.with_name("kept")), os.open, [0]

    def vanish(path: object, *more: Any, **named: Any) -> int:
        left[0] -= str(bad.path) in str(path)
        if left[0] == 0 and bad.path.exists():
            shutil.rmtree(bad.path)
        return opened(path, *more, **named)  # type: ignore[arg-type]

    for reads in range(1, 12):
        shutil.copytree(there, bad.path, dirs_exist_ok=True)
        left[0] = reads
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", vanish)
            assert good.id in str(act(runs_layout.refreshed, {}, LISTED))
            act(erase_handlers.refresh, {"run": bad.id}, None)
            act(try_layout.refreshed, {"run": bad.id}, None)
            scheduler.dispatch()
