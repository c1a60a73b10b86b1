"""Commands that begin a run or go on with one."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypedDict, get_args, get_origin

import tyro

from balign import telemetry
from balign.cli.command_parts import STOPPED, Folder, Folders, follow, opened_run
from balign.data import prompt_file
from balign.plain_file import expanded
from balign.refusal import Refusal
from balign.runs import prompt_lists, recipe, resizing, typed_lists
from balign.runs.config import MAX_KEEP, Options, RunConfig
from balign.runs.folder import Run
from balign.runs.own_entries import MAX_TESTS, TestPrompt
from balign.runs.picture_lists import own_pictures_of
from balign.terminal import Terminal, show


def _flags() -> Any:
    """The config's options as flags: only those that are set reach the config, which checks them."""
    flags = {}
    for name, field in Options.model_fields.items():
        kinds = [kind for kind in get_args(field.annotation) if kind is not type(None)]
        kind: Any = kinds[0] if kinds and type(None) in get_args(field.annotation) else field.annotation
        kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        hint = "" if field.default is None else f"(default: {field.default})"
        flags[name] = NotRequired[Annotated[kind, tyro.conf.arg(help=field.description, help_behavior_hint=hint)]]
    return TypedDict("Flags", flags)  # type: ignore[operator]


if TYPE_CHECKING:
    Flags = dict[str, Any]
else:
    Flags = _flags()


def erase(
    concepts: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="CONCEPT...", help_behavior_hint="")
    ],
    /,
    kind: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KIND...", help_behavior_hint="")] = (),
    keep: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PROMPT...", help_behavior_hint="")] = (),
    keep_file: Path | None = None,
    tests: Path | None = None,
    forget_pictures: Path | None = None,
    keep_pictures: Path | None = None,
    settings: Annotated[Flags, tyro.conf.OmitArgPrefixes] = {},  # noqa: B006
) -> int:
    """Erase concepts from a model, in a new run folder.

    Args:
        concepts: What to erase, such as `cat`. With methods that replace, `cat=dog` draws a dog instead of a cat.
        kind: What they are, where the words do not say it: thing, style, person, attribute, theme, place, background,
            category; one for all or one for each.
        keep: Prompts or words to keep on purpose, beside what is kept anyway.
        keep_file: A file of such prompts: one a line, a table with a column `prompt`, or json.
        tests: A file of your own prompts to test on, with seeds: a table with a column `prompt`, json, or one a line.
        forget_pictures: A zip or folder of your own pictures of it, learned from instead of drawn ones. Captions: text
            files beside them, a table `metadata.csv`, or their names.
        keep_pictures: The same of what is to be kept.
        settings: A setting that is left out has the default of the method or the model.
    """
    model = settings.get("model", Options.model_fields["model"].default)
    erased = typed_lists.concepts(concepts, kind, model)
    values = {**settings, "erase": [each.model_dump() for each in erased], "keep": typed_lists.prompts(keep)}
    config = prompt_lists.settled(RunConfig.parse({**values, "tests": _tests(tests) or ()}))
    if keep_file is not None:
        found = prompt_file.read(keep_file, MAX_KEEP - len(config.keep))
        more, left_out = prompt_lists.that_may_stay(found.texts, config)
        for remark in (*found.remarks, *filter(None, [left_out])):
            Terminal().sentence(remark)
        config = RunConfig.parse({**config.model_dump(), "keep": (*config.keep, *more)})
    config, pictures, remarks = own_pictures_of(config, forget_pictures, keep_pictures)
    for remark in remarks:
        Terminal().sentence(remark)
    return follow(_created(config, pictures))


def run(
    folders: Annotated[Folders, tyro.conf.arg(metavar="FOLDER...|RECIPE.toml")],
    /,
    tests: Path | None = None,
    settings: Annotated[Flags, tyro.conf.OmitArgPrefixes] = {},  # noqa: B006
) -> int:
    """Start a run, or continue it where it was stopped or killed; of a recipe, a .toml, a new run is made.

    Ctrl-C stops it: what there is is kept and compared.

    Args:
        folders: the run's folder or a recipe, or several to run one after another until one is stopped.
        tests: of a recipe, a file of your own prompts to test on, with seeds: a table, json, or one a line.
        settings: Of a recipe any setting, in place of its own. A run goes on with another batch_forget, batch_retain,
            micro_batch or gradient_checkpointing, and is else as it began.
    """
    if not folders:
        raise Refusal("No folder was given; name at least one run's folder, or a recipe.")
    new = any(folder.suffix == recipe.SUFFIX for folder in folders)
    fixed = sorted(settings.keys() - {*resizing.SIZES}) + ["tests"] * (tests is not None)
    if fixed and not new:
        raise Refusal(f"{fixed[0]} is given; of a run that has begun only {', '.join(resizing.SIZES)} can be changed.")
    own = {} if tests is None else {"tests": _tests(tests)}
    code, opened_all = 0, [_begun(folder, {**settings, **own}) for folder in folders]
    for opened in opened_all:
        if code != STOPPED:
            code = max(code, follow(opened))
        else:
            message = "Not started, because the run before it was stopped; running the folder starts it."
            telemetry.append(opened.path / "telemetry.jsonl", telemetry.Phase("stopped", 0, 1, 0.0, message))
    return code


def more(folder: Folder, /, steps: int) -> int:
    """Give a finished run some more steps, in a new run folder: the training goes on where it ended.

    Args:
        steps: how many, beside those that were taken.
    """
    from balign.runs.engine import more_steps

    return follow(more_steps.begin(opened_run(folder), steps))


def evaluate(folder: Folder, /, scorer: str | None = None, tests: Path | None = None) -> int:
    """Judge a run's erased weights again and rewrite its report.

    Args:
        scorer: another CLIP model to score with, such as ViT-L-14/laion2b_s32b_b82k.
        tests: another file of your own prompts to test on, with seeds; left out, those it was judged on last.
    """
    from balign.runs.engine import execute

    opened = opened_run(folder)
    return show(opened, execute.evaluate(opened, scorer, _tests(tests)))


def reproduce(bundle: Annotated[Path, tyro.conf.Positional], /) -> int:
    """Repeat the run of a zip in a new run folder, and report whether the weights are the same, bit for bit.

    Args:
        bundle: the zip. Nothing in it is executed; the exit code is 1 if the weights differ.
    """
    from balign.runs.outcome import reproduce as reproducing
    from balign.runs.outcome import zip_check

    opened = reproducing.begin(zip_check.read(expanded(bundle)))
    code = follow(opened)
    report = opened.report()
    if code or report is None or report.reproduces is None:
        return code
    Terminal().sentence(report.reproduces.words)
    return 0 if report.reproduces.equal else 1


def _tests(path: Path | None) -> tuple[TestPrompt, ...] | None:
    """The prompts of a file to test on; None without one."""
    if path is None:
        return None
    found = prompt_file.read(path, MAX_TESTS)
    for remark in found.remarks:
        Terminal().sentence(remark)
    return tuple(TestPrompt(**prompt._asdict()) for prompt in found.prompts)


def _created(config: RunConfig, pictures: Mapping[str, bytes] | None = None) -> Run:
    """A new run, if it can be done on this machine."""
    from balign.runs.engine import job

    job.check(config)
    return Run.create(config, pictures=pictures)


def _begun(path: Path, settings: dict[str, Any]) -> Run:
    """A new run of a recipe, or the run in this folder in other batches if some are given."""
    if path.suffix == recipe.SUFFIX:
        return _created(recipe.read(expanded(path), settings))
    opened = opened_run(path)
    return resizing.store(opened, resizing.resized(opened, settings))
