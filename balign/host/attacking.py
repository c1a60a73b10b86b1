"""Begins attacks on what a finished run erased: within the limits, and charged like a long drawing."""

from balign.data.attack_prompts import attack_prompts
from balign.host import limits, processes, scheduler
from balign.host.visitors import Visitor
from balign.models import catalogue
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.prompt_lists import resolve
from balign.runs.tryout import store
from balign.runs.tryout.attack_store import AttackRequest


def begin(run: Run, request: AttackRequest, visitor: Visitor) -> None:
    """Start the process that makes the attacks. Raises Refusal for what cannot be asked for, here or now."""
    _check(request)
    if not request.attacks:
        raise Refusal("No attack was chosen; choose at least one.")
    if "inversion" in request.attacks and not request.tokens:
        raise Refusal("No number of tokens was given; 1 to 8 are accepted.")
    attack_prompts(resolve(run.config), request.concept, 1, 1, request.seed)
    if request.control is not None:
        catalogue.find(request.control)
    options = ["--attacks", *request.attacks, "--tokens", *map(str, request.tokens)]
    numbers = {"steps": request.steps, "pictures": request.pictures, "seed": request.seed}
    texts = {"concept": request.concept, "control": request.control, "judge": request.judge}
    options += [f"--{name}={value}" for name, value in (numbers | texts).items() if value is not None]
    if not processes.alive(run):
        store.clear_progress(run)
    scheduler.draw(run, "attack", *options, visitor=visitor, charge=limits.LIMITS.attack_drawings)


def _check(request: AttackRequest) -> None:
    """Raise Refusal for an attack that a public instance does not make; on your own machine all are possible."""
    if not limits.public():
        return
    if request.control is not None:
        limits.check_model(request.control)
    if request.judge is not None:
        raise Refusal(f"A second judge, {request.judge[:80]!r}, was named; on a shared instance none is accepted.")
    for count, most, what in (
        (request.pictures, limits.LIMITS.attack_pictures, "pictures at a point"),
        (request.steps, limits.LIMITS.attack_steps, "steps of textual inversion"),
        (len(request.tokens), limits.LIMITS.attack_tokens, "numbers of tokens"),
    ):
        if count > most:
            raise Refusal(f"{count:,} {what} were asked for; this shared instance does at most {most:,}.")
