"""A finished run judged again on its page: by another scorer, on a file of own prompts, or both."""

from typing import Any

import gradio as gr

from balign.data import prompt_file
from balign.host import limits, processes, scheduler, waitlist
from balign.host.status import RunView
from balign.markup.render import macro
from balign.models.catalogue import CATALOGUE
from balign.refusal import Refusal
from balign.runs import judged_again
from balign.runs.own_entries import MAX_TESTS
from balign.ui.page import Answer, Caller, notice, plain, uploaded

ABOUT = (
    "By another scorer, or on a file of your own prompts with seeds. Nothing is trained: the pictures before and after "
    "are drawn and scored once more, and the report is written anew."
)
SHOWN = ("judge", "unjudged")
"""The parts that follow the run."""
FIELDS = ("judge_scorer", "judge_tests")


def build(parts: dict[str, Any]) -> None:
    """The section, folded away, inside the column that is being built."""
    scorers = list(dict.fromkeys(entry.scorer for entry in CATALOGUE))
    with gr.Accordion(
        "Judge it again", open=False, visible=False, elem_id="judge-again", elem_classes="judge"
    ) as parts["judge"]:
        plain(macro("lead", ABOUT), "judge-about")
        with gr.Row():
            parts["judge_scorer"] = gr.Dropdown(
                [("the same as before", ""), *((name, name) for name in scorers)],
                value="",
                label="Scorer",
                info="" if limits.public() else "Or any CLIP model by its name, such as ViT-L-14/openai.",
                allow_custom_value=not limits.public(),
                min_width=220,
                elem_id="judge-scorer",
            )
            parts["judge_tests"] = gr.File(
                label="Test prompts with seeds",
                file_types=[".csv", ".tsv", ".txt", ".json", ".jsonl"],
                height=110,
                min_width=220,
                elem_id="judge-tests",
                elem_classes="drop",
            )
        with gr.Row(elem_classes="acts"):
            parts["judge_go"] = gr.Button("Judge it again", size="sm", scale=0, elem_id="judge-go")
        parts["judged"] = plain("", "judged")
        parts["unjudged"] = plain("", "unjudged")


def ask(caller: Caller, scorer: object, tests: object) -> Answer:
    """Queue the evaluation of the run with these. Raises Refusal for a run that is at work, and for a bad file."""
    run = caller.own()
    if processes.alive(run) or waitlist.ticket(run):
        raise Refusal("This run is being worked on; judge it again when that has ended.")
    name, found = str(scorer or "").strip(), prompt_file.PromptFile((), ())
    if tests is not None:
        with uploaded(tests) as path:
            found = prompt_file.read(path, MAX_TESTS)
    if not (name or found.prompts):
        raise Refusal("Neither another scorer nor a file of prompts was given; choose one, or both.")
    request = judged_again.asked(run, name, found.prompts)
    limits.check(request.config)
    judged_again.store(run, request)
    scheduler.resume(run, "evaluate", caller.visitor, request.options, request.config)
    return {"judged": notice(" ".join(found.remarks), "remark") if found.remarks else "", "judge_tests": None}


def shown(view: RunView | None) -> dict[str, Any]:
    """The section for the owner of a finished run, with why it was not judged again."""
    able = view is not None and view.own and view.state == "done" and view.report is not None
    why = judged_again.unjudged(view.run) if view is not None and able else ""
    return {
        "judge": gr.update(visible=able),
        "unjudged": notice(f"It was not judged again: {why}", "refused") if why else "",
    }
