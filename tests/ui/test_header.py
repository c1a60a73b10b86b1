"""The head of the page tells the truth about where it is."""

import pytest

from balign.ui import header, studio


def test_on_ones_own_machine_there_is_no_banner() -> None:
    assert header.header(studio.HEADER) == studio.HEADER
    assert header.OWN_MACHINE in studio.HEADER


@pytest.mark.usefixtures("public")
def test_in_public_it_says_that_the_machine_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    head = header.header(studio.HEADER)
    assert "Nothing you type leaves it" not in head
    assert "are deleted after 3 days" in head
    assert "Duplicate" not in head
    monkeypatch.setenv("SPACE_ID", "somebody/balign")
    assert 'href="https://huggingface.co/spaces/somebody/balign?duplicate=true"' in header.header(studio.HEADER)


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize("space", ['a"><script>alert(1)</script>/b', "a", "a/b/c", "javascript:x/y", "a/b\n"])
def test_what_is_no_space_has_no_button(space: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", space)
    head = header.header(studio.HEADER)
    assert "Duplicate" not in head
    assert "<script" not in head
