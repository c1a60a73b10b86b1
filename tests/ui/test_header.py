"""The head of the page tells the truth about where it is."""

import pytest

from balign.ui.studio import header


def test_on_your_own_machine_there_is_no_banner() -> None:
    head = header()
    assert "Everything runs on this machine. Nothing you type leaves it." in head
    assert "<aside" not in head


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
