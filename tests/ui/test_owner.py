"""Whose a run is: nobody's business on one's own machine, and on a public one only the owner's."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from balign.run.folder import Run
from balign.ui import owner
from balign.ui.owner import Visitor

New = Callable[..., Run]
ANN, BOB = Visitor("a" * 43), Visitor("b" * 43)


def test_on_ones_own_machine_every_run_is_everybodys(new_run: New) -> None:
    run = new_run()
    assert owner.owns(run, Visitor())
    assert owner.opens(run, None)
    assert owner.stored(run.id, ANN) == {"run": run.id}
    assert owner.with_secret(Visitor()) == Visitor()


@pytest.mark.usefixtures("public")
def test_in_public_only_the_owner_owns(new_run: New) -> None:
    run, another = new_run(), new_run()
    owner.sign(run, ANN)
    owner.sign(another, ANN)
    assert owner.owns(run, ANN)
    assert not owner.owns(run, BOB)
    assert not owner.owns(run, Visitor())
    assert not owner.owns(new_run(), Visitor())  # one of the command line
    assert ANN.secret not in (run.path / owner.FILE).read_text()
    assert (run.path / owner.FILE).read_text() != (another.path / owner.FILE).read_text()


@pytest.mark.usefixtures("public")
def test_the_key_of_a_download_opens_one_run(new_run: New) -> None:
    run, another = new_run(), new_run()
    assert owner.key(run) == ""
    assert not owner.opens(run, "")
    owner.sign(run, ANN)
    owner.sign(another, ANN)
    assert owner.opens(run, owner.key(run))
    assert not owner.opens(another, owner.key(run))
    for wrong in (None, "", 7, owner.key(run)[:-1], "é", (run.path / owner.FILE).read_text()):
        assert not owner.opens(run, wrong)


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize("written", ["", "x", "é" * 64, "A" * 64, "a" * 65])
def test_a_marker_that_was_tampered_with_owns_nothing(new_run: New, written: str) -> None:
    run = new_run()
    (run.path / owner.FILE).write_text(written)
    assert not owner.owns(run, ANN)
    assert owner.key(run) == ""


@pytest.mark.usefixtures("public")
def test_a_secret_is_made_once_and_cannot_be_guessed() -> None:
    made = {owner.with_secret(Visitor()).secret for _ in range(50)}
    assert len(made) == 50
    assert all(owner.valid(secret) == secret for secret in made)
    assert owner.with_secret(ANN) == ANN
    assert owner.stored("x", ANN) == {"run": "x", "owner": ANN.secret}


@pytest.mark.parametrize("value", [None, "", 7, "a" * 42, "a" * 44, "a" * 42 + "\n", "../" * 15, ["a" * 43]])
def test_what_has_not_the_form_of_a_secret_is_none(value: object) -> None:
    assert owner.visitor({"owner": value}) == Visitor()
    assert owner.visitor(value) == Visitor()


def test_the_address_is_the_last_public_one_that_a_spaces_proxies_name(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"x-forwarded-for": "6.6.6.6, 8.8.8.8, 10.0.0.1, nonsense"}
    request = SimpleNamespace(headers=headers, client=SimpleNamespace(host="10.0.0.2"))
    assert owner.address(request) == "10.0.0.2"  # elsewhere the header is the visitor's own word
    monkeypatch.setenv("SPACE_ID", "a/b")
    assert owner.address(request) == "8.8.8.8"
    assert owner.address(SimpleNamespace(headers={}, client=request.client)) == "10.0.0.2"
    assert owner.address(None) == owner.address(SimpleNamespace(headers={}, client=None)) == ""
