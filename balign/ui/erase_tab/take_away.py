"""Take a finished run's model away: files for other programs, made when they are asked for, and pushes to the Hub.

One is done at a time, by a process of its own; a token goes to that process alone, by its standard input.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from balign.host import disk, limits, processes, scheduler
from balign.host.status import RunView
from balign.markup.formats import size
from balign.markup.render import render
from balign.models import upload
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.tryout import exports, store
from balign.runs.tryout.exports import Made
from balign.ui import hub_login
from balign.ui.files import keyed
from balign.ui.page import Answer, Caller, notice, plain

SHOWN = ("take", "take_files", "take_state", "push_row", "push", "make_lora", "make_checkpoint")
"""The parts that follow the run."""
FIELDS = ("take_rank", "take_strength")
PUSH_FIELDS = (*FIELDS, "push_what", "push_name", "push_private", "push_token")
TITLES: dict[Made, str] = {"lora": "LoRA", "checkpoint": "Checkpoint"}
LABELS: dict[Made, str] = {"lora": "Make the LoRA", "checkpoint": "Make the checkpoint"}
PUSHED = {"pipeline": "Model", "lora": "LoRA", "checkpoint": "Checkpoint", "report": "Report"}
VERBS = {"export": "The file is being written", "push": "It is being pushed to the Hub"}
ENDED = "It ended early; log.txt in the run's folder may say why. Do the same again."
NO_TOKEN = {
    "sign in": "Nobody is signed in to the Hub; sign in first.",
    "token": "No token was given; one with write access is made at https://huggingface.co/settings/tokens.",
}
HERE = "Nothing is pushed from this studio, which is somebody else's; open one on your own machine or on a Space."


def build(parts: dict[str, Any]) -> None:
    """The fold, inside the column that is being built."""
    with gr.Accordion("Take it away", open=False, visible=False, elem_id="take-away") as parts["take"]:
        parts["take_files"] = plain("", "take-files")
        with gr.Row(elem_classes="acts next filled"):
            parts["take_rank"] = _box("16", "Rank", "take-rank")
            parts["take_strength"] = _box("1", "Strength", "take-strength")
            for form, label in LABELS.items():
                parts[f"make_{form}"] = gr.Button(label, size="sm", scale=0, elem_id=f"make-{form}")
        way = hub_login.way()
        with gr.Row(elem_classes="acts next filled", visible=bool(way)) as parts["push_row"]:
            what = [(title, name) for name, title in PUSHED.items()]
            parts["push_what"] = _choice(what, "Put on the Hub", "push-what")
            parts["push_name"] = _box("", "As", "push-name", placeholder="owner/name")
            parts["push_private"] = _choice(
                [("Everybody", "public"), ("Only me", "private")], "Who sees it", "push-seen"
            )
            parts["push_token"] = _box("", "Token", "push-token", type="password", visible=way == "token")
            if way == "sign in":
                parts["sign_in"] = gr.LoginButton(size="sm", scale=0, elem_id="sign-in")
                parts["sign_in"].load_event_to_attach = None  # it would be a call for programs; ours is none
            parts["push"] = gr.Button("Push", size="sm", scale=0, elem_id="push")
        parts["take_state"] = plain("", "take-state")


def _choice(choices: list[tuple[str, str]], label: str, name: str) -> gr.Dropdown:
    return gr.Dropdown(
        choices, value=choices[0][1], label=label, filterable=False, scale=0, min_width=150, elem_id=name
    )


def _box(value: str, label: str, name: str, **more: Any) -> gr.Textbox:
    quiet = gr.InputHTMLAttributes(autocomplete="off")
    return gr.Textbox(value, label=label, elem_id=name, scale=0, min_width=130, html_attributes=quiet, **more)


def bind_to(on: Callable[..., Any], look: Callable[[Any], Any], page: gr.Blocks, parts: dict[str, Any]) -> None:
    """The events: what is begun is looked at, and then the timer does that."""
    for form in TITLES:
        pressed = on(
            parts[f"make_{form}"].click, partial(make, form), "The file could not be made", FIELDS, say="take_state"
        )
        look(pressed)
    failure = "It could not be pushed"
    given = dict.fromkeys(PUSH_FIELDS)
    look(on(parts["push"].click, push, failure, given, ["push_token"], say="take_state"))
    if "sign_in" in parts:
        on(page.load, welcome, "Who is signed in could not be told", outputs=["sign_in"], say="take_state")


def make(form: Made, caller: Caller, rank: object, strength: object) -> Answer:
    """Write the model in this form into the run's folder, for its owner to download."""
    run = _ready(caller)
    if form not in exports.opens(run):
        raise Refusal("No other program opens this model in one file; its changed weights and the whole folder remain.")
    ranked, amount = _rank(rank), _strength(strength)
    name = exports.made_name(form, amount, ranked)
    if run.file(name):
        raise Refusal(f"{name.partition('/')[2]} was made before; it is in the list.")
    if limits.public():
        grows = run.path / "erased.safetensors" if form == "lora" else None
        disk.check_growth(run, 4 * grows.stat().st_size if grows else disk.model_bytes(run.config.model))
    options = [f"--out={run.path / name}", f"--strength={amount:g}"]
    options.append(f"--lora={ranked}" if form == "lora" else "--form=checkpoint")
    return _begin(caller, run, "export", *options)


