"""Whose a run is: nobody's business on one's own machine, and on a public one only the owner's."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from starlette.datastructures import Headers

from balign.host import visitors
from balign.host.visitors import Visitor
from balign.runs.folder import Run

New = Callable[..., Run]
ANN, BOB = Visitor("a" * 43), Visitor("b" * 43)


def test_on_ones_own_machine_every_run_is_everybodys(new_run: New) -> None:
    run = new_run()
    assert visitors.owns(run, Visitor())
    assert visitors.opens(run, None)
    assert visitors.stored(run.id, ANN) == {"run": run.id}
    assert visitors.with_secret(Visitor()) == Visitor()


@pytest.mark.usefixtures("public")
def test_in_public_only_the_owner_owns(new_run: New) -> None:
    run, another = new_run(), new_run()
    visitors.sign(run, ANN)
    visitors.sign(another, ANN)
    assert visitors.owns(run, ANN)
    assert not visitors.owns(run, BOB)
    assert not visitors.owns(run, Visitor())
    assert not visitors.owns(new_run(), Visitor())  # one of the command line
    assert ANN.secret not in (run.path / visitors.FILE).read_text()
    assert (run.path / visitors.FILE).read_text() != (another.path / visitors.FILE).read_text()


@pytest.mark.usefixtures("public")
def test_the_key_of_a_download_opens_one_run(new_run: New) -> None:
    run, another = new_run(), new_run()
    assert visitors.key(run) == ""
    assert not visitors.opens(run, "")
    visitors.sign(run, ANN)
    visitors.sign(another, ANN)
    assert visitors.opens(run, visitors.key(run))
    assert not visitors.opens(another, visitors.key(run))
    for wrong in (None, "", 7, visitors.key(run)[:-1], "é", (run.path / visitors.FILE).read_text()):
        assert not visitors.opens(run, wrong)


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize("written", ["", "x", "é" * 64, "A" * 64, "a" * 65])
def test_a_marker_that_was_tampered_with_owns_nothing(new_run: New, written: str) -> None:
    run = new_run()
    (run.path / visitors.FILE).write_text(written)
    assert not visitors.owns(run, ANN)
    assert visitors.key(run) == ""


@pytest.mark.usefixtures("public")
def test_a_secret_is_made_once_and_cannot_be_guessed() -> None:
    made = {visitors.with_secret(Visitor()).secret for _ in range(50)}
    assert len(made) == 50
    assert all(visitors.valid(secret) == secret for secret in made)
    assert visitors.with_secret(ANN) == ANN
    assert visitors.stored("x", ANN) == {"run": "x", "owner": ANN.secret}


@pytest.mark.parametrize("value", [None, "", 7, "a" * 42, "a" * 44, "a" * 42 + "\n", "../" * 15, ["a" * 43]])
def test_what_has_not_the_form_of_a_secret_is_none(value: object) -> None:
    assert visitors.visitor({"owner": value}) == Visitor()
    assert visitors.visitor(value) == Visitor()


def test_the_address_is_the_last_public_one_that_a_spaces_proxies_name(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"x-forwarded-for": "6.6.6.6, 8.8.8.8, 10.0.0.1"}
    request = SimpleNamespace(headers=headers, client=SimpleNamespace(host="10.0.0.2"))
    assert visitors.address(request) == "10.0.0.2"  # elsewhere the header is the visitor's own word
    monkeypatch.setenv("SPACE_ID", "a/b")
    assert visitors.address(request) == "8.8.8.8"
    assert visitors.address(SimpleNamespace(headers={}, client=request.client)) == "10.0.0.2"
    assert visitors.address(None) == visitors.address(SimpleNamespace(headers={}, client=None)) == ""


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0DB8:0001:0002::", "2001:db8:1:2::/64"),
        ("::ffff:8.8.8.8", "8.8.8.8"),
        ("::FFFF:808:808", "8.8.8.8"),
        ("fe80::1%eth0", "fe80::/64"),
        ("8.8.8.8", "8.8.8.8"),
        ("testclient", "testclient"),
    ],
)
def test_a_network_of_64_bits_is_one_address(said: str, counted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert visitors.address(SimpleNamespace(headers={}, client=SimpleNamespace(host=said))) == counted


def test_on_a_space_too_and_whatever_lines_the_header_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "a/b")
    client = SimpleNamespace(host="10.0.0.2")
    for lines, counted in (
        (["1.1.1.1", "9.9.9.9"], "9.9.9.9"),
        (["1.1.1.1, 2606:4700:1:2:3:4:5:6"], "2606:4700:1:2::/64"),
        (["1.1.1.1", "::ffff:9.9.9.9, 10.0.0.1"], "9.9.9.9"),
        (["1.1.1.1, 9.9.9.9:4711, 10.0.0.1:80"], "9.9.9.9"),
        (["1.1.1.1, [2606:4700:1:2::6]:4711"], "2606:4700:1:2::/64"),
        (["1.1.1.1, [2606:4700:1:2::6]"], "2606:4700:1:2::/64"),
        (["1.1.1.1, nonsense"], "10.0.0.2"),
        (["1.1.1.1", "unknown, 10.0.0.1"], "10.0.0.2"),
        (["1.1.1.1, 9.9.9.9:x"], "10.0.0.2"),
        (["1.1.1.1, "], "10.0.0.2"),
        (["1.1.1.1, 10.0.0.1, 9.9.9.999, 192.168.0.1"], "10.0.0.2"),
    ):
        headers = Headers(raw=[(b"x-forwarded-for", line.encode()) for line in lines])
        assert visitors.address(SimpleNamespace(headers=headers, client=client)) == counted


def test_what_is_kept_of_an_address_is_another_for_each_run(new_run: New) -> None:
    known = ANN._replace(address="8.8.8.8")
    hashes = {visitors.hashed_address(new_run(), known) for _ in range(3)}
    assert len(hashes) == 3
    assert not any("8.8.8.8" in text for text in hashes)
    assert visitors.hashed_address(new_run(), ANN) == ""
