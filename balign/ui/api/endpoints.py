"""The studio's API: nine named endpoints for `gradio_client`, which are MCP tools as well."""

from typing import Any

import gradio as gr

from balign.host import processes, scheduler, visitors, waitlist
from balign.host.status import look
from balign.host.visitors import Visitor
from balign.markup import charts
from balign.measure.report import RunReport
from balign.method.objectives import DEFAULT_METHOD
from balign.refusal import Refusal
from balign.runs.outcome import bundle, marks
from balign.ui import form, run_title
from balign.ui.api import arguments
from balign.ui.api.arguments import in_a_sentence
from balign.ui.api.attack_endpoint import attack
from balign.ui.files import BUNDLE, WEIGHTS, keyed, url

BRAND = " \N{MIDDLE DOT} balign"
"""With which the title of a page ends."""


def build() -> None:
    """Add the endpoints to the page that is being built. None waits for another."""
    for endpoint in (start, status, metrics, stop, pair, score, attack, export, report):
        gr.api(endpoint, api_name=endpoint.__name__, concurrency_limit=None)


@in_a_sentence
def start(
    erase: str,
    keep: str = "",
    replace: str = "",
    model: str = "emoji",
    method: str = DEFAULT_METHOD,
    settings: dict[str, Any] | None = None,
    owner_secret: str = "",
    kind: str = "",
    request: gr.Request | None = None,
) -> dict[str, Any]:
    """Start erasing a concept from a text-to-image model; while the machine is busy the run is queued.

    Args:
        erase: What to forget, such as "cat"; several with commas; "cat=dog" draws a dog where a cat was asked for.
        keep: Words or prompts to keep on purpose, one a line; everything else is kept as well as possible anyway.
        replace: What to draw where the concept was asked for, with methods that replace.
        model: The base model's id, such as "emoji", which is bundled.
        method: The name of the method: "both", "remove", "redirect", the paper's "rgd" and so on.
        settings: Numbers by their names, such as {"steps": 50, "seed": 1}; those left out have the method's defaults.
        owner_secret: On a shared instance, what an earlier start returned, so that one owner has all runs.
        kind: What it is, if its words do not say: thing, style, person, attribute, theme, place, background, category.

    Returns:
        The run's id, its place in the queue (0 once it has begun), remarks; on a shared instance the owner's secret.
    """
    texts = {"erase": erase, "keep": keep, "replace": replace, "kind": kind, "model": model, "method": method}
    config = form.understood(form.config({**arguments.settings(settings), **texts}), "the field kind")
    remarks = form.advice(config)
    visitor = visitors.with_secret(Visitor(visitors.valid(owner_secret), visitors.address(request)))
    run = scheduler.begin(config, visitor)
    secret = {"owner_secret": visitor.secret} if visitor.secret else {}
    return {"run": run.id, "place": waitlist.place(run), "remarks": remarks, **secret}


@in_a_sentence
def status(run: str) -> dict[str, Any]:
    """How far a run is: new, queued, starting, running, stopping, stopped, failed or done, and in which phase.

    Args:
        run: The id that start returned.

    Returns:
        A sentence, state, place in the queue, phase and its progress, step, fraction of the whole, seconds left if
        known, message.
    """
    view = look(arguments.run(run))
    phase = view.working
    return {
        "reading": run_title.words(view) if view.report else f"{run_title.title(view).removesuffix(BRAND)}.",
        "run": view.run.id,
        "state": view.state,
        "place": view.place,
        "phase": phase.name if phase else "",
        "done": phase.done if phase else 0,
        "total": phase.total if phase else 0,
        "step": view.steps[-1].step if view.steps else 0,
        "last_step": view.last_step,
        "fraction": round(view.fraction, 4),
        "seconds_left": None if view.seconds_left is None else round(view.seconds_left, 1),
        "message": scheduler.trouble(view.run) or (view.last.message if view.last else ""),
        "report": view.report is not None,
    }


@in_a_sentence
def metrics(run: str) -> dict[str, Any]:
    """The curves of a run as lists of [step, value], at most 500 points each, whatever its length.

    Args:
        run: The id that start returned.

    Returns:
        Losses, the gradients' cosine, the predicted changes of both losses, the alignment of each group's previews.
    """
    view = look(arguments.run(run))
    names = ("forget_loss", "retain_loss", "cosine", "forget_change", "retain_change")
    curves: dict[str, Any] = {name: _series([(s.step, getattr(s, name)) for s in view.steps]) for name in names}
    groups = sorted({name for preview in view.previews for name in preview.alignment})
    curves["alignment"] = {
        name: _series([(p.step, p.alignment[name]) for p in view.previews if name in p.alignment]) for name in groups
    }
    return curves


