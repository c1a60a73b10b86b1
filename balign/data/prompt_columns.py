"""What the columns of prompts and of seeds are called in files, and a prompt with its seed."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

COLUMNS = (
    "prompt",
    "prompts",
    "text",
    "caption",
    "captions",
    "sentence",
    "description",
    "adv_prompt",
    "sensitive prompt",
)
"""Names of a column of prompts, the likeliest first; case, _ and - make no difference."""
SEEDS = ("evaluation_seed", "sd_seed", "seed", "image_seed", "noise_seed")
MOST_SEED = 2**31
NO_PROMPT = re.compile(r"negative|toxic|seed|len|num|count|source|id$|file")
"""In the names of columns that are about prompts."""


class FilePrompt(NamedTuple):
    """One prompt of a file, and the seed that stands beside it."""

    prompt: str
    seed: int | None = None


def prompt_column(names: Sequence[str]) -> str | None:
    """The name of the column of prompts: one of COLUMNS, else the first that is about nothing else."""
    plain = {plain_name(name): name for name in reversed(names)}
    exact = next((plain[plain_name(name)] for name in COLUMNS if plain_name(name) in plain), None)
    near = (
        name for key, name in reversed(plain.items()) if re.search(r"prompt|caption", key) and not NO_PROMPT.search(key)
    )
    return exact if exact is not None else next(near, None)


def plain_name(name: str) -> str:
    """The name of a column as it is compared."""
    return re.sub(r"[\s_-]", "", name.strip().strip("\"'").lower())


def one_line(text: str) -> str:
    """The text without line breaks and without the quotes around it."""
    return " ".join(text.split()).strip().strip('"').strip()


def seed_of(value: Any) -> int | None:
    """The seed that a cell holds, below MOST_SEED; None if it holds none."""
    try:
        whole = isinstance(value, int) or (isinstance(value, str) and value.strip().isdigit())
        seed = int(value) if whole else int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None
    return seed if 0 <= seed < MOST_SEED else seed % MOST_SEED if seed > 0 else None
