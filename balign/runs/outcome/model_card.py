"""The model card of an erased model: a README.md as a hub reads it, with the scores of the run and its limits."""

import json
import re
from html import escape

from balign.markup import formats
from balign.measure.headline import headline
from balign.measure.report import GROUPS, RATES, RunReport
from balign.method.objectives import Settings, settle
from balign.models.catalogue import Entry, find
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.tryout.attack_store import attacked
from balign.runs.weights import ERASED, saved_step

HEAD = "| Group | Images | Recognised before | after | Alignment before | after | Change, 95 % interval | p | Verdict |"
SPECIAL = re.compile(r"([\\`*_\[\]#|~$])")
WHOLE = "The scores below are of the whole change, 1."
UNSCORED = "The pictures of this run were not scored, so nothing is claimed."
LIMITS = """\
Erasing is not proof of absence: prompts found by an attack, or further training, may bring a concept back. The scores
are those of one CLIP model on the prompts of one run; they see what a picture is of, not counts or relations. The
ledger is a prediction to first order about the images of each step, and no more. Weights derived from a base model come
under its licence."""


TRIED = "diffusers 0.35 and 0.42, transformers 4.57 and 5.24, peft 0.17 and 0.21"
"""The oldest releases that exports are opened with by the tests, and the newest."""
FOLDER = "the folder this card is in, or its name on the hub"