@in_a_sentence
def stop(run: str, keep: bool = True, owner_secret: str = "") -> dict[str, str]:
    """Stop a run at its next batch, or take it out of the queue. What there is is kept, and compared at once.

    Once more, when it has compared for two seconds, ends that comparison.

    Args:
        run: The id that start returned.
        keep: Of no effect: nothing is thrown away. It is accepted for older clients.
        owner_secret: What start returned, on a shared instance.

    Returns:
        The run's id and whether it is "stopping" or has "left the line".
    """
    known = arguments.owned(run, owner_secret)
    if scheduler.cancel(known):
        return {"run": known.id, "state": "left the line"}
    if not processes.alive(known):
        raise Refusal("This run is not running; there is nothing to stop.")
    scheduler.stop(known)
    return {"run": known.id, "state": "stopping"}


@in_a_sentence
def pair(run: str, group: str = "erased", number: int = 0) -> dict[str, Any]:
    """One test image before and after erasing: the same prompt, the same noise, and the score of each.

    Args:
        run: The id that start returned.
        group: "erased", "kept", "neighbours", "trained" or "own", as far as the run has them.
        number: Which image of the group, counted from 0.

    Returns:
        What the scorer sees as a sentence, prompt, seed, each image's address relative to the studio's and its
        alignment, and how many the group has.
    """
    known = arguments.run(run)
    told = arguments.report(known)
    images = arguments.group(told, group).images
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(images):
        raise Refusal(f"The number is {str(number)[:40]!r}; 0 to {len(images) - 1} is accepted.")
    image = images[number]
    words = [words for pair, words, _ in marks.of_group(known.config, told, group) if pair is image]
    return {
        "reading": f"{image.prompt}, left before and right after: {words[0] or 'not scored'}.",
        "prompt": image.prompt,
        "seed": image.seed,
        "before": url(known, image.before),
        "after": url(known, image.after),
        "alignment_before": image.alignment_before,
        "alignment_after": image.alignment_after,
        "images": len(images),
    }


@in_a_sentence
def score(run: str, group: str = "erased") -> dict[str, Any]:
    """What erasing did to a group of test images: how often recognised, alignment, its change with a 95 % interval.

    Args:
        run: The id that start returned.
        group: "erased", "kept", "neighbours", "trained" or "own", as far as the run has them.

    Returns:
        The verdict as a sentence, the group's numbers as in report.json with the verdict on its change, and the scorer
        they are by.
    """
    known = arguments.report(arguments.run(run))
    said = arguments.group(known, group).verdict
    title = next(title.title for name, title, _ in known.named() if name == group)
    return {"reading": f"{title}: {said}.", "group": group, "scorer": known.scorer, **_numbers(known)["groups"][group]}


@in_a_sentence
def export(run: str, what: str = "bundle", owner_secret: str = "") -> dict[str, Any]:
    """Where a run's weights are, or all of it as one zip.

    Args:
        run: The id that start returned.
        what: "bundle" for the zip of everything, "weights" for the changed weights as safetensors.
        owner_secret: What start returned, on a shared instance.

    Returns:
        The file's name, and its address relative to the studio's.
    """
    known = arguments.owned(run, owner_secret)
    names = {"bundle": BUNDLE, "weights": WEIGHTS}
    name = names.get(what) if isinstance(what, str) else None
    if name is None:
        raise Refusal(f"{str(what)[:40]!r} cannot be exported; accepted are {', '.join(names)}.")
    if not (bundle.ready(known) if name == BUNDLE else known.file(WEIGHTS)):
        raise Refusal("This run has nothing to export yet; ask for its status to see how far it is.")
    return {"run": known.id, "file": name, "url": keyed(known, name)}


@in_a_sentence
def report(run: str) -> dict[str, Any]:
    """The report of a finished run: its numbers, and the address of the page that shows them with all pictures.

    Args:
        run: The id that start returned.

    Returns:
        What came of it in sentences, the page's address relative to the studio's, and report.json without its images,
        which `pair` gives one by one.
    """
    known = arguments.run(run)
    numbers = _numbers(arguments.report(known))
    return {
        "reading": run_title.words(look(known)),
        "run": known.id,
        "url": url(known, "report.html"),
        "report": numbers,
    }


def _numbers(known: RunReport) -> dict[str, Any]:
    """The report as in report.json, without its images."""
    values = known.to_dict()
    for group in values["groups"].values():
        del group["images"]
    return values


def _series(points: list[tuple[float, float]]) -> list[list[float]]:
    return [[x, y] for x, y in charts.decimate(charts.finite(points))]
