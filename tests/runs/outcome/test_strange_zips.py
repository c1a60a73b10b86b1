"""What a stranger may write into the texts of a zip: what is kept of it is checked, small and printable."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balign.host import listing
from balign.plain_text import harmless
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.outcome import reproduce, zip_check
from balign.runs.outcome.zip_check import MadeWith
from tests.runs.outcome.test_reproduce import Files, about, files, zipped

Fake = Callable[..., Run]
DEPTH = 985
"""Brackets that json reads from here and from nowhere deeper."""
LONG, ESCAPE = "x" * 101, "\x1b]0;owned\x07"


def text(**changes: object) -> Callable[[Files], Files]:
    return lambda f: f | {"bundle.json": about(f, **changes)}


def raw(name: str, content: bytes) -> Callable[[Files], Files]:
    return lambda f: f | {name: content}


def weights(header: bytes) -> Callable[[Files], Files]:
    return raw("erased.safetensors", len(header).to_bytes(8, "little") + header + b"\1\2")


def tensor(**changes: object) -> bytes:
    return json.dumps({"w": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]} | changes}).encode()


BAD = b'{"format": "balign bundle 1", "run": "20260101-000000-abcdefgh", %s}'
STRANGE: dict[str, Callable[[Files], Files]] = {
    "a version deep inside": raw("bundle.json", BAD % (b'"versions": {"x": ' + b"[" * DEPTH + b"]" * DEPTH + b"}")),
    "deep where nobody looks": raw("bundle.json", BAD % (b'"x": ' + b"[" * 90_000 + b"]" * 90_000)),
    "many versions": text(versions={f"v{k}": "1" for k in range(51)}),
    "a long version": text(versions={"python": LONG}),
    "a long name of a version": text(versions={LONG: "1"}),
    "a version that steers": text(versions={"python": f"3{ESCAPE}"}),
    "a name of a version that steers": text(versions={ESCAPE: "3"}),
    "a version that turns": text(versions={"python": "3\u202e11"}),
    "half a character": text(versions={"python": "\ud800"}),
    "a version that shows nothing": text(versions={"python": "\u3164"}),
    "a long device": text(device=LONG),
    "a device that steers": text(device="\x9b31m"),
    "a fingerprint of lines": text(fingerprint="a\nb"),
    "steps without end": text(steps=10**400),
    "steps of too many digits": raw("bundle.json", BAD % (b'"steps": ' + b"9" * 5_000)),
    "steps below none": text(steps=-1),
    "steps that are true": text(steps=True),
    "steps that are no number": raw("bundle.json", BAD % b'"steps": NaN'),
    "a key twice": raw("bundle.json", BAD % b'"steps": 1, "steps": 2'),
    "a byte order mark": raw("bundle.json", b"\xef\xbb\xbf" + BAD % b'"steps": 1'),
    "another encoding": raw("bundle.json", (BAD % b'"steps": 1').decode().encode("utf-16")),
    "a format that steers": raw("bundle.json", json.dumps({"format": ESCAPE}).encode()),
    "a format deep inside": raw("bundle.json", b'{"format": ' + b"[" * DEPTH + b"]" * DEPTH + b"}"),
    "a setting that steers": raw("config.json", json.dumps({"erase": ["cat"], ESCAPE: 1}).encode()),
    "a setting of lines": raw("config.json", json.dumps({"erase": ["cat"], "a\nINFO": 1}).encode()),
    "a setting deep inside": raw("config.json", b'{"erase": ["cat"], "steps": ' + b"[" * DEPTH + b"]" * DEPTH + b"}"),
    "a config with a key twice": raw("config.json", b'{"erase": ["cat"], "seed": 1, "seed": 2}'),
    "a config with no number": raw("config.json", b'{"erase": ["cat"], "guidance": Infinity}'),
    "a config with a mark": raw("config.json", b'\xef\xbb\xbf{"erase": ["cat"]}'),
    "a concept that steers": raw("config.json", json.dumps({"erase": [ESCAPE]}).encode()),
    "a model that steers": raw("config.json", json.dumps({"erase": ["cat"], "model": f"x{ESCAPE}"}).encode()),
    "a scorer that turns": raw("config.json", json.dumps({"erase": ["cat"], "scorer": "a\u202eb"}).encode()),
    "a model that shows nothing": raw("config.json", json.dumps({"erase": ["cat"], "model": "\u2800"}).encode()),
    "a device that is long": raw("config.json", json.dumps({"erase": ["cat"], "device": "x" * 9_000}).encode()),
    "a tensor deep inside": weights(b'{"w": ' + b"[" * DEPTH + b"]" * DEPTH + b"}"),
    "a tensor twice": weights(b"{" + tensor()[1:-1] + b", " + tensor()[1:]),
    "a tensor of another shape": weights(tensor(shape={"a": 1})),
    "a tensor of many sides": weights(tensor(shape=[1] * 17)),
    "a tensor without end": weights(tensor(shape=[10**300])),
    "a tensor with a note": weights(tensor(note=ESCAPE)),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_no_bundle_says_is_one_printable_sentence(fake: Fake, tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "strange.zip", STRANGE[name](files(fake())))
    with pytest.raises(Refusal, match=r"\.$") as refusal:
        zip_check.read(path)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 600


key = st.sampled_from(("format", "run", "steps", "device", "fingerprint", "versions", "x")) | st.text(max_size=5)
leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=120)
anything = st.recursive(leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner))
facts = st.dictionaries(key, anything) | st.builds(
    dict, steps=st.integers(-1, 6_000), device=st.text(), versions=st.dictionaries(st.text(max_size=110), st.text())
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts)
def test_whatever_is_kept_is_small_and_printable(fake: Fake, tmp_path: Path, values: dict[str, Any]) -> None:
    try:
        made_with = MadeWith.model_validate(zip_check._object(json.dumps(values).encode(), "bundle.json"))
    except ValueError:
        return
    run = Run(tmp_path)
    reproduce.note(run, zip_check.Bundle(None, "another run", "0" * 64, made_with))  # type: ignore[arg-type]
    kept = (tmp_path / reproduce.NOTE).read_text()
    assert len(kept) < reproduce.MAX_NOTE
    assert reproduce.original(run) is not None
    assert harmless(json.dumps(json.loads(kept), ensure_ascii=False)) == json.dumps(
        json.loads(kept), ensure_ascii=False
    )


@pytest.mark.parametrize(
    "content", [b'{"run": "x", "weights": "y", "versions": ' + b"[" * DEPTH, b" " * 9_000_000, b"\xff"]
)
def test_a_note_that_is_none_costs_nobody_the_list(fake: Fake, content: bytes) -> None:
    run, other = fake(), fake()
    (run.path / reproduce.NOTE).write_bytes(content)
    assert {entry.run.id for entry in listing.entries()} == {run.id, other.id}
    assert reproduce.original(run) is None


def test_the_digest_of_good_weights_is_what_it_was() -> None:
    header = b'{"__metadata__": {"a": "b"}, "w": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}}'
    digest = zip_check.digest(io.BytesIO(len(header).to_bytes(8, "little") + header + b"\1\2"))
    assert digest == "ff7caca18ed2e19ada64e547253c0b7af1c5b8ae813de69b45bef4614eb3d7ba"
