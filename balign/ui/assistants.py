"""What an assistant is answered: the sentence that says what it means first, a picture where there is one, the values.

Gradio's tools answer with the values alone, as text. What `gradio_client` is answered stays as it is.
"""

import base64
import io
import re
from pathlib import Path
from typing import Any

from PIL import Image

from balign.refusal import Refusal
from balign.runs.folder import find
from balign.runs.outcome.link_card import link_card
from balign.ui import files

READING = "reading"
"""The key of the sentence in what an endpoint answers."""
ADDRESS = re.compile(r"files/(?P<run>[\w-]+)/(?P<name>[\w./-]+)(\?v=\w+)?", re.ASCII)
GAP = 8
"""Pixels between the two pictures of a pair."""
SMALLEST = 256
"""Pixels of a picture's side below which it is enlarged."""


def contents(data: Any, types: Any) -> list[Any]:
    """The sentences and pictures of an answer, to stand before its values; types: the module ``mcp.types``."""
    told = [output for output in data if isinstance(output, dict) and READING in output]
    sentences = [types.TextContent(type="text", text=output[READING]) for output in told]
    pictures = [base64.b64encode(png).decode() for output in told if (png := picture(output))]
    return [*sentences, *(types.ImageContent(type="image", data=png, mimeType="image/png") for png in pictures)]


def picture(answer: dict[str, Any]) -> bytes | None:
    """The picture of an answer as png: both of a pair side by side, or some of what the run of a report erased."""
    if "before" in answer:
        sides = [_file(answer[side]) for side in ("before", "after")]
        return _side_by_side([side for side in sides if side]) if all(sides) else None
    run = find(answer.get("run")) if "report" in answer and isinstance(answer["report"], dict) else None
    try:
        return link_card(run) if run else None
    except (Refusal, OSError):
        return None


def _file(address: object) -> Path | None:
    found = ADDRESS.fullmatch(address) if isinstance(address, str) else None
    return files.locate(found["run"], found["name"]) if found else None


def _side_by_side(paths: list[Path]) -> bytes:
    pictures = [Image.open(path).convert("RGB") for path in paths]
    times = max(1, SMALLEST // min(pictures[0].size))
    pictures = [each.resize((each.width * times, each.height * times), Image.Resampling.NEAREST) for each in pictures]
    whole = Image.new("RGB", (sum(each.width for each in pictures) + GAP, pictures[0].height), "white")
    whole.paste(pictures[0], (0, 0))
    whole.paste(pictures[1], (pictures[0].width + GAP, 0))
    buffer = io.BytesIO()
    whole.save(buffer, "PNG")
    return buffer.getvalue()