def card(run: Run, strength: float = 1.0, form: str = "changed") -> str:
    """The whole card; `strength` is how much of the change is in the weights beside it, which are of this form.

    Raises Refusal if the run's report is unreadable.
    """
    config, report, settings = run.config, run.report(), settle(run.config)
    try:
        base = find(config.model)
    except Refusal:  # a folder that is not here any more
        base = find("unknown/unknown")
    kept, more, versions = "; ".join(config.keep[:20]), len(config.keep) - 20, report.versions if report else {}
    names = ", ".join(f"{c.name} (replaced with {c.replace_with})" if c.replace_with else c.name for c in config.erase)
    row, step = settings.objective, report.steps if report else saved_step(run.path / ERASED) or settings.steps
    ended = step < settings.steps
    taken = f"{step:,} of {settings.steps:,} steps" if ended else formats.counted(step, "step")
    parts = [
        _front_matter(run, base, report),
        f"# {_text(base.name)} without {_text(names)}",
        f"Weights of {_text(base.id)} that were changed to forget **{_text(names)}** and to keep everything else, by "
        f"balign with the method *{_text(row.title)}*: {_how(settings, taken)}, seed {config.seed}. "
        f"After {_text(row.cite)}.",
        f"Kept on purpose: {_text(kept)}{f' and {more:,} more' if more > 0 else ''}." if kept else "",
        f"**These weights hold {strength:g} times the change.** {WHOLE}" if strength != 1 else "",
        f"The training ended before its last step: **{taken}**." if ended else "",
        "## Scores",
        headline(report, attacked(run)).whole(f"**{_text(', '.join(c.name for c in config.erase))}**")
        if report
        else "",
        _scores(report) if report and report.scorer else UNSCORED,
        "## Use",
        _use(base, form),
        f"Tried with {TRIED}.",
        "## Limits",
        LIMITS,
        "## Licence",
        f"The base model's: {_text(base.licence)}.",
        f"Made with {_text(', '.join(map(' '.join, versions.items())))}." if versions else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _how(settings: Settings, taken: str) -> str:
    """What was done to the weights: steps on some of them, an edit in closed form, or both."""
    trained = [f"{taken}, weights trained: {_text(settings.train)}"] if settings.steps else []
    when = f" {settings.edit_when} the steps" if settings.steps else ", without a step"
    return "; ".join([*trained, *([f"edited in closed form by {_text(settings.edit)}{when}"] if settings.edit else [])])


def _front_matter(run: Run, base: Entry, report: RunReport | None) -> str:
    """The yaml at the head, with the scores as evaluation results."""
    from huggingface_hub import EvalResult, ModelCardData

    metrics = []
    if report:
        for key, (title, term) in RATES.items():
            metrics.append((key, f"{term}: {title[0].lower()}{title[1:]}", getattr(report, key)))
        for name, group in report.groups.items():
            label = f"{GROUPS[name].title}: mean change of CLIP alignment by {report.scorer}"
            metrics.append((f"alignment_change_{name}", label, group.alignment_change.mean))
    results = [
        EvalResult(
            task_type="text-to-image",
            dataset_type="balign",
            dataset_name="prompts and seeds of the run",
            metric_type=key,
            metric_name=name,
            metric_value=round(value, 4),
        )
        for key, name, value in metrics
        if value is not None
    ]
    data = ModelCardData(
        license="other",
        license_name=base.licence,
        base_model=base.id,
        library_name="diffusers",
        pipeline_tag="text-to-image",
        tags=["machine-unlearning", "concept-erasure", "balign"],
        model_name=f"balign {run.id}" if results else None,
        eval_results=results or None,
    )
    return f"---\n{data.to_yaml()}\n---"


def _scores(report: RunReport) -> str:
    """The groups as a table, and the published accuracies in a sentence."""
    rows = [HEAD, "|---|---:|---:|---:|---:|---:|---|---:|---|"]
    for _, (title, _), group in report.named():
        change = group.alignment_change
        cells = (
            title,
            str(group.n),
            formats.percent(group.accuracy_before),
            formats.percent(group.accuracy_after),
            formats.decimal(group.alignment_before),
            formats.decimal(group.alignment_after),
            f"{formats.signed(change.mean)} {formats.between(change.low, change.high)}",
            formats.p_value(change.p),
            group.verdict,
        )
        rows.append("| " + " | ".join(cells) + " |")
    rows.append(f"\nScored by {_text(report.scorer)}, the same prompts and the same noise before and after.")
    for key, (title, term) in RATES.items():
        if getattr(report, key) is not None:
            rows[-1] += f" {title} ({term}): {formats.percent(getattr(report, key))}."
    return "\n".join(rows)


def _use(base: Entry, form: str) -> str:
    """How the weights beside the card are used."""
    source = json.dumps(f"assets/models/{base.id}" if base.bundled else base.id)
    part = "transformer" if base.family == "DiT" else "unet"
    if form == "pipeline":
        loaded = [f"pipeline = DiffusionPipeline.from_pretrained({json.dumps(FOLDER)})"]
        about = "The folder is the whole pipeline, in fp32."
    elif form == "lora":
        loaded = [
            f"pipeline = DiffusionPipeline.from_pretrained({source})",
            f'pipeline.load_lora_weights({json.dumps(FOLDER)}, weight_name="lora.safetensors")',
        ]
        about = "A1111, Forge and ComfyUI take `lora.safetensors` as any LoRA of the base model, at weight 1."
    elif form == "checkpoint":
        return (
            "`whole-model.safetensors` is the whole model under the names of its first release, for the folder "
            "`models/Stable-diffusion` of A1111 and Forge or `models/checkpoints` of ComfyUI, and for diffusers' "
            "`from_single_file`."
        )
    else:
        loaded = [
            "from safetensors.torch import load_file",
            "",
            f"pipeline = DiffusionPipeline.from_pretrained({source})",
            f'pipeline.{part}.load_state_dict(load_file("erased.safetensors"), strict=False)',
        ]
        about = (
            "`erased.safetensors` holds only the weights that changed, by the names of diffusers: no program but "
            "diffusers opens it. A folder with `model_index.json` beside this card is the whole pipeline instead, and "
            "is loaded by `from_pretrained` alone."
        )
    code = "\n".join(["from diffusers import DiffusionPipeline", *loaded])
    return f"```python\n{code}\n```\n\n{about}"


def _text(words: str) -> str:
    """A stranger's words as words: no markup and no markdown."""
    return SPECIAL.sub(r"\\\1", escape(" ".join(words.split()), quote=False))
