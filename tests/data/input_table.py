"""The table of inputs: what people type, what is understood, the first prompts of each group and the remarks.

`python -m tests.data.input_table` writes it anew; then every line that changed is to be read, since none may be silly.
"""

import json
from pathlib import Path
from typing import Any

from balign.data.lists import split_prompts
from balign.data.meaning import understand
from balign.data.prompts import build
from balign.data.targets import resolve
from balign.refusal import Refusal
from balign.runs.config import Concept, RunConfig
from balign.runs.typed_lists import concepts

FILE = Path(__file__).with_name("inputs.json")
SHOWN = 3
"""Prompts of each group."""


def row(given: dict[str, Any]) -> dict[str, Any]:
    """What comes of an input: a refusal or a question, or what was understood, with prompts and remarks."""
    lexicon = given.get("lexicon", "objects")
    try:
        listed = concepts([given["erase"]], given.get("kind", ()), "emoji" if lexicon == "emoji" else "owner/name")
        config = RunConfig.parse({"erase": [each.model_dump() for each in listed]})
        meant = [understand(each.name, lexicon, each.kind) for each in config.erase]
        if unsure := [meaning for meaning in meant if meaning.unsure]:
            return {"asks": [f"{m.words[0].name}: {', '.join(m.unsure[:3])}" for m in unsure]}
        settled = [
            each
            if lexicon == "emoji" or m.words[0] in m.lexicon.words.get("object", {}).values()
            else Concept(**each.model_dump() | {"kind": m.kind})
            for each, m in zip(config.erase, meant, strict=True)
        ]
        sets = build(resolve(settled, split_prompts(given.get("keep", "")), lexicon), n_forget=8, n_retain=8, n_test=6)
    except Refusal as refusal:
        return {"refused": str(refusal)}
    prompts = {"forget": sets.forget, "instead": sets.anchor, "retain": sets.retain}
    tests = {name: [test.prompt for test in group] for name, group in sets.tests.items()}
    return {
        "understood": [f"{m.kind}: {', '.join(word.name for word in m.words[:2])}" for m in meant],
        "remarks": sets.warnings,
        **{name: group[:SHOWN] for name, group in {**prompts, **tests}.items()},
    }


def read() -> list[dict[str, Any]]:
    """The rows of the file: an input under `given`, and the rest as `row` makes it."""
    rows: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return rows


if __name__ == "__main__":
    rows = [{"given": each["given"], **row(each["given"])} for each in read()]
    lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in rows)
    FILE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
