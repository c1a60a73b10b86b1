"""The model card of an erased model: a README.md as a hub reads it, with the scores of the run and its limits.

It says what config.json and report.json say. Every text is escaped: concepts come from strangers. It needs no torch.
"""

import json
import math
import re
from collections.abc import Mapping
from html import escape
from typing import Any

from balign.method.objectives import settle
from balign.models.catalogue import Entry, find
from balign.runs.config import RunConfig
from balign.runs.folder import Run

GROUPS = {"erased": "Erased", "kept": "Kept", "neighbours": "Neighbours nobody listed"}
RATES = {
    "ua": "UA, erased images no longer recognised",
    "ira": "IRA, kept images of the same kind still recognised",
    "cra": "CRA, kept images of other kinds still recognised",
}
NONE = "\N{EN DASH}"
SPECIAL = re.compile(r"([\\`*_\[\]#|~$])")
LIMITS = """\
Erasing is not proof of absence: prompts found by an attack, or further training, may bring a concept back. The scores
are those of one CLIP model on the prompts of one run; they see what a picture is of, not counts or relations. The
ledger is a promise to first order about the images of each step, and no more. Weights derived from a base model come
under its licence."""


def card(run: Run, strength: float = 1.0) -> str:
    """The whole card; `strength` is how much of the change is in the weights beside it."""
    config, report = run.config, run.report() or {}
    settings, base = settle(config), base_model(config)
    names = ", ".join(f"{c.name} (replaced with {c.replace_with})" if c.replace_with else c.name for c in config.erase)
    row = settings.objective
    parts = [
        _front_matter(run, base, report),
        f"# {_text(base.name)} without {_text(names)}",
        f"Weights of {_text(base.id)} that were trained to forget **{_text(names)}** and to keep everything else, by "
        f"balign with the method *{_text(row.title)}*: {settings.steps} steps, seed {config.seed}, weights that moved: "
        f"{_text(settings.train)}. After {_text(row.cite)}.",
        _kept(config),
        _strength(strength),
        "## Scores",
        _scores(report),
        "## Use",
        _use(base),
        "## Limits",
        LIMITS,
        "## Licence",
        f"The base model's: {_text(base.licence)}.",
        _versions(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def base_model(config: RunConfig) -> Entry:
    """What is known of the base model; of a folder that is not here any more, its name."""
    try:
        return find(config.model)
    except ValueError:
        return find("unknown/unknown")


def _front_matter(run: Run, base: Entry, report: Mapping[str, Any]) -> str:
    """The yaml at the head. Every value is written as json, which is yaml too."""
    metrics = [
        {"type": key, "name": name, "value": round(float(report[key]), 4)}
        for key, name in RATES.items()
        if _known(report.get(key))
    ]
    for name, group in _groups(report).items():
        mean: Any = (group.get("alignment_change") or {}).get("mean")
        if _known(mean):
            label = f"{GROUPS[name]}: mean change of CLIP alignment by {report.get('scorer')}"
            metrics.append({"type": f"alignment_change_{name}", "name": label, "value": round(float(mean), 4)})
    facts: dict[str, Any] = {
        "license": "other",
        "license_name": base.licence,
        "base_model": base.id,
        "library_name": "diffusers",
        "pipeline_tag": "text-to-image",
        "tags": ["machine-unlearning", "concept-erasure", "balign"],
    }
    if metrics:
        task = {"type": "text-to-image"}
        data = {"type": "balign", "name": "prompts and seeds of the run"}
        facts["model-index"] = [
            {"name": f"balign {run.id}", "results": [{"task": task, "dataset": data, "metrics": metrics}]}
        ]
    return "\n".join(["---", *(f"{name}: {json.dumps(value)}" for name, value in facts.items()), "---"])


def _kept(config: RunConfig) -> str:
    if not config.keep:
        return ""
    shown, more = config.keep[:20], len(config.keep) - 20
    return f"Kept on purpose: {_text('; '.join(shown))}{f' and {more:,} more' if more > 0 else ''}."


def _strength(strength: float) -> str:
    if strength == 1:
        return ""
    return f"**These weights hold {strength:g} times the change.** The scores below are of the whole change, 1."


def _scores(report: Mapping[str, Any]) -> str:
    if not report:
        return "This run has no report yet, so nothing is claimed."
    rows = [
        "| Group | Images | Recognised before | after | Alignment before | after | Change, 95 % interval | p |",
        "|---|---:|---:|---:|---:|---:|---|---:|",
    ]
    for name, group in _groups(report).items():
        change = group.get("alignment_change") or {}
        cells = (
            GROUPS[name],
            group.get("n") if _known(group.get("n")) else NONE,
            _share(group.get("accuracy_before")),
            _share(group.get("accuracy_after")),
            _number(group.get("alignment_before")),
            _number(group.get("alignment_after")),
            f"{_number(change.get('mean'), '+.3f')} ({_number(change.get('low'), '+.3f')} to "
            f"{_number(change.get('high'), '+.3f')})",
            _number(change.get("p")),
        )
        rows.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    rates = "; ".join(f"{name}: {_share(report.get(key))}" for key, name in RATES.items() if _known(report.get(key)))
    scorer = _text(str(report.get("scorer")))
    return "\n".join(rows) + f"\n\nScored by {scorer}, the same prompts and the same noise before and after. {rates}."


def _groups(report: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    groups = report.get("groups")
    found = groups if isinstance(groups, dict) else {}
    return {name: found[name] for name in GROUPS if isinstance(found.get(name), dict)}


def _use(base: Entry) -> str:
    source = f"assets/models/{base.id}" if base.bundled else base.id
    return (
        "```python\nfrom diffusers import StableDiffusionPipeline\nfrom safetensors.torch import load_file\n\n"
        f"pipeline = StableDiffusionPipeline.from_pretrained({json.dumps(source)})\n"
        'pipeline.unet.load_state_dict(load_file("erased.safetensors"), strict=False)\n```\n\n'
        "`erased.safetensors` holds only the weights that changed. A folder with `model_index.json` beside this card "
        "is the whole pipeline instead, and is loaded by `from_pretrained` alone."
    )


def _versions(report: Mapping[str, Any]) -> str:
    versions = report.get("versions")
    if not isinstance(versions, dict) or not versions:
        return ""
    return "Made with " + ", ".join(f"{_text(str(name))} {_text(str(v))}" for name, v in versions.items()) + "."


def _text(words: str) -> str:
    """Words of a stranger as words: no markup and no markdown."""
    return SPECIAL.sub(r"\\\1", escape(" ".join(words.split()), quote=False))


def _known(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(value: Any, form: str = ".3f") -> str:
    return format(value, form) if _known(value) else NONE


def _share(value: Any) -> str:
    return f"{100 * value:.0f} %" if _known(value) else NONE
