"""A hub id goes the way of a folder; a hub that says no, or nothing, is one sentence.

The hub is a server of our own on this machine.
"""

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from balign.models import hub
from balign.models.catalogue import CATALOGUE, find, look_up
from balign.models.dit import DiT
from balign.models.stable_diffusion import StableDiffusion
from balign.refusal import Refusal
from tests.models.tiny_dit import tiny_dit
from tests.pipelines import edit_json

SHA = "a" * 40


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's interface as its client asks of it, over one folder."""

    folder: Path
    asked: list[str]

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def _answer(self, body: bool) -> None:
        path = self.path.split("?")[0]
        if "fp9" in path:
            self._send(b"{}", body, 404, {"X-Error-Code": "RevisionNotFound"})
        elif "gated" in path:
            self._send(b"{}", body, 403, {"X-Error-Code": "GatedRepo"})
        elif "unknown" in path or "runwayml" in path:
            self._send(b"{}", body, 404, {"X-Error-Code": "RepoNotFound"})
        elif "/resolve/" in path:
            name = path.split(f"/resolve/{SHA}/")[1]
            self.asked.append(name)
            content = (self.folder / name).read_bytes()
            self._send(content, body, headers={"X-Repo-Commit": SHA, "ETag": f'"{self._oid(content)}"'})
        elif "/tree/" in path:
            self._send(json.dumps([self._entry(file) for file in self._files()]).encode(), body)
        else:
            listed = [{"rfilename": str(file.relative_to(self.folder))} for file in self._files()]
            self._send(json.dumps({"id": "a/b", "sha": SHA, "siblings": listed}).encode(), body)

    def _files(self) -> list[Path]:
        return [file for file in self.folder.rglob("*") if file.is_file()]

    def _entry(self, file: Path) -> dict[str, object]:
        content = file.read_bytes()
        path = file.relative_to(self.folder).as_posix()
        return {"type": "file", "path": path, "size": len(content), "oid": self._oid(content)}

    @staticmethod
    def _oid(content: bytes) -> str:
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def _send(self, content: bytes, body: bool, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def server(tiny_model: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    hub_class = type("OurHub", (Hub,), {"folder": Path(tiny_model("epsilon", like="sd1")), "asked": []})
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with ThreadingHTTPServer(("127.0.0.1", 0), hub_class) as http:
        address = f"http://127.0.0.1:{http.server_address[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        )
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield hub_class
        http.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("id", "like", "prediction_type"),
    [
        (entry.id, *kind)
        for entry, kind in zip(
            [entry for entry in CATALOGUE[1:] if entry.family == "Stable Diffusion"],
            [("sd1", "epsilon"), ("sd1", "epsilon"), ("sd2", "v_prediction")],
            strict=True,
        )
    ],
)
def test_a_hub_id_is_the_folder_it_names(
    server: type[Hub], tiny_model: Callable[..., str], id: str, like: str, prediction_type: str
) -> None:
    server.folder = Path(tiny_model(prediction_type, like=like))
    fetched, local = StableDiffusion.load(id), StableDiffusion.load(server.folder)
    assert fetched.fingerprint == local.fingerprint
    drawn = [model.generate(["a cat"], [1], steps=2, guidance=3.0) for model in (fetched, local)]
    assert torch.equal(*drawn)
    assert not any("safety" in name or "feature_extractor" in name for name in server.asked)


def test_classes_come_from_the_hub_by_the_revision_that_has_safetensors(
    server: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answer = server._answer
    monkeypatch.setattr(server, "_answer", lambda self, body: (asked.append(self.path), answer(self, body))[1])
    server.folder = Path(tiny_dit(tmp_path / "dit"))
    (server.folder / "transformer" / "diffusion_pytorch_model.bin").write_bytes(b"pickled")
    fetched, local = DiT.load("facebook/DiT-XL-2-256"), DiT.load(server.folder)
    assert fetched.fingerprint == local.fingerprint
    assert torch.equal(*(model.generate(["crane"], [1], steps=2, guidance=3.0) for model in (fetched, local)))
    assert any("refs%2Fpr%2F1" in path for path in asked)
    assert not any(name.endswith(".bin") for name in server.asked)


def test_what_was_fetched_is_there_without_the_hub(server: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = hub.fetch("owner/model", lambda folder: None)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub.fetch("owner/model", lambda folder: None) == folder


@pytest.mark.parametrize(
    ("id", "words"),
    [
        ("owner/gated", "The hub gives owner/gated only to people who have accepted its terms"),
        ("owner/gated", "a fine-grained one needs the box 'Read access to contents of all public gated repos"),
        ("owner/name@fp9", "The hub's owner/name has no revision 'fp9'"),
        ("runwayml/stable-diffusion-v1-5", "was deleted; its copy is stable-diffusion-v1-5/stable-diffusion-v1-5"),
        ("owner/unknown", "The hub has no model 'owner/unknown' that you may see"),
        ("bad--/..name", "The hub has no model 'bad--/..name' that you may see"),
    ],
)
def test_a_refusal_is_one_sentence(server: type[Hub], id: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        StableDiffusion.load(id)
    assert "\n" not in str(caught.value)


def test_no_hub_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for offline, endpoint in ((True, constants.ENDPOINT), (False, "http://127.0.0.1:9")):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        with pytest.raises(ValueError, match="owner/model is not on this machine and could not be fetched") as caught:
            StableDiffusion.load("owner/model")
        assert "\n" not in str(caught.value)


def _spoil(server: type[Hub], tmp_path: Path) -> Path:
    """Let the server serve a copy that may be spoiled."""
    server.folder = Path(shutil.copytree(server.folder, tmp_path / "served"))
    return server.folder


def test_of_several_copies_only_one_is_fetched(server: type[Hub], tmp_path: Path) -> None:
    folder = _spoil(server, tmp_path)
    unet = folder / "unet" / "diffusion_pytorch_model.safetensors"
    for variant in ("fp16", "non_ema"):
        shutil.copy(unet, unet.with_suffix(f".{variant}.safetensors"))
    vae = folder / "vae" / "diffusion_pytorch_model.safetensors"
    vae.rename(vae.with_suffix(".fp16.safetensors"))
    model = StableDiffusion.load("owner/model")
    assert model.source.name == "model"
    weights = {name for name in server.asked if name.endswith(".safetensors")}
    assert weights == {
        "text_encoder/model.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
    }


def test_nothing_large_is_fetched_of_what_is_refused(server: type[Hub], tmp_path: Path) -> None:
    folder = _spoil(server, tmp_path)
    edit_json(folder / "scheduler" / "scheduler_config.json", _class_name="FlowMatchEulerDiscreteScheduler")
    with pytest.raises(Refusal, match="trained by flow matching"):
        StableDiffusion.load("owner/flow")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").rename(folder / "vae" / "diffusion_pytorch_model.bin")
    edit_json(folder / "scheduler" / "scheduler_config.json", _class_name="PNDMScheduler")
    with pytest.raises(
        Refusal, match=r"owner/pickled/vae has its weights pickled .*P.from_pretrained\('owner/pickled'"
    ):
        StableDiffusion.load("owner/pickled")
    assert not any(name.endswith((".safetensors", ".bin")) for name in server.asked)


def test_another_kind_of_model_is_refused_by_its_index_alone(server: type[Hub], tmp_path: Path) -> None:
    edit_json(_spoil(server, tmp_path) / "model_index.json", _class_name="StableDiffusionXLPipeline")
    assert find("owner/turbo").name == "owner/turbo"  # nobody has looked
    look_up("owner/turbo")
    with pytest.raises(Refusal, match=r"^owner/turbo holds a StableDiffusionXLPipeline; accepted is a StableDiff"):
        find("owner/turbo")
    assert set(server.asked) == {"model_index.json"}
    server.asked.clear()
    look_up("emoji")
    look_up("owner/turbo")
    assert not server.asked
    with pytest.raises(Refusal, match="holds a StableDiffusionXLPipeline"):
        find(server.folder)  # the same from a folder here


def test_a_repository_of_checkpoint_files_says_how_to_get_one(server: type[Hub], tmp_path: Path) -> None:
    server.folder = tmp_path / "served"
    server.folder.mkdir()
    (server.folder / "dream.safetensors").touch()
    with pytest.raises(Refusal, match=r"download that \(hf download owner/files dream.safetensors\) and name it"):
        StableDiffusion.load("owner/files")


def test_half_a_copy_without_the_hub_says_what_it_lacks(server: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = hub.fetch("owner/half", lambda folder: None)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(Refusal, match=r"copy of owner/half on this machine is not whole.*vae has no"):
        StableDiffusion.load("owner/half")


def test_what_was_fetched_is_known_before_it_is_read(server: type[Hub], tmp_path: Path) -> None:
    folder = _spoil(server, tmp_path)
    edit_json(folder / "scheduler" / "scheduler_config.json", _class_name="LCMScheduler")
    assert (find("owner/fast").steps, find("owner/fast").size) == (25, (512, 512))
    StableDiffusion.load("owner/fast")
    assert (find("owner/fast").steps, find("owner/fast").size) == (4, (16, 16))
