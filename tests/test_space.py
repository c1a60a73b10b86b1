"""This repository is a Space: its front matter is one that a Space reads, and a Space can install and hold it."""

import re
import subprocess
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from balign import CATALOGUE

ROOT = Path(__file__).parents[1]
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
KNOWN = {"title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file", "pinned"} | {
    *("short_description", "license", "suggested_hardware", "startup_duration_timeout", "models", "tags"),
    *("hf_oauth", "hf_oauth_scopes"),
}
"""Those of the reference, https://huggingface.co/docs/hub/spaces-config-reference, that are used here."""


@pytest.fixture(scope="module")
def front() -> dict[str, Any]:
    _, head, _ = (ROOT / "README.md").read_text("utf-8").split("---\n", 2)
    return dict(yaml.safe_load(head))


def ours() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {requirement.name: requirement for requirement in wanted}


def test_the_front_matter_is_what_a_space_reads(front: dict[str, Any]) -> None:
    assert set(front) <= KNOWN
    assert front["sdk"] == "gradio"
    assert {front["colorFrom"], front["colorTo"]} <= COLOURS
    assert len(front["short_description"]) <= 60
    assert front["suggested_hardware"] == "cpu-basic"
    assert re.fullmatch(r"\d+[mh]", front["startup_duration_timeout"])
    assert front["license"] == "apache-2.0"
    assert (ROOT / front["app_file"]).is_file()
    assert front["hf_oauth"] is True
    assert front["hf_oauth_scopes"] == ["contribute-repos"]  # to make repositories, and to write to these alone
    assert set(front["models"]) == {entry.id for entry in CATALOGUE if not entry.bundled}


def test_its_versions_are_ours(front: dict[str, Any]) -> None:
    assert isinstance(front["sdk_version"], str)
    assert isinstance(front["python_version"], str)  # a number would make 3.10 into 3.1
    assert ours()["gradio"].specifier.contains(front["sdk_version"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert Requirement(f"python{project['requires-python']}").specifier.contains(front["python_version"])


def test_zerogpu_can_meet_the_requirements(front: dict[str, Any]) -> None:
    assert front["python_version"] in ("3.12.12", "3.10.13")
    for torch, vision in (("2.8.0", "0.23.0"), ("2.9.1", "0.24.1"), ("2.10.0", "0.25.0"), ("2.11.0", "0.26.0")):
        assert ours()["torch"].specifier.contains(torch)
        assert ours()["torchvision"].specifier.contains(vision)


def test_the_exact_versions_lie_within_the_ranges() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    exact = {pin.name.lower(): pin for pin in map(Requirement, filter(lambda line: line[:1] not in "#", lines))}
    for name, wanted in ours().items():
        (pin,) = exact[name.lower().replace("_", "-")].specifier
        assert pin.operator == "=="
        assert wanted.specifier.contains(pin.version), f"{name} {pin.version} is not within {wanted}"


@pytest.mark.parametrize("extra", ["oauth", "mcp"])
def test_what_a_space_adds_to_gradio_fits_our_requirements(extra: str) -> None:
    """A Space installs `gradio[oauth,mcp]` together with requirements.txt: one version must please both."""
    asked = [Requirement(line) for line in requires("gradio") or []]
    added = [one for one in asked if one.marker and one.marker.evaluate({"extra": extra})]
    assert extra in {str(one.marker).split('"')[1] for one in added if one.marker}
    for one in added:
        if one.name in ours():
            both = one.specifier & ours()[one.name].specifier
            assert any(both.contains(spec.version) for spec in both), f"{one} does not go with {ours()[one.name]}"


def test_every_file_is_small_enough_without_large_file_storage() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("This is no clone.")
    sizes = {name: (ROOT / name).stat().st_size for name in listed.stdout.split("\0") if (ROOT / name).is_file()}
    assert sizes
    assert not [name for name, size in sizes.items() if size >= 10_000_000]


def test_the_bundled_models_are_small_together() -> None:
    sizes = [path.stat().st_size for path in (ROOT / "assets" / "models").rglob("*") if path.is_file()]
    assert sum(sizes) < 60_000_000
