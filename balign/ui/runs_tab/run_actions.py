"""What is done with the runs that are ticked in the Runs tab, and with a zip that is brought there.

No id is believed until its folder is found, and only what is the visitor's own is touched. An answer says what
changes on the page, by the name of its part; where that part is, is not known here.
"""

import contextlib
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from balign.host import listing, scheduler, visitors
from balign.host.visitors import Visitor
from balign.runs.folder import Run, find
from balign.runs.outcome import reproduce
from balign.runs.outcome.comparison import MOST
from balign.ui import form
from balign.ui.erase_tab.erase_handlers import notice
from balign.ui.runs_tab import duel

MAX_TICKED = 200
NONE_TICKED = "No run is ticked; tick the box at the left of one."
Answer = dict[str, Any]


def choose(ids: object, visitor: Visitor = visitors.NOBODY) -> Answer:
    """The ticked runs as those to compare."""
    runs = found(ids, visitor)
    if not 2 <= len(runs) <= MOST:
        return {"say": notice(f"{len(runs)} runs are ticked; tick 2 to {MOST} to compare.", "refused")}
    return {"compared": [run.id for run in reversed(runs)]}  # the list has the newest first


def settings(ids: object, visitor: Visitor = visitors.NOBODY) -> Answer:
    """The form as it was for the ticked run."""
    runs = found(ids, visitor)
    if len(runs) != 1:
        return {"say": notice(_one(runs), "refused")}
    try:
        return {"say": "", "form": form.filled(runs[0].config)}
    except ValueError:
        return {"say": notice("The config of this run cannot be read.", "refused")}


def rename(ids: object, label: object, visitor: Visitor = visitors.NOBODY) -> Answer:
    """Give the ticked run a name."""
    runs = found(ids, visitor)
    if len(runs) != 1:
        return {"say": notice(_one(runs), "refused")}
    try:
        runs[0].rename(label if isinstance(label, str) else "")
    except (ValueError, OSError) as error:
        return {"say": notice(str(error) if isinstance(error, ValueError) else "The disk refused the name.", "refused")}
    return {"label": ""}


def ask(ids: object, visitor: Visitor = visitors.NOBODY) -> Answer:
    """Whether the ticked runs are really to go."""
    runs = found(ids, visitor)
    if not runs:
        return {"say": notice(NONE_TICKED, "refused")}
    names = ", ".join(listing.entry(run).title for run in runs[:5]) + (", …" if len(runs) > 5 else "")
    what = "this run" if len(runs) == 1 else f"these {len(runs)} runs"
    question = f'<p class="notice refused" role="alert">Delete {what} with all files ({escape(names)})?</p>'
    return {"sure": gr.update(visible=True), "question": question, "asked": [run.id for run in runs]}


def delete(asked: object, visitor: Visitor = visitors.NOBODY) -> Answer:
    """Remove the runs that were asked about; one that is at work stays."""
    kept = []
    for run in found(asked, visitor):
        try:
            scheduler.delete(run)
        except ValueError as error:
            kept.append(str(error))
        except OSError as error:
            kept.append(f"A run could not be deleted: {error.strerror or 'the disk refused'}.")
    said = notice(" ".join(kept), "refused") if kept else notice("Deleted.", "remark")
    return {"say": said, "sure": gr.update(visible=False), "asked": []}


def begin_duel(ids: object, methods: object, visitor: Visitor = visitors.NOBODY) -> Answer:
    """The ticked run again with other methods, and all of them side by side."""
    runs = found(ids, visitor)
    if len(runs) != 1:
        return {"say": notice(_one(runs), "refused")}
    try:
        begun = duel.start(runs[0], [str(name) for name in methods] if isinstance(methods, list) else [], visitor)
    except ValueError as error:
        return {"say": notice(str(error), "refused")}
    except OSError as error:
        return {"say": notice(f"The duel could not be started: {error.strerror or 'the disk refused'}.", "refused")}
    words = "The duel has begun; its runs wait in line and follow one another."
    return {"say": notice(words, "remark"), "compared": [runs[0].id, *(run.id for run in begun)][:MOST]}


def make_again(file: object, visitor: Visitor = visitors.NOBODY) -> Answer:
    """Check an uploaded bundle and begin its run anew; the upload itself is not kept."""
    if not isinstance(file, str):
        return {"say": notice("No zip was uploaded.", "refused")}
    try:
        bundle = reproduce.read(Path(file))
        run = scheduler.begin(bundle.config, visitor)
        reproduce.note(run, bundle)
    except ValueError as error:
        return {"say": notice(str(error), "refused")}
    except OSError as error:
        return {"say": notice(f"The zip could not be used: {error.strerror or 'the disk refused'}.", "refused")}
    finally:
        with contextlib.suppress(OSError):
            os.unlink(file)
    words = f"The bundle is whole. Its run {escape(bundle.run)} is being made again"
    return {"say": f'<p class="notice remark" role="alert">{words}: <a href="?run={run.id}">watch it</a>.</p>'}


def found(ids: object, visitor: Visitor) -> list[Run]:
    """The visitor's runs among these ids, each once: of a list, or of words with spaces between."""
    given = ids.split() if isinstance(ids, str) else ids if isinstance(ids, list) else []
    found = [find(run_id) for run_id in given[:MAX_TICKED]]
    return list(dict.fromkeys(run for run in found if run is not None and visitors.owns(run, visitor)))


def _one(runs: Sequence[Run]) -> str:
    return NONE_TICKED if not runs else f"{len(runs)} runs are ticked; tick one."
