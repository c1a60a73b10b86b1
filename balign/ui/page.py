"""What the tabs share: who is calling, messages, events bound to handlers, and sending only what changed.

A handler is a plain function of a `Caller` and of plain values. It answers with new values by the names of the tab's
parts, and raises `Refusal` for what cannot be done; how that becomes a message on the page is decided here, once.
"""

import contextlib
import errno
import functools
import hashlib
import inspect
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from gradio.events import Dependency
from markupsafe import Markup

from balign.host import visitors
from balign.host.visitors import NOT_YOURS, Visitor
from balign.markup import languages
from balign.markup.languages import LANGUAGE
from balign.markup.render import macro
from balign.refusal import Refusal
from balign.runs.examples import READ_ONLY
from balign.runs.folder import Run, find
from balign.ui import hub_login

log = logging.getLogger(__name__)
Answer = dict[str, Any]
Sent = dict[str, str]
FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says of a full disk, which is no place in the code to look at."""
NO_RUN = "This page shows no run; start one, or open one in the Runs tab."
EXAMPLE = READ_ONLY.format("This")
BUG = "Something went wrong in balign itself; it is not your input. The server's log has the details."
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}


@dataclass(frozen=True)
class Page:
    """What a tab is built with."""

    blocks: gr.Blocks
    browser: gr.HTML
    """{"run": id} of the run shown, from the browser's storage; a visitor may have written anything into it."""
    fields: dict[str, Any]
    """The form's components by the name they have in the config."""
    duel: Any
    """The button that compares the run that is shown with other methods."""
    look: Callable[[Any], Any]
    """Refreshes the Erase tab after an event: `page.look(button.click(...))`."""


class Caller(NamedTuple):
    """Who caused an event, the run that their browser shows, if it is there, and the run's id in the page's address."""

    visitor: Visitor
    run: Run | None
    link: str | None = None
    account: str = ""
    """The name on the hub of who is signed in, as on a Space."""
    token: str = ""
    """And their token, for one call; it is kept and logged nowhere."""

    @property
    def owned(self) -> Run | None:
        """The run, if the caller may change it."""
        return self.run if self.run is not None and visitors.owns(self.run, self.visitor) else None

    @property
    def open(self) -> Run | None:
        """The run, if all that was drawn with it is open to the caller: their own, or an example."""
        return self.run if self.run is not None and self.run.example else self.owned

    def own(self) -> Run:
        """The run, which the caller may change. Raises Refusal if there is none, or if it is somebody else's."""
        if self.run is None:
            raise Refusal(NO_RUN)
        if self.owned is None:
            raise Refusal(EXAMPLE if self.run.example else NOT_YOURS)
        return self.run


def caller(store: object, request: Any = None) -> Caller:
    """The caller with this browser's store, into which anything may have been written."""
    shown = store.get("run") if isinstance(store, Mapping) else None
    link = getattr(request, "query_params", {}).get("run")
    known = hub_login.signed_in(request)
    account = str(known.get("userinfo", {}).get("preferred_username", ""))
    return Caller(visitors.visitor(store, request), find(shown), link, account, str(known.get("access_token", "")))


def translatable(blocks: gr.Blocks) -> None:
    """Mark what gradio's own parts say for a lookup in the tables of the visitor's language.

    Unmarked it is looked up as well, but only by what is drawn after the tables have come.
    """
    known = {text for name in languages.languages() for text in languages.table(name, "sent")}
    for part in blocks.blocks.values():
        pressed = isinstance(part, gr.Button | gr.UploadButton)
        for name in ("label", "info", "placeholder", *(["value"] if pressed else [])):
            if (text := getattr(part, name, None)) in known:
                setattr(part, name, str(gr.i18n.I18nData(text)))


def language(request: Any) -> str:
    """The language of a visitor, by what their browser asks for."""
    headers = getattr(request, "headers", None) or {}
    return languages.preferred(headers.get("accept-language") or "")


def notice(message: str, kind: str) -> Markup:
    """A sentence in the page, read out by screen readers. kind: "remark", "refused", or "failed" for a bug of ours."""
    return macro("notice", message, kind)


def plain(value: str | dict[str, str] | Callable[[], str], name: str, **more: Any) -> gr.HTML:
    """A piece of the page as html of ours, without gradio's own look; `part-` and the name find it.

    One that is built once and for all is given as what makes it, so that it can be told in another language.
    """
    text = value() if callable(value) else value
    part = gr.HTML(text, elem_id=f"part-{name}", elem_classes="plain", apply_default_css=False, js_on_load=None, **more)
    part.told_by = value if callable(value) else None
    return part