def push(caller: Caller, values: Mapping[str, Any]) -> Answer:
    """Put the run on the hub, with the token of this call alone."""
    run, way = _ready(caller), hub_login.way()
    if not way:
        raise Refusal(HERE)
    typed = values["push_token"]
    token = caller.token if way == "sign in" else typed.strip() if isinstance(typed, str) else ""
    if not token or any(sign.isspace() for sign in token):
        return {"take_state": notice(NO_TOKEN[way], "refused"), "push_token": ""}
    what = values["push_what"]
    if what not in PUSHED:
        raise Refusal(f"What to push is {str(what)[:40]!r}; accepted are {', '.join(PUSHED)}.")
    name = upload.accepted_name(str(values["push_name"] or "").strip())
    if limits.public() and what in ("pipeline", "checkpoint"):
        disk.check_growth(run, disk.model_bytes(run.config.model))
    options = [name, f"--what={what}", f"--rank={_rank(values['take_rank'])}"]
    options += [f"--strength={_strength(values['take_strength']):g}", "--token-stdin"]
    options += ["--private"] if values["push_private"] == "private" else []
    return _begin(caller, run, "push", *options, secret=token) | {"push_token": ""}


def welcome(caller: Caller) -> Answer:
    """The button says who is signed in."""
    return {"sign_in": gr.update(value=f"Sign out ({caller.account})")} if caller.account else {}


def _ready(caller: Caller) -> Run:
    run = caller.own()
    if not store.ready(run):
        raise Refusal("This run has no erased weights and no report yet; when it has finished, they can be taken away.")
    return run


def _begin(caller: Caller, run: Run, verb: str, *options: str, secret: str = "") -> Answer:
    if not processes.alive(run):
        store.clear_progress(run)
    scheduler.take_away(run, verb, *options, visitor=caller.visitor, secret=secret)
    return {"take_state": ""}


def _rank(value: object) -> int:
    text, most = str(value).strip(), limits.LIMITS.rank if limits.public() else 999
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= most):
        raise Refusal(f"The rank is {text[:20]!r}; a whole number from 1 to {most} is accepted.")
    return int(text)


def _strength(value: object) -> float:
    text = str(value).strip()
    with_two = f"The strength is {text[:20]!r}; a number from 0.01 to 2 with at most two decimals is accepted."
    try:
        amount = float(text)
    except ValueError:
        raise Refusal(with_two) from None
    if not (0.01 <= amount <= 2 and round(amount, 2) == amount):
        raise Refusal(with_two)
    return amount


def working(view: RunView | None) -> bool:
    """Whether a process works on a finished run, so that the page goes on looking."""
    return view is not None and view.own and not view.live and processes.alive(view.run)


def shown(view: RunView | None) -> dict[str, Any]:
    """The fold for the run's owner, once there are weights and a report."""
    if view is None or not view.own or view.live or not store.ready(view.run):
        return {"take": gr.update(visible=False)}
    busy, opens = working(view), exports.opens(view.run)
    return {
        "take": gr.update(visible=True),
        "take_files": _files(view.run, opens),
        "take_state": _state(view.run, busy),
        "push": gr.update(interactive=not busy),
        **{f"make_{form}": gr.update(visible=form in opens, interactive=not busy) for form in TITLES},
    }


def _files(run: Run, opens: Mapping[Made, str]) -> Markup:
    skipped = exports.skipped(run) if "lora" in opens else []
    return render(
        "ui/erase_tab/take_away.html",
        opens={TITLES[form]: words for form, words in opens.items()},
        skipped=skipped,
        files=[
            (file.name, keyed(run, f"exports/{file.name}"), size(file.stat().st_size)) for file in exports.made(run)
        ],
        pushes=[(PUSHED.get(each.what, each.what), each.page) for each in exports.pushes(run)],
    )


def _state(run: Run, busy: bool) -> str:
    """What is being done, or why it ended."""
    now = store.progress(run)
    if busy:
        words = VERBS.get(now.verb if now else "", "Getting ready")
        return notice(f"{words} …", "remark")
    if now is None:
        return notice(ENDED, "refused") if processes.drawing_failed(run) else ""
    return notice(now.failed or ENDED, "refused") if now.verb in VERBS else ""
