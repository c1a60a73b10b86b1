"""The line of runs that wait for the machine: a marker in the folder of each. First come, first served.

The line outlives the server, since it is nothing but folders. It starts no process; `worker` does.
"""

import json
import time
from typing import Literal, NamedTuple

from balign.host import limits, visitors
from balign.host.visitors import Visitor
from balign.refusal import Refusal
from balign.runs.folder import Run, list_runs, write_atomic

FILE = "queued"
Verb = Literal["run", "evaluate"]


class Busy(ValueError):
    """The line is full, or this visitor's part of it, or somebody else has the machine."""


class Ticket(NamedTuple):
    """A place in the line: those with lower numbers come first."""

    number: int
    verb: Verb
    """What is to be done: the run, or only its evaluation."""


def join(run: Run, verb: Verb = "run") -> None:
    """Put the run at the end of the line."""
    last = max((number for number, _ in _tickets()), default=0)
    write_atomic(run.path / FILE, json.dumps([max(time.time_ns(), last + 1), verb]))


def leave(run: Run) -> None:
    """Take the run out of the line."""
    (run.path / FILE).unlink(missing_ok=True)


def ticket(run: Run) -> Ticket | None:
    """The run's place, if it waits."""
    try:
        number, verb = json.loads((run.path / FILE).read_bytes())
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return Ticket(number, verb) if isinstance(number, int) and verb in ("run", "evaluate") else None


def line() -> list[Run]:
    """Every run that waits, the next one first."""
    return [run for _, run in _tickets()]


def place(run: Run) -> int:
    """1 for the next one, 2 for the one behind it; 0 for a run that does not wait."""
    waiting = line() if ticket(run) else []
    return waiting.index(run) + 1 if run in waiting else 0


def admit(count: int, visitor: Visitor, free: bool) -> None:
    """Refuse more runs than fit into the line, or than this visitor may have in it; a free machine takes one now."""
    waiting = line()
    mine = sum(visitors.owns(run, visitor) for run in waiting)
    most = limits.LIMITS
    if len(waiting) + count - free > most.in_line:
        raise Busy(
            f"{len(waiting)} runs are waiting for this machine, and at most {most.in_line} may; come back later."
        )
    if not limits.public():
        return
    if not visitor.secret:
        raise Refusal("This page does not know whose browser it is in; reload it and try again.")
    if mine + count - free > most.in_line_each:
        words = (
            f"{mine} of your runs are waiting and {count} would join them; at most {most.in_line_each} may wait here."
        )
        raise Busy(words)


def _tickets() -> list[tuple[int, Run]]:
    found = [(known.number, run) for run in list_runs() if (known := ticket(run))]
    return sorted(found, key=lambda pair: (pair[0], pair[1].id))


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th."""
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"
