"""Text that shows something is accepted in every script; what could steer a terminal or forge a log is escaped."""

import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balign.plain_text import PlainRecord, check, harmless, without_folders
from balign.refusal import Refusal
from balign.runs.config import Concept, RunConfig
from balign.runs.folder import Run
from balign.runs.tryout.store import PromptRequest
from balign.ui import form

SEEN = (
    "cat",
    "naïve café",
    "e\u0301clair",
    "👩‍👩‍👧‍👦",
    "👨🏽‍🚀",
    "🏳️‍🌈",
    "❤️‍🔥",
    "👁️‍🗨️",
    "1️⃣",
    "🇩🇪",
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "\U0001fae8",  # a face of Unicode 15, which Python 3.11 does not know
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # a Persian word of two joined parts
    "क्\u200dष",
    "क्\u200cष",
    "ශ්\u200dරී",
    "അവന്\u200d",
    "גָּמָל",
    "猫",
    "⠉⠁⠞",
)
UNSEEN = (
    "\u3164",
    "\u2800",
    "\u115f\u1160",
    "\uffa0",
    "\u0301",
    "\u0301\u0302",
    "\u093e",
    "\u20dd",
    "\ufe0f",
    "\U000e0100",
    "\u034f",
    "\u200d",
    "\u200c\u200d",
    "\u3164 \u2800",
    "\U0001d159",
)
STEERING = (
    "cat\x00",
    "\x1b[2J",
    "\x9b31m",
    "c\u200dat",
    "\u200dcat",
    "\u202etac",
    "\u2066cat",
    "\u200bcat",
    "\ufeffcat",
    "\ud800",
    "\U000e0041\U000e0042",
    "🏴\U000e0067",
    "cat\u2060",
    "\u061ccat",
    "\u00ad",
)


@pytest.mark.parametrize("text", SEEN)
def test_what_can_be_seen_is_accepted_wherever_text_is(text: str, tmp_path) -> None:
    check(text)
    config = RunConfig.parse({"erase": [text], "keep": [f"a {text}"], "model": text, "scorer": text})
    assert RunConfig.parse(config.to_json()) == config
    assert Concept.parse(f"cat={text}").replace_with == text
    assert form.config({"erase": text, "keep": text}).keep == (text,)
    assert PromptRequest.parse(prompt=text).prompt == text
    run = Run.create(RunConfig.parse({"erase": ["cat"]}), tmp_path)
    run.rename(text)
    assert run.label == text
    assert harmless(text) == text


@pytest.mark.parametrize("text", [*UNSEEN, *STEERING])
def test_what_shows_nothing_or_something_else_is_refused_with_a_sentence(text: str, tmp_path) -> None:
    run = Run.create(RunConfig.parse({"erase": ["cat"]}), tmp_path)
    words = "shows nothing" if text in UNSEEN else "control characters|shows nothing"
    for refuse in (
        lambda: RunConfig.parse({"erase": [text]}),
        lambda: RunConfig.parse({"erase": ["cat"], "keep": [text]}),
        lambda: RunConfig.parse({"erase": ["cat"], "model": text}),
        lambda: RunConfig.parse({"erase": ["cat"], "scorer": text}),
        lambda: Concept.parse(f"cat={text}"),
        lambda: form.config({"erase": text}),
        lambda: PromptRequest.parse(prompt=text),
        lambda: run.rename(text),
    ):
        with pytest.raises(Refusal, match=f"({words}|accepted|unicode).*\\.$") as refusal:
            refuse()
        assert str(refusal.value).isprintable()
    assert run.label == ""


@given(st.text())
def test_nothing_harmful_is_left_and_what_is_harmless_stays(text: str) -> None:
    shown = harmless(text)
    assert harmless(shown) == shown
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)
    try:
        check(text)
    except ValueError:
        return
    assert shown == text


@given(st.text(), st.text())
def test_a_record_is_one_line_of_a_log_and_a_trace_is_indented(text: str, other: str) -> None:
    try:
        raise RuntimeError(text)
    except RuntimeError as error:
        record = PlainRecord("x", logging.ERROR, "", 0, "said %s", (other,), (RuntimeError, error, error.__traceback__))
    first, *trace = logging.Formatter("%(levelname)s %(message)s").format(record).split("\n")
    assert first.startswith("ERROR said ")
    assert trace[0].startswith("Traceback")
    assert all(line.startswith(" ") for line in trace[1:])
    assert harmless("\n".join([first, *trace])) == "\n".join([first, *trace])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("[Errno 2] No such file or directory: '/home/ann/runs/x/config.json'", "x/config.json'"),
        ("There is no /data/hub/models--a--b/snapshots/0f/unet/config.json; get it.", " unet/config.json; get it."),
        ("The weights file /tmp/erased.safetensors is torn", " erased.safetensors is torn"),
        ("see https://huggingface.co/owner/name/tree/main", "https://huggingface.co/owner/name/tree/main"),
        ("owner/name is 1/2 of it", "owner/name is 1/2 of it"),
    ],
)
def test_a_path_keeps_its_last_parts_alone(text: str, left: str) -> None:
    assert without_folders(text).endswith(left)
    assert not any(part in without_folders(text) for part in ("/home", "/data", "/tmp", "ann"))
