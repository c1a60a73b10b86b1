"""The command line: erase, run, evaluate, export, try, attack and so on. Its flags are those of the config, by tyro.

A refusal or an error of the disk is one sentence on standard error and exit code 2; any other error is a traceback.
"""

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, TypedDict, get_args, get_origin

import tyro
from rich.markup import escape

from balign import plain_text, telemetry
from balign.data import prompt_file
from balign.plain_file import expanded
from balign.refusal import Refusal
from balign.runs import prompt_lists, recipe, resizing, typed_lists
from balign.runs.config import MAX_KEEP, Options, RunConfig
from balign.runs.folder import Run, runs_root
from balign.runs.own_entries import MAX_TESTS, TestPrompt
from balign.runs.picture_lists import own_pictures_of
from balign.runs.tryout.exports import FOLDER
from balign.runs.tryout.store import DrawingFailed
from balign.terminal import Terminal, complain, gentle_interrupt, show

Folder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="the run's folder")]
Folders = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER...", help_behavior_hint="")]
STOPPED = 130


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
    return _follow(Run.create(config, pictures=pictures))


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
            code = max(code, _follow(opened))
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

    return _follow(more_steps.begin(_open(folder), steps))


def evaluate(folder: Folder, /, scorer: str | None = None, tests: Path | None = None) -> int:
    """Judge a run's erased weights again and rewrite its report.

    Args:
        scorer: another CLIP model to score with, such as ViT-L-14/laion2b_s32b_b82k.
        tests: another file of your own prompts to test on, with seeds; left out, those it was judged on last.
    """
    from balign.runs.engine import execute

    opened = _open(folder)
    return show(opened, execute.evaluate(opened, scorer, _tests(tests)))


def _tests(path: Path | None) -> tuple[TestPrompt, ...] | None:
    """The prompts of a file to test on; None without one."""
    if path is None:
        return None
    found = prompt_file.read(path, MAX_TESTS)
    for remark in found.remarks:
        Terminal().sentence(remark)
    return tuple(TestPrompt(**prompt._asdict()) for prompt in found.prompts)


def export(
    folder: Folder,
    /,
    out: Path | None = None,
    form: Literal["pipeline", "checkpoint", "changed"] | None = None,
    strength: float = 1.0,
    lora: int | None = None,
) -> int:
    """Write the erased model as a diffusers folder, as one checkpoint file, or the change alone, also as a LoRA.

    Args:
        out: where to write; left out, a name inside the run's folder.
        form: pipeline, a whole diffusers folder (default); checkpoint, the whole model in one .safetensors for A1111,
            Forge and ComfyUI; changed, the changed weights alone in one .safetensors.
        strength: how much of the erasure to apply: 0 none, 1 all.
        lora: write a LoRA of this rank instead, for diffusers, A1111, Forge or ComfyUI; what the rank cannot hold is
            lost.
    """
    from balign.runs.engine import exporting

    opened, say = _open(folder), Terminal().sentence
    if lora is not None and form is not None:
        raise Refusal(f"form is {form!r} and --lora is given; a LoRA is a form of its own, so give one of the two.")
    target = expanded(out) if out else None
    with _shown(opened, "export", target is not None and target.parent == opened.path / FOLDER):
        if lora is None:
            return _wrote(exporting.export(opened, target, form or "pipeline", strength, say))
        target = target or opened.path / "lora.safetensors"
        share = exporting.export_lora(opened, target, lora, strength, say)
        say(f"Rank {lora} holds {100 * share:.1f} % of the change; the rest is not in the file.")
        return _wrote(target)


def push(
    folder: Folder,
    name: Annotated[str, tyro.conf.Positional],
    /,
    what: Literal["pipeline", "checkpoint", "lora", "report"] = "pipeline",
    strength: float = 1.0,
    rank: int = 8,
    private: bool = False,
    token_stdin: bool = False,
) -> int:
    """Put the erased model on the Hugging Face hub with its card, or the report as a page (a static Space).

    The token is that of HF_TOKEN or `hf auth login`, or is asked for or read as told; balign stores it nowhere.

    Args:
        name: the repository, owner/name; it is made if there is none.
        what: pipeline, the whole diffusers folder; checkpoint, one file for A1111, Forge and ComfyUI; lora; report.
        strength: how much of the erasure to apply: 0 none, 1 all.
        rank: of the LoRA.
        private: whether a repository that is made is private.
        token_stdin: read the token, and no other, from a line of standard input, as the studio gives it.
    """
    from balign.models import upload
    from balign.runs.engine import push as pushing
    from balign.runs.tryout.exports import note_push

    opened, terminal = _open(folder), Terminal()
    if token_stdin:
        token = sys.stdin.readline()
    else:
        token = upload.token() or (getpass("Token of the hub, with write access: ") if sys.stdin.isatty() else "")
    if not token.strip():
        raise Refusal("No token of the hub was found; set HF_TOKEN, or log in with `hf auth login`.")
    with _shown(opened, "push", token_stdin):
        page = pushing.push(
            opened, name, what, token.strip(), strength=strength, rank=rank, private=private, say=terminal.sentence
        )
        note_push(opened, what, page)
    terminal.sentence(f"Pushed to {page}")
    return 0


