"""What the buttons of the Try tab do: start a process that draws with a finished run's weights, or ask it to end.

Only a run's owner draws with it. Whatever is wrong with what was asked is told in one escaped sentence; what is drawn
is written into the run's folder and shown elsewhere.
"""

from collections.abc import Callable
from typing import Any

from balign.host import disk, limits, processes, scheduler, visitors
from balign.refusal import Refusal
from balign.runs.folder import Run, find
from balign.runs.tryout import store
from balign.runs.tryout.store import STRENGTHS, Ask
from balign.ui.erase_tab.erase_handlers import notice, own_run, run_id
from balign.ui.files import WEIGHTS

NO_RUN = "Open a run that has finished, in the Runs tab or by its link; its weights can then be tried here."
NOT_READY = "This run has no erased weights and no report yet. When it has finished, its weights can be tried here."


def own(browser: object, prompt: object, seed: object, images: object, request: Any = None) -> str:
    """Draw a prompt with both models; what is to be said about it."""

    def options(run: Run) -> list[str]:
        ask = Ask.parse(prompt=prompt, seed=seed, images=images)
        return [f"--prompt={ask.prompt}", f"--seed={ask.seed}", f"--images={ask.images}"]

    return begin(browser, request, "try", options)


def strengths(browser: object, request: Any = None) -> str:
    """Draw the frames of the scrub."""
    return begin(browser, request, "strength")


def probes(browser: object, request: Any = None) -> str:
    """Ask for the erased concepts by other words."""
    return begin(browser, request, "probe")


def export(amount: object, browser: object, request: Any = None) -> str:
    """Write the model at this strength into the run's folder: a diffusers folder, which nobody fetches from afar.

    A public instance writes no pipelines, but the changed weights alone, which the run's owner downloads.
    """

    def options(run: Run) -> list[str]:
        accepted = {f"{strength:.2f}": strength for strength in STRENGTHS}
        if not isinstance(amount, str) or amount not in accepted:
            raise Refusal(f"The strength {str(amount)[:20]!r} is not one of {', '.join(accepted)}.")
        name = store.export_name(accepted[amount], whole=not limits.public())
        if (run.path / name).exists():
            raise Refusal(f"This strength was exported before: {name} in the run's folder.")
        disk.check_growth(run, (run.path / WEIGHTS).stat().st_size)
        return [f"--out={run.path / name}", f"--strength={amount}"]

    return begin(browser, request, "export", options)


def begin(browser: object, request: Any, verb: str, options: Callable[[Run], list[str]] = lambda run: []) -> str:
    """Start a process on the run that this browser shows and its visitor owns, or say in a sentence why not."""
    run = own_run(browser)
    if run is None or not store.ready(run):
        return notice(why_not(browser), "refused")
    try:
        if not processes.alive(run):
            store.clear(run)
        scheduler.draw(run, verb, *options(run), visitor=visitors.visitor(browser, request))
    except ValueError as error:
        return notice(str(error), "refused")
    except OSError as error:
        return notice(f"The drawing could not be started: {error.strerror or 'the disk refused'}.", "refused")
    return ""


def stop(browser: object) -> str:
    """Ask the drawing to end at its next picture."""
    run = own_run(browser)
    if run is None or not processes.alive(run):
        return notice("Nothing is being drawn here.", "remark")
    try:
        run.request_stop(keep=True)  # whatever works on the run, its weights are to stay
    except OSError as error:
        return notice(f"The drawing could not be asked to stop: {error.strerror}.", "refused")
    return ""


def why_not(browser: object) -> str:
    """Why there is nothing to try for who has this browser."""
    run = find(run_id(browser))
    return NO_RUN if run is None else NOT_READY if own_run(browser) else visitors.NOT_YOURS
