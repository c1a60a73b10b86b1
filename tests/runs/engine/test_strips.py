"""The first pictures of a real run: few and small, on their sides, told as they are drawn, and nothing learns of it."""

from collections.abc import Callable

import pytest
from PIL import Image

from balign.runs.config import RunConfig
from balign.runs.engine import execute
from balign.runs.folder import Run
from balign.runs.prompt_lists import FIRST
from balign.telemetry import Drawn, Phase, Preview, Step

Configure = Callable[..., RunConfig]


@pytest.fixture
def run(configure: Configure) -> Run:
    return Run.create(configure(n_forget=16, n_retain=16, n_eval=4))


def test_both_sides_come_before_the_first_step_and_pairs_before_the_end(run: Run) -> None:
    events = list(execute.run(run))
    kinds = [type(event) for event in events]
    drawn = [event for event in events if isinstance(event, Drawn)]
    alone, pairs = ([each for each in drawn if bool(each.after) == after] for after in (False, True))
    assert kinds.index(Drawn) < kinds.index(Preview) < kinds.index(Step)
    assert {each.side for each in alone} == {each.side for each in pairs} == {"forget", "keep"}
    assert sum(each.count for each in alone) == 2 * FIRST
    assert sum(each.count for each in pairs) == 8
    assert all(kinds.index(Step) < events.index(each) < kinds.index(Phase, -3) for each in pairs)
    for each in drawn:
        for name in filter(None, (each.image, each.after)):
            with Image.open(run.path / name) as strip:
                assert strip.size == (16 * each.count, 16)
    assert [record for record in run.telemetry()[0] if isinstance(record, Drawn)] == drawn


def test_both_sides_grow_at_the_same_pace(run: Run) -> None:
    told = [(event.side, event.count) for event in execute.run(run) if isinstance(event, Drawn) and not event.after]
    assert told[:2] == [("forget", 4), ("keep", 4)]  # the batch of the check
    assert told[2:4] == [("forget", 4), ("keep", 4)]  # the first batch to learn from
