"""The blind vote: two unlabelled sheets of pictures, a choice, and the tally once the voter has ended.

Only the run's folder says which sheet is which, and the tally is not shown while a ballot is open: it would tell.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from balign.markup.render import macro, render
from balign.measure.intervals import FEW, wilson
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.outcome.marks import veiled
from balign.runs.tryout import ballots, store
from balign.runs.tryout.ballots import Ballot
from balign.ui.files import keyed
from balign.ui.page import Answer, Caller, Page, answering, bind, notice, plain

LEAD = (
    "Two sheets of the same prompts and the same noise, one from each model, in hidden order. Judge yourself: "
    "ten votes, of which about half ask what shows the concept less and half what looks better."
)
ANSWERS = {"less": "Shows the concept less", "better": "Looks better, of what was to be kept"}
BUTTONS = {"a": "Sheet A", "b": "Sheet B", "same": "Cannot tell", "end": "End and show the tally"}
ENOUGH = 10
"""Votes after which the tally is shown unasked."""
OTHER_RUN = "This ballot is of another run than the one that is shown; start a new vote."


def build(page: Page) -> Callable[[Any], None]:
    """The section. The function it returns binds the section's events to the tab it is in."""
    parts: dict[str, Any] = {"ballot": gr.State({})}
    plain(macro("heading", "Blind vote", LEAD), "vote-lead")
    parts["say"] = plain("", "vote-say")
    parts["sheets"] = plain("", "sheets", visible=False)
    with gr.Row(elem_classes="acts"):
        for name, label in BUTTONS.items():
            parts[name] = gr.Button(label, visible=False, size="sm", scale=0, min_width=90, elem_id=f"vote-{name}")
        parts["start"] = gr.Button("Start the vote", size="sm", scale=0, elem_id="vote-start")
    parts["tally"] = plain("", "tally")

    def bind_to(tab: Any) -> None:
        on = partial(bind, page.browser, parts, inputs=["ballot"], outputs=parts)
        on(tab.select, arrive, "The votes cannot be shown")
        on(parts["start"].click, begin, "The sheets could not be made")
        on(parts["end"].click, end, "The votes cannot be shown")
        for choice in ballots.CHOICES:
            on(parts[choice].click, partial(choose, choice=choice), "The vote could not be counted")

    return bind_to


def arrive(caller: Caller, ballot: object) -> Answer:
    """The section when the tab is opened: an open ballot stays if it is of the run that is shown."""
    run = caller.owned
    stays = run is not None and isinstance(ballot, dict) and ballot.get("run") == run.id
    return {"say": ""} if stays else closed(run)


def begin(caller: Caller, ballot: object = None, voted: int = 0) -> Answer:
    """Show a new ballot."""
    run = caller.owned
    if run is None or not store.ready(run):
        raise Refusal("There is no finished run here to vote on.")
    return opened(run, ballots.new(run), voted)


def choose(caller: Caller, ballot: object, choice: str) -> Answer:
    """Count the vote and show the next ballot. One that can no longer be used is put away, with the reason."""
    run = caller.owned
    try:
        if run is None or not isinstance(ballot, dict) or ballot.get("run") != run.id:
            raise Refusal(OTHER_RUN)
        ballots.cast(run, ballot.get("ballot"), choice)
    except Refusal as refusal:
        return closed(run) | {"say": notice(str(refusal), "refused")}
    voted = ballot.get("number", 0) + 1
    if voted >= ENOUGH:
        return closed(run)
    return closed(run) | answering(
        partial(begin, voted=voted), "Your vote was counted, but the next sheets could not be made", "say"
    )(caller)


def end(caller: Caller, ballot: object = None) -> Answer:
    """Put the ballot away and show the tally."""
    return closed(caller.owned)


def opened(run: Run, ballot: Ballot, voted: int = 0) -> Answer:
    """The section while a ballot is open."""
    sheets = render(
        "ui/try_tab/ballot.html",
        ballot=ballot,
        run=run,
        sheets=ballots.SHEETS,
        veiled=veiled(run),
        address=partial(keyed, run),
    )
    return {
        "ballot": {"run": run.id, "ballot": ballot.id, "number": voted},
        "say": "",
        "sheets": gr.update(value=sheets, visible=True),
        "tally": render("ui/try_tab/count.html", votes=len(ballots.votes(run)), number=voted + 1, enough=ENOUGH),
    } | _buttons(voting=True)


def closed(run: Run | None) -> Answer:
    """The section without a ballot: the tally."""
    sheets = gr.update(value="", visible=False)
    shown = tally(run) if run is not None else ""
    return {"ballot": {}, "say": "", "sheets": sheets, "tally": shown} | _buttons(voting=False)


def _buttons(voting: bool) -> Answer:
    return {name: gr.update(visible=voting) for name in BUTTONS} | {"start": gr.update(visible=not voting)}


def tally(run: Run) -> str:
    """How often each answer was given, with an interval where there are enough votes; empty before the first."""
    votes = ballots.tally(run)
    if not any(sum(answers.values()) for answers in votes.values()):
        return ""
    rows = []
    for question, title in ANSWERS.items():
        after, decided = votes[question]["after"], votes[question]["before"] + votes[question]["after"]
        rows.append((title, votes[question], after / max(decided, 1), *wilson(after, decided)))
    return render("ui/try_tab/tally.html", rows=rows, few=FEW, csv=keyed(run, ballots.VOTES))
