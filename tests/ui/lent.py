"""A stand-in for the `spaces` package on ZeroGPU, true to its contract for decorated generators.

The generator runs in a worker forked from this process; its arguments and what it yields cross as pickles; what it
changes in memory stays there. Closing the generator here asks the worker to end at its next yield. A worker that takes
longer than it asked for is killed, which is an error here. `duration` longer than the quota is refused before a fork.
"""

import contextlib
import multiprocessing
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

QUOTA = LEFT = 120
PATIENCE = 1.0
"""How many times the seconds that it asked for a worker may take; more where a machine is slow and no test of that."""
fork = multiprocessing.get_context("fork")
seen: dict[str, Any] = {"durations": [], "pids": []}


def GPU(duration: Callable[..., int]) -> Callable[[Callable[..., Iterator[Any]]], Callable[..., Iterator[Any]]]:
    """The decorator."""

    def decorate(work: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        def lend(*given: Any) -> Iterator[Any]:
            asked = duration(*given)
            if asked > QUOTA:
                raise RuntimeError("ZeroGPU illegal duration")
            if asked > LEFT:
                raise RuntimeError(f"You have exceeded your ZeroGPU quota ({asked}s requested vs. {LEFT}s left).")
            seen["durations"].append(asked)
            ours, theirs = fork.Pipe(duplex=False)
            ended = fork.Event()
            worker = fork.Process(target=_forked, args=(work, pickle.dumps(given), theirs, ended))
            worker.start()
            seen["pids"].append(worker.pid)
            theirs.close()
            clock = threading.Timer(asked * PATIENCE, worker.kill)
            clock.start()
            try:
                yield from _received(ours)
            finally:
                ended.set()
                ours.close()
                worker.join()
                clock.cancel()
                worker.close()

        return lend

    return decorate


def _received(pipe: Any) -> Iterator[Any]:
    while True:
        try:
            kind, value = pickle.loads(pipe.recv_bytes())
        except EOFError:
            raise RuntimeError("GPU task aborted") from None
        if kind == "end":
            return
        if kind == "error":
            raise RuntimeError(value)
        yield value


def _forked(work: Callable[..., Iterator[Any]], given: bytes, pipe: Any, ended: Any) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more
        try:
            with contextlib.closing(work(*pickle.loads(given))) as values:  # type: ignore[type-var]
                for value in values:
                    pipe.send_bytes(pickle.dumps(("value", value)))
                    if ended.is_set():
                        return
            pipe.send_bytes(pickle.dumps(("end", None)))
        except OSError:
            raise
        except Exception as error:  # its type does not cross, as on ZeroGPU
            pipe.send_bytes(pickle.dumps(("error", type(error).__name__)))
