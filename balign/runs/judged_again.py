"""A finished run that is judged again: what is asked for, as a config and as options, and why the last time failed."""

import contextlib
import json
from collections.abc import Sequence
from typing import NamedTuple

from balign.atomic import write
from balign.data.prompt_file import FilePrompt
from balign.measure.scorer_names import scorer_source
from balign.plain_file import read_plain
from balign.runs.config import RunConfig
from balign.runs.folder import Run

TESTS = "asked-tests.json"
"""The own prompts that it is to be judged on."""
UNJUDGED = "unjudged.txt"
"""Says why a finished run was not judged again; there until it is."""
MOST_WORDS = 2_000
"""Characters of it that are read."""


class JudgeRequest(NamedTuple):
    """What the run then comes to, for whoever limits runs, and the options of `balign evaluate`."""

    config: RunConfig
    options: tuple[str, ...]


def asked(run: Run, scorer: str = "", tests: Sequence[FilePrompt] = ()) -> JudgeRequest:
    """A request for another scorer, other own prompts, or both. Raises Refusal for what no run accepts."""
    values = run.config.model_dump() | {"tests": [prompt._asdict() for prompt in tests] or run.config.tests}
    if scorer:
        scorer_source(scorer)
    config = RunConfig.parse(values | ({"scorer": scorer} if scorer else {}))
    options = [f"--scorer={scorer}"] if scorer else []
    return JudgeRequest(config, (*options, *([f"--tests={run.path / TESTS}"] if tests else ())))


def store(run: Run, request: JudgeRequest) -> None:
    """Put the prompts where the options say they are."""
    write(run.path / TESTS, json.dumps([test.model_dump() for test in request.config.tests]))


def unjudged(run: Run) -> str:
    """Why the run was not judged again, if that was tried; else empty."""
    with contextlib.suppress(OSError):
        return read_plain(run.path / UNJUDGED).decode(errors="replace")[:MOST_WORDS]
    return ""
