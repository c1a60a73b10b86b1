"""The queue of runs that wait for the machine: a marker in the folder of each, first come, first served."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, StrictInt, StrictStr, TypeAdapter

from balign.atomic import write
from balign.host import limits, visitors
from balign.host.visitors import NOBODY, Visitor
from balign.plain_file import raise_shortage, read_plain
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run, runs_root
from balign.runs.run_folders import FolderSearch

FILE = "queued"
Verb = Literal["run", "evaluate"]
LAST = 2**63 - 1
"""The highest number; a marker with a higher one was not written by us."""


class Ticket(NamedTuple):
    """What the marker holds: runs with lower numbers come first."""

    number: Annotated[StrictInt, Field(ge=0, le=LAST)]
    verb: Verb
    """What is to be done: the run, or only its evaluation."""
    address: StrictStr = ""
    """The hash of the address that asked for it."""
    options: tuple[StrictStr, ...] = ()
    """What the command has beside the run's folder."""


TICKET = TypeAdapter(Ticket)


def join(run: Run, verb: Verb = "run", visitor: Visitor = NOBODY, options: tuple[str, ...] = ()) -> None:
    """Put the run at the end of the queue. Whoever calls this holds the lock of the scheduler."""
    last = max((number for number, _ in _tickets()), default=0)
    marker = Ticket(min(last + 1, LAST), verb, visitors.hashed_address(run, visitor), options)
    write(run.path / FILE, json.dumps(marker))


def create(
    configs: Sequence[RunConfig], visitor: Visitor = NOBODY, pictures: Mapping[str, bytes] | None = None
) -> list[Run]:
    """Create a visitor's run for each config at the end of the queue, or none. Raises OSError if the disk refuses.

    pictures: somebody's own, by their sha256, which all these configs name.

    Whoever calls this holds the lock of the scheduler.
    """
    runs: list[Run] = []
    try:
        for config in configs:
            runs.append(Run.create(config, pictures=pictures))
            visitors.sign(runs[-1], visitor)
            join(runs[-1], "run", visitor)
    except OSError:
        for run in runs:
            leave(run)
        for run in runs:
            run.delete()
        raise
    return runs


def leave(run: Run) -> None:
    """Take the run out of the queue."""
    (run.path / FILE).unlink(missing_ok=True)


def ticket(run: Run) -> Ticket | None:
    """The run's marker, if it is queued. Raises OSError if the system cannot tell at this moment."""
    try:
        return TICKET.validate_json(read_plain(run.path / FILE))
    except (OSError, ValueError) as error:
        raise_shortage(error)
        return None


def queue() -> list[Run]:
    """Every run in the queue, the next one first."""
    return [run for _, run in _tickets()]


def place(run: Run) -> int:
    """The run's place in the queue: 1 for the next one; 0 for a run that is not queued."""
    waiting = queue() if ticket(run) else []
    return waiting.index(run) + 1 if run in waiting else 0


def admit(count: int, visitor: Visitor, free: bool) -> None:
    """Raise Refusal for more runs than the queue takes, or takes of this visitor; a free machine takes one at once."""
    waiting = queue()
    most, each, here = limits.LIMITS.queued, limits.LIMITS.queued_each, limits.LIMITS.queued_from
    if len(waiting) + count - free > most:
        raise Refusal(f"{len(waiting)} runs are waiting for this machine, and at most {most} may; come back later.")
    if not limits.public():
        return
    if not visitor.secret:
        raise Refusal("This page does not know whose browser it is in; reload it and try again.")
    mine = sum(visitors.owns(run, visitor) for run in waiting)
    if mine + count - free > each:
        raise Refusal(f"{mine} of your runs are waiting and {count} would join them; at most {each} may wait here.")
    near = sum(_from(run, visitor) for run in waiting)
    if visitor.address and near + count - free > here:
        raise Refusal(f"{near} runs from your address are waiting and {count} would join them; at most {here} may.")


def _from(run: Run, visitor: Visitor) -> bool:
    """Whether the waiting run was begun from this visitor's address."""
    marker = ticket(run)
    return marker is not None and bool(visitor.address) and marker.address == visitors.hashed_address(run, visitor)


def _tickets() -> list[tuple[int, Run]]:
    marked = map(Run, _queued.found(runs_root()))
    known = [(marker.number, run) for run in marked if (marker := ticket(run))]
    return sorted(known, key=lambda pair: (pair[0], pair[1].id))


_queued = FolderSearch(lambda path: ticket(Run(path)) is not None)
