"""Where the finished runs lie that ship with the project: everybody may look at them, nobody may change them."""

from pathlib import Path

from balign.plain_file import is_file

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "examples"
READ_ONLY = "{} is a finished example, to be looked at and not changed; erase something yourself to have your own run."


def paths() -> list[Path]:
    """The folders of the examples, by name."""
    return sorted(path.parent for path in FOLDER.glob("*/config.json") if is_file(path))
