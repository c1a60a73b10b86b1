"""A scorer's name is understood as papers, the hub and open_clip write it, and always gets its own activation."""

from pathlib import Path

import pytest

from balign.measure.scorer_names import PAPERS, paper_scorer, scorer_source
from balign.refusal import Refusal

OPENAI = {
    "ViT-L-14/openai": (
        "ViT-L/14",
        "vit-l/14",
        "ViT-L-14",
        "CLIP ViT-L/14",
        "clip-ViT-L-14",
        "ViT-L-14/openai",
        "ViT-L-14-quickgelu/openai",
        "openai/clip-vit-large-patch14",
        "hf-hub:openai/clip-vit-large-patch14",
        "https://huggingface.co/openai/clip-vit-large-patch14",
        "hf-hub:timm/vit_large_patch14_clip_224.openai",
    ),
    "ViT-L-14-336/openai": ("ViT-L/14@336px", "openai/clip-vit-large-patch14-336"),
    "ViT-B-32/openai": ("ViT-B/32", "openai/clip-vit-base-patch32", "open_clip:ViT-B-32/openai"),
    "ViT-B-16/openai": ("ViT-B/16", "openai/clip-vit-base-patch16"),
    "RN50/openai": ("RN50", "RN50-quickgelu/openai"),
    "RN50x4/openai": ("RN50x4",),
}
OTHERS = {
    "ViT-B-32/laion2b_s34b_b79k": ("ViT-B-32/laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
    "ViT-H-14/laion2b_s32b_b79k": (
        "ViT-H-14-laion2B-s32B-b79K",
        "ViT-H-14-laion2B",
        "hf-hub:laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
    ),
    "ViT-bigG-14/laion2b_s39b_b160k": ("laion/CLIP-ViT-bigG-14-laion2B-39B-b160k",),
}
SHORT = "ViT-H-14-laion2B"  # a beginning that open_clip alone can tell to be the only one


@pytest.mark.parametrize(("name", "known"), [(name, known) for known in OPENAI for name in OPENAI[known]])
def test_openais_weights_have_quickgelu_however_they_are_named(name: str, known: str) -> None:
    import open_clip

    found = scorer_source(name)
    config = open_clip.get_model_config(found.source)
    assert (found.name, found.weights) == (known, "openai")
    assert config is not None
    assert config["quick_gelu"] is True


@pytest.mark.parametrize(("name", "known"), [(name, known) for known in OTHERS for name in OTHERS[known]])
def test_other_weights_keep_their_own_activation(name: str, known: str) -> None:
    found = scorer_source(name)
    assert found.name == known
    assert found.source == known.partition("/")[0]


def test_every_listed_model_gets_the_activation_of_its_weights() -> None:
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    for model, weights in open_clip.list_pretrained():
        found = scorer_source(f"{model}/{weights}")
        wanted = bool(get_pretrained_cfg(model, weights).get("quick_gelu"))
        assert open_clip.get_model_config(found.source).get("quick_gelu") or not wanted
        assert found.weights == weights


def test_a_repository_of_the_hub_is_named_with_its_prefix() -> None:
    assert scorer_source("hf-hub:someone/some-clip").source == "hf-hub:someone/some-clip"
    assert scorer_source("https://huggingface.co/someone/some-clip").name == "hf-hub:someone/some-clip"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ViT-H/14", "has several weights, such as ViT-H-14/dfn5b"),
        ("ViT-B-32/laion2b", "has several weights, such as ViT-B-32/laion2b_e16"),
        ("ViT", "There is no scorer 'ViT'"),
        ("clip", "There is no scorer"),
        ("someone/some-clip", "hf-hub:owner/name"),
        ("hf-hub:../../etc", "There is no scorer"),
        ("ViT-L-14/nonsense", "There is no scorer"),
    ],
)
def test_a_name_of_none_or_of_several_is_refused(name: str, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        scorer_source(name)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"holds no open_clip_config.json and no \*.safetensors"):
        scorer_source(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "known"), [(n, known) for known in OPENAI | OTHERS for n in (OPENAI | OTHERS)[known] if n != SHORT]
)
def test_the_scorers_of_papers_are_known_without_open_clip(name: str, known: str) -> None:
    assert paper_scorer(name) == (known if known in PAPERS else "")


def test_they_are_where_open_clip_has_them() -> None:
    from open_clip.pretrained import get_pretrained_cfg

    for known, repository in PAPERS.items():
        model, weights = known.split("/")
        assert get_pretrained_cfg(model, weights)["hf_hub"].strip("/") == repository
        assert scorer_source(known).name == known == paper_scorer(known)


@pytest.mark.parametrize("name", ["", "/", "ViT", "clip", "/etc", ".", "RN50", "someone/ViT-B-32", "ViT-B-32/laion2b"])
def test_no_other_name_is_one_of_them(name: str) -> None:
    assert paper_scorer(name) == ""
