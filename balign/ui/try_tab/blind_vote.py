"""The blind vote in the Try tab: two unlabelled sheets, a choice, and the tally once the voter has ended.

Which sheet is which is known to the run's folder alone, and the tally is not shown while a ballot is open: it would
tell. What a vote is is `run.vote`'s business; on a public instance it is the owner's. No error leaves here but as one
escaped sentence.
"""

import logging
from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from balign.measure.intervals import wilson
from balign.runs.folder import Run
from balign.runs.tryout import ballots, store
from balign.runs.tryout.ballots import Ballot
from balign.ui.erase_tab.erase_handlers import notice, own_run
from balign.ui.erase_tab.results import FEW, percent
from balign.ui.files import keyed
from balign.ui.page import PRIVATE, Page, plain

log = logging.getLogger(__name__)
LEAD = (
    '<h2>Blind vote</h2><p class="lead soft">Two sheets of the same prompts and the same noise, one from each model, '
    "in an order that stays hidden. Judge with your own eyes.</p>"
)
QUESTIONS = {"less": "Which sheet shows {} less?", "better": "Which sheet looks better?"}
ANSWERS = {"less": "Shows the concept less", "better": "Looks better, of what was to be kept"}
BUTTONS = {"a": "Sheet A", "b": "Sheet B", "same": "Cannot tell", "end": "End and show the tally"}
HEADS = ("Asked", "Before", "After", "Cannot tell", "After, of those who could")
GONE = "This ballot is not of the run that is shown; take a new one."
Answer = dict[str, Any]


def build(page: Page) -> Callable[[Any], None]:
    """The section; what is given back binds its events to the tab it stands in."""
    parts: dict[str, Any] = {"ballot": gr.State({})}
    plain(LEAD, "vote-lead")
    parts["say"] = plain("", "vote-say")
    parts["sheets"] = plain("", "sheets", visible=False)
    with gr.Row(elem_classes="acts"):
        for name, words in BUTTONS.items():
            parts[name] = gr.Button(words, visible=False, size="sm", scale=0, min_width=90, elem_id=f"vote-{name}")
        parts["start"] = gr.Button("Start the vote", size="sm", scale=0, elem_id="vote-start")
    parts["tally"] = plain("", "tally")
    return lambda tab: _events(page, tab, parts)


def _events(page: Page, tab: Any, parts: dict[str, Any]) -> None:
    told = [page.browser, parts["ballot"]]

    def bind(trigger: Callable[..., Any], work: Callable[[object, object], Answer]) -> None:
        def answer(store: object, state: object) -> dict[Any, Any]:
            return {parts[name]: value for name, value in work(store, state).items()}

        trigger(answer, told, list(parts.values()), **PRIVATE)

    bind(tab.select, arrive)
    bind(parts["start"].click, lambda store, _: begin(store))
    bind(parts["end"].click, lambda store, _: closed(own_run(store)))
    for choice in ballots.CHOICES:
        bind(parts[choice].click, partial(choose, choice=choice))


def arrive(browser: object, state: object) -> Answer:
    """The section as the tab is opened: an open ballot stays if it is of the run that is shown."""
    run = own_run(browser)
    kept = run is not None and isinstance(state, dict) and state.get("run") == run.id
    return {"say": ""} if kept else closed(run)


def begin(browser: object) -> Answer:
    """A new ballot."""
    run = own_run(browser)
    if run is None or not store.ready(run):
        return closed(run) | {"say": notice("There is no finished run here to vote on.", "refused")}
    try:
        return opened(run, ballots.new(run))
    except ValueError as error:
        return closed(run) | {"say": notice(str(error), "refused")}
    except OSError as error:
        words = f"The sheets could not be laid out: {error.strerror or 'a picture cannot be read'}."
        return closed(run) | {"say": notice(words, "refused")}
    except (TypeError, KeyError, AttributeError):  # the report was tampered with
        log.exception("the pictures of run %s cannot be voted on", run.id)
        return closed(run) | {"say": notice("The report of this run cannot be read.", "refused")}


def choose(browser: object, state: object, choice: str) -> Answer:
    """Count the vote and lay out the next ballot."""
    run = own_run(browser)
    known = state if isinstance(state, dict) else {}
    if run is None or known.get("run") != run.id:
        return closed(run) | {"say": notice(GONE, "refused")}
    try:
        ballots.cast(run, known.get("ballot"), choice)
    except ValueError as error:
        return closed(run) | {"say": notice(str(error), "refused")}
    except OSError as error:
        return {"say": notice(f"The vote could not be kept: {error.strerror or 'the disk refused'}.", "refused")}
    return begin(browser)


def opened(run: Run, ballot: Ballot) -> Answer:
    """The section while a ballot is open."""
    names = ", ".join(concept.name for concept in run.config.erase)
    asked = QUESTIONS[ballot.question].format(f'<b class="said">{escape(names)}</b>')
    sheets = "".join(
        f'<figure><figcaption>Sheet {name.upper()}</figcaption><img src="{keyed(run, ballot.sheet(name))}" '
        f'alt="Sheet {name.upper()}, {ballot.pictures} pictures"></figure>'
        for name in ballots.SHEETS
    )
    html = (
        f'<section class="ballot"><div role="status"><h3>{asked}</h3></div><div class="sheets">{sheets}</div></section>'
    )
    count = len(ballots.votes(run))
    words = f"{count:,} {'vote' if count == 1 else 'votes'} on this run so far. The tally is shown when you end."
    return {
        "ballot": {"run": run.id, "ballot": ballot.id},
        "say": "",
        "sheets": gr.update(value=html, visible=True),
        "tally": f'<p class="soft">{words}</p>',
    } | _buttons(True)


def closed(run: Run | None) -> Answer:
    """The section without a ballot, with what was voted."""
    shown = tally(run) if run is not None else ""
    return {"ballot": {}, "say": "", "sheets": gr.update(value="", visible=False), "tally": shown} | _buttons(False)


def _buttons(voting: bool) -> Answer:
    return {name: gr.update(visible=voting) for name in BUTTONS} | {"start": gr.update(visible=not voting)}


def tally(run: Run) -> str:
    """What was chosen, with an interval where there are votes enough; before the first, nothing."""
    counted = ballots.tally(run)
    if not any(sum(answers.values()) for answers in counted.values()):
        return ""
    rows = "".join(_row(question, counted[question]) for question in QUESTIONS)
    heads = "".join(f'<th scope="col">{head}</th>' for head in HEADS)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Votes"><table><thead><tr>'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        '<nav class="downloads" aria-label="Votes of this run">'
        f'<a href="{keyed(run, ballots.VOTES)}" download>Votes as csv</a></nav>'
    )


def _row(question: str, answers: dict[str, int]) -> str:
    after, decided = answers["after"], answers["before"] + answers["after"]
    low, high = wilson(after, decided)
    share = f"{percent(after / decided)} <span class=soft>[{percent(low)}, {percent(high)}]</span>" if decided else ""
    said = share if decided >= FEW else f"too few votes to say ({decided} of at least {FEW})"
    cells = "".join(f"<td>{answers[name]:,}</td>" for name in ("before", "after", "same"))
    return f'<tr><th scope="row">{ANSWERS[question]}</th>{cells}<td class="words">{said}</td></tr>'