def _shown(opened: Run, verb: str, asked: bool) -> AbstractContextManager[object]:
    """Within it the page shows that this is done, and why it failed; for what it asked for."""
    if not asked:
        return nullcontext()
    from balign.runs.tryout import redraw

    return redraw.drawing(opened, verb)


def try_(folder: Folder, /, prompt: str, seed: int = 0, images: int = 4) -> int:
    """Draw your own prompt with the model before and after erasing, from the same noise.

    Args:
        prompt: what to draw.
        seed: the seed of the first image; the others take the seeds after it.
        images: how many, 1 to 8.
    """
    from balign.runs.tryout import redraw, store

    request = store.PromptRequest.parse(prompt=prompt, seed=seed, images=images)
    return _wrote(redraw.draw_try(_open(folder), request))


def strength(folder: Folder, /) -> int:
    """Draw a few test prompts with more and less of the change, from none of it to half more than all."""
    from balign.runs.tryout import redraw

    return _wrote(redraw.draw_strengths(_open(folder)))


def probe(folder: Folder, /) -> int:
    """Draw what was erased by other words than its name, and report which pictures still show it."""
    from balign.runs.tryout import redraw

    return _wrote(redraw.draw_probes(_open(folder)))


def attack(
    folder: Folder,
    /,
    attacks: tuple[str, ...] = (),
    control: str | None = None,
    tokens: tuple[int, ...] = (1, 2, 4),
    steps: int = 250,
    pictures: int = 24,
    seed: int = 0,
    concept: str | None = None,
    judge: str | None = None,
) -> int:
    """Try to bring back what was erased, from the weights, and report how often that succeeds; goes on if stopped.

    Args:
        attacks: which; left out, all of synonyms, rounding, null_text, inversion, relearn_kept, relearn_concept.
        control: a model, mostly a folder, that never knew the concept, to be attacked the same way.
        tokens: how many tokens textual inversion learns; several are several attacks.
        steps: of textual inversion; relearning takes two fifths of them.
        pictures: drawn at every point.
        seed: everything random follows from it.
        concept: which of the erased concepts; left out, the first.
        judge: a second scorer, beside that of the report.
    """
    from balign.attack import attacker
    from balign.runs.tryout import attack_store
    from balign.terminal import attack_point, attack_table

    request = attack_store.AttackRequest.parse(
        concept=concept,
        attacks=attacks or attack_store.CHOICES,
        tokens=tokens,
        steps=steps,
        pictures=pictures,
        seed=seed,
        control=control,
        judge=judge,
    )
    opened = _open(folder)
    result = attacker.attack(opened, request, attack_point)
    Terminal().print(attack_table(result))
    return _wrote(opened.path / result.folder)


def compare(
    folders: Annotated[Folders, tyro.conf.arg(metavar="FOLDER...|GRID.toml")],
    /,
    out: Path | None = None,
    workers: int | None = None,
    ray: str | None = None,
    matrix: bool = False,
) -> int:
    """Compare runs: in which settings they differ, and what that did to the same pictures. Or do a grid of runs.

    A grid file crosses methods, models, concepts, seeds and settings; each cell is a run. Killed, it goes on where it
    was; begun several times on one folder, the processes share the work.

    Args:
        folders: the runs' folders, of which the others are compared with the first; or one grid file, a .toml.
        out: of a grid, the folder of its runs; left out, one of its name among the runs.
        workers: of a grid, how many cells are done at once here; left out, one a device. 0 only makes the tables.
        matrix: show what each run did to each concept instead: erased against tested, with intervals.
        ray: of a grid, the address of a Ray cluster that does the cells; its machines share the folder.
    """
    if len(folders) == 1 and folders[0].suffix == ".toml":
        return _grid(folders[0], out, workers, ray)
    if out is not None or workers is not None or ray is not None:
        raise Refusal("--out, --workers and --ray belong to a grid; name one grid file, a .toml.")
    from balign.runs.outcome import comparison as comparing
    from balign.runs.outcome.matrix import matrix as matrix_of
    from balign.terminal import comparison, matrix_table

    runs = [_open(folder) for folder in folders]
    if matrix:
        Terminal().print(matrix_table(matrix_of(runs)))
        return 0
    table = comparison(comparing.compare(runs))
    Terminal().print(escape(comparing.sentence(runs)), table, sep="\n", highlight=False)
    return 0


def _grid(path: Path, out: Path | None, workers: int | None, ray: str | None) -> int:
    """Do what is left of a grid, and print its table; 2 if a cell is not done."""
    from balign.grid.grid_file import Grid
    from balign.grid.overview import grid_table
    from balign.grid.whole_grid import do
    from balign.terminal import cell_ended

    if workers is not None and not 0 <= workers <= 1_000:
        raise Refusal(f"--workers is {workers}; 0 to 1,000 is accepted.")
    grid, terminal = Grid.read(expanded(path)), Terminal()
    root = expanded(out or runs_root() / grid.name).absolute()
    found, elsewhere = do(grid, root, workers, ray, cell_ended)
    terminal.print(grid_table(found, grid.compared_with))
    done = sum(row["done"] for row in found)
    also = f"; another process is at work on {len(elsewhere)}" if elsewhere else ""
    terminal.sentence(f"{done:,} of {len(found):,} cells are done{also}. Rows: {root / 'rows.jsonl'}")
    return 0 if done == len(found) else 2


