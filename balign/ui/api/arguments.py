"""Validate the arguments of the endpoints. Each refusal is one sentence; an error of ours never looks like one."""

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import gradio as gr

from balign.host import visitors
from balign.host.visitors import Visitor
from balign.measure.report import Group, RunReport
from balign.refusal import Refusal
from balign.runs.examples import READ_ONLY
from balign.runs.folder import Run, find
from balign.ui import form_fields
from balign.ui.page import BUG, FULL

log = logging.getLogger(__name__)
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
NO_REPORT = "This run has no report yet; ask for its status to see how far it is."


class Told(gr.Error):
    """What a caller is told; as text it is the sentence and not, as gradio's own, the sentence in quotes."""

    def __str__(self) -> str:
        return str(self.message)


def in_a_sentence(endpoint: Endpoint) -> Endpoint:
    """The endpoint, with whatever it raises answered in one sentence, as `page.answering` does for the page."""

    @functools.wraps(endpoint)
    def answer(*args: Any, **named: Any) -> Any:
        try:
            return endpoint(*args, **named)
        except Refusal as refusal:
            message = " ".join(str(refusal).split())
        except OSError as error:
            log.warning("endpoint %s: %s", endpoint.__name__, error, exc_info=None if error.errno in FULL else error)
            message = f"The disk refused: {error.strerror or 'no reason was given'}."
        except Exception:
            log.exception("endpoint %s", endpoint.__name__)
            message = BUG
        raise Told(message, print_exception=False)

    return answer  # type: ignore[return-value]


def settings(values: object) -> Mapping[str, Any]:
    """The numbers by their names, all of which must be settings. Raises Refusal if one is not."""
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise Refusal(f"The settings are {str(values)[:40]!r}; names with their numbers are accepted.")
    known = [*(setting.name for setting in form_fields.SETTINGS), "forget", "combine", "train"]
    for name in values:
        if name not in known:
            raise Refusal(f"{str(name)[:40]!r} is not a setting; the settings are {', '.join(known)}.")
    return values


def run(run_id: object) -> Run:
    """The run with this id, which anyone who has the id may read. Raises Refusal if there is none to be read."""
    known = find(run_id)
    if known is None:
        raise Refusal(f"There is no run {str(run_id)[:80]!r}; give the id that start returned.")
    try:
        known.config  # noqa: B018
    except Refusal:  # whose text names the folder
        raise Refusal("The config of this run cannot be read.") from None
    return known


def owned(run_id: object, secret: object) -> Run:
    """The run with this id, if the secret is its owner's. Raises Refusal if it is not."""
    known = run(run_id)
    if known.example:
        raise Refusal(READ_ONLY.format(known.id))
    if not visitors.owns(known, Visitor(visitors.valid(secret))):
        raise Refusal("This run is somebody else's; give the owner_secret that start returned with it.")
    return known


def report(of: Run) -> RunReport:
    """The run's report. Raises Refusal as long as there is none, and if it is unreadable."""
    known = of.report()
    if known is None:
        raise Refusal(NO_REPORT)
    return known


def group(known: RunReport, name: object) -> Group:
    """The group of test images of this name. Raises Refusal if the report has none."""
    if not isinstance(name, str) or name not in known.groups:
        raise Refusal(f"There is no group {str(name)[:40]!r}; there are {', '.join(known.groups)}.")
    return known.groups[name]