def told_again(blocks: gr.Blocks, browser: gr.HTML) -> None:
    """Tell, to who opens the page in another language, what was built in English. Inside the page's blocks, at last."""
    followed = {part._id for event in blocks.fns.values() for part in event.outputs}
    ours = {part.elem_id: part for part in blocks.blocks.values() if isinstance(part, gr.HTML) and part.value}
    parts = {name: part for name, part in ours.items() if part.told_by or part._id not in followed}

    def tell(caller: Caller) -> Answer:
        words = languages.table(LANGUAGE.get())
        told = {n: p.told_by() if p.told_by else languages.Template(p.value).told(words) for n, p in parts.items()}
        return told if words else {}

    bind(browser, parts, blocks.load, tell, "The page cannot be told in this language", (), parts, say="part-header")


@contextlib.contextmanager
def uploaded(file: object, what: str = "file") -> Iterator[Path]:
    """An uploaded file, deleted afterwards. Raises Refusal if there is none."""
    if not isinstance(file, str):
        raise Refusal(f"No {what} was uploaded.")
    try:
        yield Path(file)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(file)


def answering(work: Callable[..., Any], failure: str, say: str) -> Callable[..., Any]:
    """The handler; whatever it raises becomes one sentence in the part `say`.

    work: a function that returns an answer, or a generator of answers. failure: what could not be done, such as "The
    run could not be started", for when the disk refuses. A bug of ours is logged with its trace and never shown as if
    the visitor had asked for something wrong.
    """

    def explain(error: Exception) -> Answer:
        if isinstance(error, Refusal):
            return {say: notice(str(error), "refused")}
        if isinstance(error, OSError):
            log.warning("%s: %s", failure, error, exc_info=None if error.errno in FULL else error)
            return {say: notice(f"{failure}: {error.strerror or 'the disk refused'}.", "refused")}
        log.error(failure, exc_info=error)
        return {say: notice(f"{failure}. {BUG}", "failed")}

    @functools.wraps(work)
    def answer(*values: Any, **named: Any) -> Answer:
        try:
            return work(*values, **named)
        except Exception as error:
            return explain(error)

    @functools.wraps(work)
    def answers(*values: Any, **named: Any) -> Iterator[Answer]:
        try:
            yield from work(*values, **named)
        except Exception as error:
            yield explain(error)

    return answers if inspect.isgeneratorfunction(work) else answer


def bind(
    browser: gr.HTML,
    parts: Mapping[str, Any],
    triggers: Any,
    work: Callable[..., Any],
    failure: str,
    inputs: Iterable[str] = (),
    outputs: Iterable[str] = (),
    say: str = "say",
    **more: Any,
) -> Any:
    """Call `work(caller, *inputs)` on an event or any of several, and put its answer into the named parts.

    triggers may also be what `bind` returned for another event: then it happens after that one. Inputs are names of
    parts; those of a set or mapping arrive as one mapping of their values. What an answer does not name stays as it is.
    A generator's answers are shown one after another.
    """
    names, together = list(inputs), isinstance(inputs, Set | Mapping)

    def one(request: Any, store: object, *values: Any) -> Any:
        return work(caller(store, request), *([dict(zip(names, values, strict=True))] if together else values))

    def many(request: Any, store: object, *values: Any) -> Iterator[Answer]:
        yield from one(request, store, *values)

    def by_part(answer: Answer) -> dict[Any, Any]:
        return {parts[name]: value for name, value in answer.items()} or gr.skip()

    streaming = inspect.isgeneratorfunction(work)
    guarded = answering(many if streaming else one, failure, say)

    def handle(request: gr.Request, store: object, *values: Any) -> dict[Any, Any]:
        LANGUAGE.set(language(request))
        return by_part(guarded(request, store, *values))

    def stream(request: gr.Request, store: object, *values: Any) -> Iterator[dict[Any, Any]]:
        LANGUAGE.set(language(request))
        for answer in guarded(request, store, *values):
            yield by_part(answer)
            LANGUAGE.set(language(request))  # each answer is asked for in a context of its own

    targets = [parts[name] for name in dict.fromkeys([say, *outputs])]
    on = triggers.then if isinstance(triggers, Dependency) else functools.partial(gr.on, triggers)
    components = [browser, *(parts[name] for name in names)]
    return on(stream if streaming else handle, components, targets, **PRIVATE, **more)


def changed(parts: Mapping[str, Any], sent: Sent | None) -> tuple[dict[str, Any], Sent]:
    """The parts that differ from what this page was sent before, and what it has been sent then."""
    texts = {
        name: part if isinstance(part, str) else repr(getattr(part, "active", part)) for name, part in parts.items()
    }
    now = {name: hashlib.blake2b(text.encode(), digest_size=12).hexdigest() for name, text in texts.items()}
    return {name: part for name, part in parts.items() if now[name] != (sent or {}).get(name)}, now
