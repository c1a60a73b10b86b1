"""What the tabs share: who is calling, messages, events bound to handlers, and sending only what changed.

A handler is a plain function of a `Caller` and of plain values. It answers with new values by the names of the tab's
parts, and raises `Refusal` for what cannot be done; how that becomes a message on the page is decided here, once.
"""

import functools
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr
from markupsafe import Markup

from balign.host import visitors
from balign.host.visitors import NOT_YOURS, Visitor
from balign.markup.render import macro
from balign.refusal import Refusal
from balign.runs.folder import Run, find

log = logging.getLogger(__name__)
Answer = dict[str, Any]
Sent = dict[str, str]
NO_RUN = "This page shows no run; start one, or open one in the Runs tab."
BUG = "Something went wrong in balign itself; it is not your input. The server's log has the details."
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}


@dataclass(frozen=True)
class Page:
    """Handed to the function that builds a tab. It knows no tab."""

    blocks: gr.Blocks
    browser: gr.BrowserState
    """{"run": id} of the run shown; a visitor may have written anything into it."""
    fields: dict[str, Any]
    """The form's components by the name they have in the config."""
    look: Callable[[Any], Any]
    """Refreshes the Erase tab after an event: `page.look(button.click(...))`."""


class Caller(NamedTuple):
    """Who caused an event, and the run that their browser shows, if it is there."""

    visitor: Visitor
    run: Run | None

    @property
    def owned(self) -> Run | None:
        """The run, if the caller may change it."""
        return self.run if self.run is not None and visitors.owns(self.run, self.visitor) else None

    def own(self) -> Run:
        """The run, which the caller may change. Raises Refusal if there is none, or if it is somebody else's."""
        if self.run is None:
            raise Refusal(NO_RUN)
        if self.owned is None:
            raise Refusal(NOT_YOURS)
        return self.run


def caller(store: object, request: Any = None) -> Caller:
    """The caller with this browser's store, into which anything may have been written."""
    shown = store.get("run") if isinstance(store, Mapping) else None
    return Caller(visitors.visitor(store, request), find(shown))


def notice(message: str, kind: str) -> Markup:
    """A sentence in the page, read out by screen readers. kind: "remark", "refused", or "failed" for a bug of ours."""
    return macro("notice", message, kind)


def plain(value: str, name: str, **more: Any) -> gr.HTML:
    """A piece of the page as html of ours, without gradio's own look; `part-` and the name find it."""
    return gr.HTML(
        value, elem_id=f"part-{name}", elem_classes="plain", apply_default_css=False, js_on_load=None, **more
    )


def answering(work: Callable[..., Answer], failure: str, say: str) -> Callable[..., Answer]:
    """The handler, with whatever it raises told in one sentence in the part `say`.

    failure: what could not be done, such as "The run could not be started", for when the disk refuses. A bug of ours
    is logged with its trace and never shown as if the visitor had asked for something wrong.
    """

    @functools.wraps(work)
    def answer(*given: Any, **named: Any) -> Answer:
        try:
            return work(*given, **named)
        except Refusal as refusal:
            return {say: notice(str(refusal), "refused")}
        except OSError as error:
            log.warning("%s: %s", failure, error)
            return {say: notice(f"{failure}: {error.strerror or 'the disk refused'}.", "refused")}
        except Exception:
            log.exception(failure)
            return {say: notice(f"{failure}. {BUG}", "failed")}

    return answer


def bind(
    triggers: Any,
    work: Callable[..., Answer],
    browser: gr.BrowserState,
    inputs: Sequence[Any],
    parts: Mapping[str, Any],
    outputs: Sequence[str],
    *,
    failure: str,
    say: str,
    **more: Any,
) -> Any:
    """Call `work(caller, *inputs)` on an event, or on any of several, and put its answer into the named parts."""
    guarded = answering(work, failure, say)

    def answer(request: gr.Request, store: object, *given: Any) -> dict[Any, Any]:
        return {parts[name]: value for name, value in guarded(caller(store, request), *given).items()}

    targets = [parts[name] for name in dict.fromkeys([say, *outputs])]
    return gr.on(triggers, answer, [browser, *inputs], targets, **PRIVATE, **more)


def changed(parts: Mapping[str, Any], sent: Sent | None) -> tuple[dict[str, Any], Sent]:
    """The parts that differ from what this page was sent before, and what it has been sent then."""
    now = {name: _digest(part) for name, part in parts.items()}
    return {name: part for name, part in parts.items() if now[name] != (sent or {}).get(name)}, now


def _digest(part: Any) -> str:
    shown = part if isinstance(part, str) else repr(getattr(part, "active", part))
    return hashlib.blake2b(shown.encode(), digest_size=12).hexdigest()
