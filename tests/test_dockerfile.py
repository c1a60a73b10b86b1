"""What goes into the image: all that the studio needs, and nothing that lies about."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import dockerfile

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ("", ["a.py", "b/a.py", "b/c/a.py", "b/c/d.txt"]),
        ("*.py", ["b/a.py", "b/c/a.py", "b/c/d.txt"]),
        ("**/*.py", ["b/c/d.txt"]),
        ("b/c", ["a.py", "b/a.py"]),
        ("# b\n/b/", ["a.py"]),
        ("*\n!b/c\n**/d.*", ["b/c/a.py"]),
        ("*\n!b/c\n*", []),
        ("b/?/d.txt", ["a.py", "b/a.py", "b/c/a.py"]),
    ],
)
def test_dockerignore_is_read_as_docker_does(tmp_path: Path, rules: str, left: list[str]) -> None:
    for name in ("a.py", "b/a.py", "b/c/a.py", "b/c/d.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".dockerignore").write_text(f"{rules}\n.dockerignore\n")
    assert [path.as_posix() for path in dockerfile.context(tmp_path)] == left


def test_the_page_is_built_from_what_the_image_holds(tmp_path: Path) -> None:
    sent = dockerfile.context(ROOT)
    for path in sent:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    assert {path.parts[0] for path in sent if len(path.parts) > 1} == {"balign", "assets"}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = "import app, pathlib, balign; print(pathlib.Path(balign.__file__).parents[1])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == str(tmp_path), done.stderr
    models = [path.relative_to(ROOT) for path in (ROOT / "assets/models").rglob("*") if path.is_file()]
    assert set(models) <= set(sent)


def test_every_instruction_of_the_dockerfile_is_read() -> None:
    steps = list(dockerfile.steps(ROOT / "Dockerfile"))
    words = [step.word for step in steps]
    assert (words[0], words[-1]) == ("FROM", "CMD")
    assert steps[-1].argv == ["python", "app.py"]
    (variables,) = (dockerfile.pairs(step.rest) for step in steps if step.word == "ENV")
    assert variables["GRADIO_SERVER_PORT"] == next(step.rest for step in steps if step.word == "EXPOSE")
    assert words.index("USER") > words.index("RUN")


def test_the_documented_command_keeps_what_the_image_declares() -> None:
    """Runs, latents and what was fetched from the hub outlive the container."""
    steps = list(dockerfile.steps(ROOT / "Dockerfile"))
    (declared,) = (json.loads(step.rest) for step in steps if step.word == "VOLUME")
    (variables,) = (dockerfile.pairs(step.rest) for step in steps if step.word == "ENV")
    for kept in ("BALIGN_RUNS", "BALIGN_CACHE", "HF_HOME"):
        assert any(Path(variables[kept]).is_relative_to(volume) for volume in declared)
    for text in ("README.md", "docs/hosting.md", "Dockerfile"):
        (command,) = re.findall(r"docker run --rm -p .*", (ROOT / text).read_text("utf-8"))
        assert re.findall(r"-v [\w-]+:(\S+)", command) == declared, text
