"""The endpoint of the attacks, which begins them and tells what they have shown."""

from typing import Any

import gradio as gr

from balign.host import attacking, processes, scheduler, visitors
from balign.host.visitors import Visitor
from balign.runs.folder import Run
from balign.runs.tryout import attack_store, store
from balign.runs.tryout.attack_store import QUICK, AttackRequest, AttackResult
from balign.ui import zerogpu
from balign.ui.api import arguments
from balign.ui.api.arguments import in_a_sentence
from balign.ui.files import keyed
from balign.ui.page import Caller


@in_a_sentence
def attack(
    run: str,
    attacks: list[str] | None = None,
    tokens: list[int] | None = None,
    steps: int = QUICK.steps,
    pictures: int = QUICK.pictures,
    control: str = "",
    concept: str = "",
    owner_secret: str = "",
    request: gr.Request | None = None,
) -> dict[str, Any]:
    """Try to bring back what a finished run erased; without attacks, tell what those made so far have shown.

    On ZeroGPU it takes the caller's device for a minute and answers then; the same call again goes on from there.

    Args:
        run: The id that start returned.
        attacks: Any of "synonyms", "rounding", "null_text", "inversion", "relearn_kept" and "relearn_concept".
        tokens: How many tokens textual inversion learns, such as [2]; several are several attacks.
        steps: Steps of textual inversion; relearning takes two fifths of them.
        pictures: How many are drawn at every point.
        control: The id of a model that never knew the concept, to be attacked the same way; it may be left out.
        concept: Which of the erased concepts; left out, the first.
        owner_secret: What start returned, on a shared instance.

    Returns:
        Whether attacks are being made, the outcome in words, and each result with its curves, point by point.
    """
    known = arguments.owned(run, owner_secret)
    paused = False
    if attacks:
        visitor = Visitor(visitors.valid(owner_secret), visitors.address(request))
        asked = {"attacks": attacks, "tokens": tokens or QUICK.tokens, "steps": steps, "pictures": pictures}
        wanted = AttackRequest.parse(**asked, control=control or None, concept=concept or None)
        attacking.begin(known, wanted, visitor)
        if scheduler.inline():  # the device comes with this call, as with a press on the page
            paused = any([*zerogpu.draw(Caller(visitor, known))])
    now = store.progress(known)
    made = [*attack_store.results(known, attack_store.GROWING), *attack_store.results(known)]
    return {
        "run": known.id,
        "working": processes.alive(known),
        "message": now.failed if now and now.failed else zerogpu.DRAWING_PAUSED if paused else "",
        "outcome": attack_store.attacked(known),
        "results": [_attacked(known, result) for result in made],
    }


def _attacked(known: Run, result: AttackResult) -> dict[str, Any]:
    """The result as in attack.json, each curve with its title and what it says, each point with its share and sheet."""
    values = result.model_dump(mode="json")
    for curve, shown in zip(values["curves"], result.curves, strict=True):
        curve |= {"title": shown.title, "unit": shown.about.unit, "says": shown.about.says}
        for point, made in zip(curve["points"], shown.points, strict=True):
            share = made.share
            point |= {"share": share.rate, "interval": share.interval, "sheet": keyed(known, made.sheet)}
    return values
