"""A run on the hub: a stand-in of its interface, on this machine, keeps what it is sent."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import ModelCard, SpaceCard, constants
from huggingface_hub.utils import _http
from safetensors.torch import load

from balign import cli
from balign.cli import file_commands
from balign.refusal import Refusal
from balign.runs.engine import push
from balign.runs.folder import Run
from balign.runs.tryout import exports, store
from tests.models.hub_stand_in import READ_ONLY, TOKEN, Shelf, hub

# The hub's client hands a file to its network library in a way that this calls old.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    with hub() as shelf:
        for name, value in (("HF_HUB_OFFLINE", False), ("HF_HUB_DISABLE_XET", True), ("ENDPOINT", shelf.address)):
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setattr(_http.time, "sleep", lambda _: None)  # between two tries
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        _http.close_session()
        yield shelf
        _http.close_session()


@pytest.fixture
def run(finished, tmp_path: Path) -> Run:
    root = tmp_path / "runs"
    return Run.open(shutil.copytree(finished.run.path, root / finished.run.id), root)


def without_the_token(folder: Path, *texts: str) -> bool:
    files = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
    return not any(TOKEN.encode() in content for content in [*files, *(text.encode() for text in texts)])


def test_the_pipeline_is_there_whole_with_its_card(run: Run, shelf: Shelf, capsys, caplog, tmp_path: Path) -> None:
    assert cli.main(["push", str(run.path), "me/without-cat"]) == 0
    told = capsys.readouterr()
    assert f"{shelf.address}/me/without-cat" in " ".join(told.out.split()).replace(" ", "")
    files = shelf.files["me/without-cat"]
    assert {"model_index.json", "README.md", "tokenizer/vocab.json", "tokenizer/merges.txt"} <= files.keys()
    whole, erased = (
        load(content)
        for content in (
            files["unet/diffusion_pytorch_model.safetensors"],
            (run.path / "erased.safetensors").read_bytes(),
        )
    )
    assert all(whole[name].equal(tensor) for name, tensor in erased.items())
    assert ModelCard(files["README.md"].decode()).data.library_name == "diffusers"
    assert shelf.repositories["me/without-cat"].get("visibility") != "private"
    assert without_the_token(tmp_path, told.out, told.err, caplog.text)
    assert all(TOKEN.encode() not in content for content in files.values())
    assert not list(run.path.glob("tmp*"))
    assert cli.main(["push", str(run.path), "me/without-cat"]) == 0  # what is there is no error


def test_a_lora_and_a_report(run: Run, shelf: Shelf) -> None:
    push.push(run, "me/lora", "lora", TOKEN, rank=2, private=True)
    assert shelf.files["me/lora"].keys() == {"README.md", "lora.safetensors"}
    assert "load_lora_weights" in shelf.files["me/lora"]["README.md"].decode()
    assert shelf.repositories["me/lora"]["visibility"] == "private"
    push.push(run, "me/report", "report", TOKEN)
    assert shelf.files["me/report"]["index.html"] == (run.path / "report.html").read_bytes()
    assert SpaceCard(shelf.files["me/report"]["README.md"].decode()).data.sdk == "static"
    assert (shelf.repositories["me/report"]["type"], shelf.repositories["me/report"]["sdk"]) == ("space", "static")


def test_a_push_that_is_cut_says_so_and_can_be_repeated(run: Run, shelf: Shelf, capsys, tmp_path: Path) -> None:
    shelf.cut = True
    assert cli.main(["push", str(run.path), "me/cut"]) == 2
    told = capsys.readouterr()
    assert "was cut off" in " ".join(told.err.split())
    assert "Do the same again" in " ".join(told.err.split())
    assert "me/cut" not in shelf.files  # nothing of it is shown
    arrived, shelf.cut, shelf.uploads = len(shelf.large), False, 0
    assert cli.main(["push", str(run.path), "me/cut"]) == 0
    assert shelf.uploads == len(shelf.large) - arrived  # what had arrived was not sent again
    assert "model_index.json" in shelf.files["me/cut"]
    assert without_the_token(tmp_path, told.out, told.err)


@pytest.mark.parametrize("token", ["hf_unknown-to-the-hub", READ_ONLY])
def test_a_token_that_may_not_write_is_one_sentence(run: Run, shelf: Shelf, token: str) -> None:
    with pytest.raises(Refusal, match=r"does not let this token write to me/x \(it answered 40[13]\)") as caught:
        push.push(run, "me/x", "report", token)
    assert token not in str(caught.value)
    assert not shelf.repositories


@pytest.mark.parametrize("name", ["without-owner", "a/b/c", "me/a b", "me/--", "../x"])
def test_what_is_no_repository_is_refused(run: Run, name: str) -> None:
    with pytest.raises(Refusal, match="accepted is owner/name"):
        push.push(run, name, "report", TOKEN)


def test_without_a_token_it_is_asked_for_in_a_terminal_only(
    run: Run, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("balign.models.upload.token", lambda: None)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert cli.main(["push", str(run.path), "me/x", "--what", "report"]) == 2
    assert "set HF_TOKEN" in " ".join(capsys.readouterr().err.split())
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(file_commands, "getpass", lambda _: TOKEN)
    assert cli.main(["push", str(run.path), "me/x", "--what", "report"]) == 0
    assert TOKEN not in capsys.readouterr().out


def test_a_token_of_standard_input_is_the_only_one_that_is_used(
    run: Run, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, capsys, tmp_path: Path
) -> None:
    """As the studio starts it: whoever hosts it may be logged in to the hub, too."""
    monkeypatch.setenv("HF_TOKEN", READ_ONLY)
    command = ["push", str(run.path), "me/x", "--what", "lora", "--rank", "2", "--token-stdin"]
    shelf.cut, shelf.large["0"] = True, b""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{TOKEN}\n"))
    assert cli.main(command) == 2
    now = store.progress(run)
    assert now is not None
    assert "was cut off" in now.failed
    assert "Do the same again" in now.failed
    shelf.cut = False
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{TOKEN}\n"))
    assert cli.main(command) == 0
    assert store.progress(run) is None
    assert [each.page for each in exports.pushes(run)] == [f"{shelf.address}/me/x"]
    assert "lora.safetensors" in shelf.files["me/x"]
    monkeypatch.setattr("sys.stdin", io.StringIO(""))  # nobody is there: no other token is looked for
    assert cli.main(command) == 2
    told = capsys.readouterr()
    assert "No token of the hub" in " ".join(told.err.split())
    assert without_the_token(tmp_path, told.out, told.err)
