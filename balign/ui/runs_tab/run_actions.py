"""What is done with the runs selected in the Runs tab, and with a zip uploaded there.

Ids come from the page and are not trusted: only runs that exist and are the visitor's own are touched.
"""

from collections.abc import Sequence

import gradio as gr

from balign.host import listing, scheduler, visitors
from balign.host.visitors import Visitor
from balign.markup.render import render
from balign.refusal import Refusal
from balign.runs.examples import READ_ONLY
from balign.runs.folder import Run, find
from balign.runs.outcome import reproduce, zip_check
from balign.runs.outcome.comparison import MOST
from balign.ui import form
from balign.ui.page import Answer, Caller, notice, uploaded
from balign.ui.runs_tab import comparison_panel

MAX_SELECTED = 200
NONE_SELECTED = "No run is selected; check the box at the left of one."


def selected(ids: object, visitor: Visitor) -> list[Run]:
    """The visitor's own runs and examples of these ids, each once; ids are a list, or a text with spaces between."""
    listed = ids.split() if isinstance(ids, str) else ids if isinstance(ids, list) else []
    runs = [find(run_id) for run_id in listed[:MAX_SELECTED]]
    return list(dict.fromkeys(run for run in runs if run and (run.example or visitors.owns(run, visitor))))


def _one(caller: Caller, ids: object) -> Run:
    """The one run that is selected. Raises Refusal for none and for several."""
    runs = selected(ids, caller.visitor)
    if len(runs) != 1:
        raise Refusal(f"{len(runs)} runs are selected; select one." if runs else NONE_SELECTED)
    return runs[0]


def compare(caller: Caller, ids: object) -> Answer:
    """Compare the selected runs, the oldest first."""
    runs = selected(ids, caller.visitor)
    if not 2 <= len(runs) <= MOST:
        raise Refusal(f"{len(runs)} runs are selected; select 2 to {MOST} to compare.")
    return {"say": "", "compared": [run.id for run in reversed(runs)]}  # the list has the newest first


def use_settings(caller: Caller, ids: object) -> Answer:
    """The values of the form, by field, as they were for the selected run."""
    return {"say": ""} | form.filled(_one(caller, ids).config)


def rename(caller: Caller, ids: object, label: object) -> Answer:
    """Give the selected run a name."""
    _one(caller, ids).rename(label if isinstance(label, str) else "")
    return {"say": "", "label": ""}


def ask_delete(caller: Caller, ids: object) -> Answer:
    """Ask whether to delete the selected runs."""
    runs = selected(ids, caller.visitor)
    if not runs:
        raise Refusal(NONE_SELECTED)
    if kept := [run for run in runs if run.example]:
        raise Refusal(READ_ONLY.format(listing.entry(kept[0]).title))
    names = ", ".join(listing.entry(run).title for run in runs[:5]) + (", …" if len(runs) > 5 else "")
    these = "this run" if len(runs) == 1 else f"these {len(runs)} runs"
    question = notice(f"Delete {these} with all files ({names})?", "refused")
    return {"say": "", "sure": gr.update(visible=True), "question": question, "doomed": [run.id for run in runs]}


def keep(caller: Caller) -> Answer:
    """Delete nothing."""
    return {"say": "", "sure": gr.update(visible=False), "doomed": []}


def delete(caller: Caller, ids: object) -> Answer:
    """Delete the runs that were asked about; one that is running stays."""
    runs, refusals = selected(ids, caller.visitor), []
    if not runs:
        raise Refusal("None of these runs is here any more; nothing was deleted.")
    for run in runs:
        try:
            scheduler.delete(run)
        except Refusal as refusal:
            refusals.append(str(refusal))
        except OSError as error:
            refusals.append(f"A run could not be deleted: {error.strerror or 'the disk refused'}.")
    message = notice(" ".join(refusals), "refused") if refusals else notice("Deleted.", "remark")
    return keep(caller) | {"say": message}


def run_methods(caller: Caller, ids: object, methods: object) -> Answer:
    """Queue the selected run again with other methods, and compare all of them."""
    run = _one(caller, ids)
    names: Sequence[str] = [str(name) for name in methods] if isinstance(methods, list) else []
    return _beside(caller, run, names)


def duel(caller: Caller) -> Answer:
    """Queue the run that is shown again with the methods of a duel, and compare all of them."""
    return _beside(caller, caller.own(), form.DUEL)


def _beside(caller: Caller, run: Run, methods: Sequence[str]) -> Answer:
    others = comparison_panel.run_methods(run, methods, caller.visitor)
    message = notice("The other methods are queued; they run one after another.", "remark")
    return {"say": message, "compared": [run.id, *(other.id for other in others)][:MOST]}


def reproduce_zip(caller: Caller, file: object) -> Answer:
    """Check an uploaded bundle and start its run again; the upload itself is not kept."""
    with uploaded(file, "zip") as path:
        bundle = zip_check.read(path)
        run = scheduler.begin(bundle.config, caller.visitor, bundle.pictures)
        reproduce.note(run, bundle)
    return {"say": render("ui/runs_tab/reproducing.html", original=bundle.run, run=run)}
