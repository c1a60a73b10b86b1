"""Commands that look closer at finished runs: own prompts, strengths, probes, attacks, comparisons."""

from pathlib import Path
from typing import Annotated

import tyro
from rich.markup import escape

from balign.cli.command_parts import Folder, Folders, opened_run, wrote
from balign.plain_file import expanded
from balign.refusal import Refusal
from balign.runs.folder import runs_root
from balign.terminal import Terminal


def try_(folder: Folder, /, prompt: str, seed: int = 0, images: int = 4) -> int:
    """Draw your own prompt with the model before and after erasing, from the same noise.

    Args:
        prompt: what to draw.
        seed: the seed of the first image; the others take the seeds after it.
        images: how many, 1 to 8.
    """
    from balign.runs.tryout import redraw, store

    request = store.PromptRequest.parse(prompt=prompt, seed=seed, images=images)
    return wrote(redraw.draw_try(opened_run(folder), request))


def strength(folder: Folder, /) -> int:
    """Draw a few test prompts with more and less of the change, from none of it to half more than all."""
    from balign.runs.tryout import redraw

    return wrote(redraw.draw_strengths(opened_run(folder)))


def probe(folder: Folder, /) -> int:
    """Draw what was erased by other words than its name, and report which pictures still show it."""
    from balign.runs.tryout import redraw

    return wrote(redraw.draw_probes(opened_run(folder)))


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
    opened = opened_run(folder)
    result = attacker.attack(opened, request, attack_point)
    Terminal().print(attack_table(result))
    return wrote(opened.path / result.folder)


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

    runs = [opened_run(folder) for folder in folders]
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