def bundle(folder: Folder, /, out: Path | None = None) -> int:
    """Write a run as one zip: config, seeds, versions, prompts, metrics, pictures, weights, and their sha256.

    Args:
        out: where to write; left out, a zip named after the run, here.
    """
    from balign.runs.outcome import bundle as bundling

    opened = _open(folder)
    return _wrote(bundling.write(opened, expanded(out or f"balign-{opened.id}.zip")))


def reproduce(bundle: Annotated[Path, tyro.conf.Positional], /) -> int:
    """Repeat the run of a zip in a new run folder, and report whether the weights are the same, bit for bit.

    Args:
        bundle: the zip. Nothing in it is executed; the exit code is 1 if the weights differ.
    """
    from balign.runs.outcome import reproduce as reproducing
    from balign.runs.outcome import zip_check

    opened = reproducing.begin(zip_check.read(expanded(bundle)))
    code = _follow(opened)
    report = opened.report()
    if code or report is None or report.reproduces is None:
        return code
    Terminal().sentence(report.reproduces.words)
    return 0 if report.reproduces.equal else 1


def cache(model: str | None = None, older: float | None = None, hub: bool = False, clear: bool = False) -> int:
    """Show what the caches hold: drawn latents, curves of attacks, files from the hub. With --clear, delete it.

    Args:
        model: only what is kept of this model.
        older: only what was not used for so many days.
        hub: clear files from the hub too, which other programs may share; a named model's are cleared without it.
        clear: delete what is shown.
    """
    from balign.data import cache_contents, latent_cache

    terminal, found = Terminal(), cache_contents.contents(model, older)
    for entry in found:
        terminal.sentence(str(entry))
    most = cache_contents.size_of(latent_cache.most_bytes())
    kept = cache_contents.size_of(sum(entry.size for entry in found if entry.kind != "hub"))
    terminal.sentence(f"{kept} in {latent_cache.cache_folder()}; at most {most} are kept (BALIGN_CACHE_GB).")
    if clear:
        chosen = [entry for entry in found if entry.kind != "hub" or hub or model is not None]
        terminal.sentence(f"Deleted {cache_contents.size_of(cache_contents.clear(chosen))}.")
    return 0


def studio(host: str = "127.0.0.1", port: int = 7860) -> int:
    """Open the studio in a browser.

    Args:
        host: address to serve on; 0.0.0.0 lets other machines in.
        port: port to serve on.
    """
    from balign.host.disk import check_root
    from balign.ui.studio import launch

    check_root()
    launch(host, port)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    plain_text.guard_output()
    commands = (
        erase,
        run,
        more,
        evaluate,
        export,
        push,
        try_,
        strength,
        probe,
        attack,
        compare,
        bundle,
        reproduce,
        cache,
        studio,
    )
    try:
        _check(sys.argv[1:] if arguments is None else arguments)
        return tyro.extras.subcommand_cli_from_dict(
            {command.__name__.rstrip("_"): command for command in commands},
            prog="balign",
            description="Make a text-to-image model forget a concept and keep the rest.",
            args=arguments,
        )
    except (Refusal, DrawingFailed, OSError) as error:
        complain(str(error))
        return 2
    except KeyboardInterrupt:
        return STOPPED


def _check(arguments: list[str]) -> None:
    """Refuse an argument that could steer the terminal, before tyro quotes it."""
    for argument in arguments:
        if plain_text.harmless(argument) != argument:
            raise Refusal(f"The argument {argument[:80]!r} contains control characters; plain text is accepted.")


def _wrote(path: Path) -> int:
    Terminal().sentence(f"Wrote {path}")
    return 0


def _begun(path: Path, settings: dict[str, Any]) -> Run:
    """A new run of a recipe, or the run in this folder in other batches if some are given."""
    if path.suffix == recipe.SUFFIX:
        return Run.create(recipe.read(expanded(path), settings))
    opened = _open(path)
    return resizing.store(opened, resizing.resized(opened, settings))


def _open(folder: Path) -> Run:
    path = expanded(folder).absolute()
    path = path.resolve() if path.is_symlink() else path
    return Run.open(path, path.parent)


def _follow(opened: Run) -> int:
    if (processes := os.environ.get("WORLD_SIZE", "1")) not in ("", "0", "1"):
        raise Refusal(f"WORLD_SIZE is {processes}; a run is done by one process, so start it without a launcher.")
    from balign.runs.engine import execute
    from balign.runs.estimate import forecast
    from balign.runs.prompt_lists import model_remarks

    if opened.last_phase() is None:
        expected = forecast.summary(opened.config)  # empty for a config that cannot run: the run itself will say why
        for text in [expected, *model_remarks(opened.config)] if expected else ():
            Terminal().sentence(text)
    with gentle_interrupt(opened):
        return show(opened, execute.run(opened))
