"""A collateral matrix on the bundled model: each concept erased in a run of its own, all tested on the same prompts.

    python -m benchmarks.collateral                              # six concepts, the default method, one seed
    python -m benchmarks.collateral --concepts cat dog --method redirect

Every run is a folder under --out and is found by its config: a finished one is read, an interrupted one continued. The
table is that of `balign compare --matrix`; the same folders selected in the Runs tab show it with the pictures.
"""

import argparse
from pathlib import Path

from balign.data.lexicon import load
from balign.data.prompts import build
from balign.data.targets import resolve
from balign.runs.config import RunConfig
from balign.runs.folder import list_runs
from balign.runs.outcome.matrix import matrix
from balign.terminal import Terminal, matrix_table
from benchmarks.erase import finished

CONCEPTS = ("cat", "dog", "pizza", "guitar", "ink", "blue")


def prompts(concepts: list[str], each: int) -> list[dict[str, object]]:
    """Test prompts of each concept, with their seeds: what a run that erases it is tested on."""
    lexicon = load("emoji")
    listed = []
    for concept in concepts:
        word = lexicon.find(concept)
        if word is None:
            raise SystemExit(f"The bundled model does not know {concept!r}.")
        tests = build(resolve([word.name]), n_test=each).erased_test
        listed += [{"prompt": test.prompt, "seed": 40_000 + k} for k, test in enumerate(tests)]
    return listed


def main() -> None:
    """Do the runs that are missing, and print the matrix."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--concepts", nargs="+", default=list(CONCEPTS))
    parser.add_argument("--method")
    parser.add_argument("--each", type=int, default=24, help="test prompts of each concept")
    parser.add_argument("--out", type=Path, default=Path("runs/collateral"))
    options = parser.parse_args()
    tests = prompts(options.concepts, options.each)
    configs = [RunConfig.parse({"erase": [c], "method": options.method, "tests": tests}) for c in options.concepts]
    for config in configs:
        finished(config, options.out)
    known = list_runs(options.out)
    Terminal().print(matrix_table(matrix([next(run for run in known if run.config == config) for config in configs])))


if __name__ == "__main__":
    main()
