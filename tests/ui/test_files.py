"""The file route: a run's pictures and report, and nothing else on this disk."""

import os
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from balign.runs.folder import Run
from balign.runs.outcome import bundle
from balign.ui.files import ROUTES, url


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=ROUTES)) as client:
        yield client


def test_pictures_are_served_as_they_are_on_disk(client: TestClient, finished: Run) -> None:
    answer = client.get("/" + url(finished, "images/before/0000.png"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == (finished.path / "images/before/0000.png").read_bytes()


def test_the_report_may_run_nothing(client: TestClient, finished: Run) -> None:
    answer = client.get("/" + url(finished, "report.html"))
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "pid",
        "log.txt",
        "telemetry.jsonl",
        "",
        "images",
        "images/before/",
        "images/before/../../config.json",
        "images/before/%2e%2e/%2e%2e/config.json",
        "../",
        "images/before/none.png",
        "images/before/.png",
        "images/before/a%00.png",
        "/etc/passwd",
        "images\\before\\0000.png",
        "IMAGES/BEFORE/0000.PNG",
    ],
)
def test_nothing_else_is_served(client: TestClient, finished: Run, name: str) -> None:
    answer = client.get(f"/files/{finished.id}/{name}")
    assert answer.status_code == 404
    assert "Traceback" not in answer.text
    assert str(finished.path) not in answer.text


def test_the_root_and_other_ids_are_not_served(client: TestClient, finished: Run) -> None:
    for path in ("/files/", "/files/x", "/files/../images/before/0000.png", f"/files/{finished.id[:-1]}/report.html"):
        assert client.get(path).status_code == 404


def test_a_link_out_of_the_folder_is_not_followed(client: TestClient, finished: Run) -> None:
    secret = finished.path.parent / "secret.png"
    secret.write_bytes(b"secret")
    os.symlink(secret, finished.path / "images/before/link.png")
    assert client.get("/" + url(finished, "images/before/link.png")).status_code == 404


def test_a_name_that_may_not_be_asked_for_has_no_address(finished: Run) -> None:
    assert url(finished, "../config.json") == ""


def test_the_bundle_is_made_as_it_is_sent(client: TestClient, finished: Run) -> None:
    answer = client.get("/" + url(finished, "bundle.zip"))
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="balign-{finished.id}.zip"'
    assert answer.content == b"".join(bundle.stream(finished))


@pytest.mark.parametrize("name", ["report.json", "erased.safetensors"])
def test_an_unfinished_run_has_no_bundle(client: TestClient, finished: Run, name: str) -> None:
    (finished.path / name).unlink()
    assert client.get("/" + url(finished, "bundle.zip")).status_code == 404
    assert client.get("/files/nobodyhere/bundle.zip").status_code == 404


def test_a_report_that_was_tampered_with_has_no_bundle(client: TestClient, finished: Run) -> None:
    (finished.path / "report.json").write_text('{"groups": 7}')
    assert client.get("/" + url(finished, "bundle.zip")).status_code == 404
