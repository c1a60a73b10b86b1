"""The head of the page tells the truth about where it is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from balign.host.limits import public
from balign.ui.studio import header, options

ROOT = Path(__file__).parents[2]


def test_on_your_own_machine_there_is_no_banner() -> None:
    head = header()
    assert "Everything runs on this machine. Of what you type, only the name of a model on the hub leaves it." in head
    assert "<aside" not in head


@pytest.mark.parametrize(
    "where", [{"GRADIO_SERVER_NAME": "0.0.0.0"}, {"GRADIO_SHARE": "True"}, {"SPACE_ID": "somebody/balign"}]
)
def test_where_others_reach_what_is_yours_it_says_so(where: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ({"BALIGN_PUBLIC": "0"} | where).items():
        monkeypatch.setenv(name, value)
    head = " ".join(header().split())
    assert "Whoever can reach it sees every run and may do everything." in head
    assert "Nothing you type leaves it" not in head
    monkeypatch.delenv("BALIGN_PUBLIC")
    assert "Everything runs on this shared machine." in header()


@pytest.mark.parametrize(("given", "expected"), [({"host": "0.0.0.0"}, True), ({"host": "127.0.0.1"}, False)])
def test_where_it_is_served_decides(given: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_SERVER_NAME", "127.0.0.1")
    monkeypatch.setenv("GRADIO_SHARE", "")
    assert options(**given)["share"] is False
    assert public() is expected
    assert options("127.0.0.1", share=True)["share"] is True
    assert public()


@pytest.mark.parametrize("said", ["maybe", "2"])
def test_a_word_that_says_nothing_ends_it_in_a_sentence(said: str) -> None:
    known = os.environ | {"BALIGN_PUBLIC": said}
    ended = subprocess.run([sys.executable, "app.py"], cwd=ROOT, env=known, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1].startswith(f"BALIGN_PUBLIC is '{said}'; accepted are 1, true")
    assert "Traceback" not in ended.stderr


@pytest.mark.usefixtures("public")
def test_in_public_it_says_that_the_machine_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    head = header()
    assert "Nothing you type leaves it" not in head
    assert "Everything runs on this shared machine." in head
    assert "are deleted after 3 days" in head
    assert "Duplicate" not in head
    monkeypatch.setenv("SPACE_ID", "somebody/balign")
    assert 'href="https://huggingface.co/spaces/somebody/balign?duplicate=true"' in header()


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize("space", ['a"><script>alert(1)</script>/b', "a", "a/b/c", "javascript:x/y", "a/b\n"])
def test_what_is_no_space_has_no_button(space: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", space)
    head = header()
    assert "Duplicate" not in head
    assert "<script" not in head
