"""What a call to an endpoint names, found or refused in one sentence. Nothing a caller gives is believed.

Which endpoints there are is not known here.
"""

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import gradio as gr

from balign.host import visitors
from balign.host.status import look
from balign.host.visitors import Visitor
from balign.refusal import Refusal
from balign.runs.folder import Run, find
from balign.ui import form

log = logging.getLogger(__name__)
Call = TypeVar("Call", bound=Callable[..., Any])
NOT_YET = "This run has no report yet; ask for its status to see how far it is."


def in_a_sentence(call: Call) -> Call:
    """Whatever goes wrong is told in one sentence; what nobody foresaw goes to the server's log."""

    @functools.wraps(call)
    def told(*given: Any, **named: Any) -> Any:
        try:
            return call(*given, **named)
        except ValueError as error:
            words = " ".join(str(error).split())
        except OSError as error:
            words = f"The disk refused: {error.strerror or 'no reason was given'}."
        except (TypeError, KeyError, AttributeError, IndexError):  # files that were tampered with, or being deleted
            log.exception("%s could not be answered", call.__name__)
            words = "The files of this run cannot be read at the moment."
        raise gr.Error(words, print_exception=False)

    return told  # type: ignore[return-value]


def settings(given: object) -> Mapping[str, Any]:
    """The numbers of a call by their names, all of which must be settings."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise Refusal(f"The settings are {str(given)[:40]!r}; names with their numbers are accepted.")
    known = [*(setting.name for setting in form.SETTINGS), "train"]
    for name in given:
        if name not in known:
            raise Refusal(f"{str(name)[:40]!r} is not a setting; the settings are {', '.join(known)}.")
    return given


def run(run_id: object) -> Run:
    """The run of this id, which whoever knows it may read."""
    found = find(run_id)
    if found is None:
        raise Refusal(f"There is no run {str(run_id)[:80]!r}; give the id that start returned.")
    try:
        found.config  # noqa: B018
    except (ValueError, OSError):
        raise Refusal("The config of this run cannot be read.") from None
    return found


def owned(run_id: object, secret: object) -> Run:
    """The run of this id, if the secret is its owner's."""
    found = run(run_id)
    if not visitors.owns(found, Visitor(visitors.valid(secret))):
        raise Refusal("This run is somebody else's; give the owner_secret that start returned with it.")
    return found


def report(of: Run) -> dict[str, Any]:
    """The run's report, once there is one."""
    view = look(of)
    if view.unreadable:
        raise Refusal("The files of this run cannot be read at the moment.")
    if view.report is None:
        raise Refusal(NOT_YET)
    return view.report.to_dict()


def group(of: Run, name: object) -> dict[str, Any]:
    """A group of the report, by its name."""
    groups = report(of)["groups"]
    if not isinstance(name, str) or name not in groups:
        raise Refusal(f"There is no group {str(name)[:40]!r}; there are {', '.join(groups)}.")
    return groups[name]
