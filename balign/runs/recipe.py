"""A recipe: the config of a run as one toml file, of which each run makes a folder of its own."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.prompt_lists import settled

SUFFIX = ".toml"


def read(path: Path, changes: Mapping[str, Any] | None = None) -> RunConfig:
    """The config in this file, with these settings in place of its own. Raises Refusal of one sentence."""
    try:
        values = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise Refusal(f"{path} cannot be read ({error.strerror}); name a file of settings.") from None
    except ValueError as error:  # neither utf-8 nor toml
        raise Refusal(f"{path.name} is not readable toml: {' '.join(str(error).split())}.") from None
    return settled(RunConfig.parse(values | dict(changes or {})), "the field kind")
