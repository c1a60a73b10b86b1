"""Kill -9 at any point of any phase: the run goes on to the weights of an undisturbed one, and tells nothing twice."""

import multiprocessing
import random
import signal

import pytest
import torch
from safetensors.torch import load_file

from balign.runs.engine import execute
from balign.runs.folder import Run
from balign.telemetry import Conflict, Phase, Preview, Step
from tests.runs.small import belongs, run_and_die

PHASES = ("load", "check", "data", "unlearn", "evaluate", "save")


def killed(run: Run, cache, phase: str = "", nth: int = 0, writing: str = "", times: int = 1) -> None:
    """Work on the run in another process, which kills itself at that point."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["balign.runs.engine.execute", "diffusers", "open_clip"])
    process = context.Process(target=run_and_die, args=(str(run.path), phase, nth, str(cache), writing, times))
    process.start()
    process.join(600)
    assert process.exitcode == -signal.SIGKILL


def check(run: Run, finished) -> None:
    """Go on with a killed run and compare it with the undisturbed one."""
    assert not run.running()
    *_, end = execute.run(run)
    assert isinstance(end, Phase)
    assert end.name == "done"
    ours, theirs = (load_file(r.path / "erased.safetensors") for r in (finished.run, run))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    records = run.telemetry()[0]
    for kind in (Step, Preview, Conflict):
        told, expected = ([r for r in source if isinstance(r, kind)] for source in (records, finished.events))
        assert [r.step for r in told] == [r.step for r in expected]
    losses = [[(r.forget_loss, r.retain_loss) for r in source if isinstance(r, Step)]
              for source in (records, finished.events)]  # fmt: skip
    assert losses[0] == losses[1]
    assert run.report().groups == finished.run.report().groups


@pytest.mark.parametrize("phase", PHASES)
def test_a_run_killed_in_a_phase_goes_on(phase, finished, configure, tmp_path):
    told = sum(belongs(event, phase) for event in finished.events)
    last = told if phase == "unlearn" else 2  # how often the other phases tell of their progress hangs on the clock
    run = Run.create(configure(), tmp_path)
    killed(run, tmp_path / "cache", phase=phase, nth=random.Random(phase).randint(1, last))
    check(run, finished)


@pytest.mark.parametrize(
    ("writing", "times"),
    [("*/latents/*", 5), ("*/images/before/*", 9), ("*/checkpoint.safetensors", 2)],
)
def test_a_run_killed_while_it_writes_goes_on(writing, times, finished, configure, tmp_path):
    run = Run.create(configure(), tmp_path)
    killed(run, tmp_path / "cache", writing=writing, times=times)
    check(run, finished)
