"""Which CLIP model a name means: as papers, the hub and open_clip write it. Weights made with QuickGELU get it."""

import functools
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from balign.refusal import Refusal

BUNDLED = Path(__file__).resolve().parents[2] / "assets" / "models"
LOCAL = {"emoji": "emoji-clip", "fashion-judge": "fashion-judge"}
"""The bundled scorers, and their folders among the bundled models."""
CLASSES = "classes"
"""What a classifier's source begins with."""
HUB_ID = re.compile(r"[\w][\w.-]*/[\w.-]+", re.ASCII)
HUB = re.compile(r"(https?://)?(www\.)?(huggingface\.co|hf\.co)/|hf[-_]hub:", re.IGNORECASE)
LIBRARY = re.compile(r"open_?clip:", re.IGNORECASE)
TRANSFORMERS = {
    "openaivitbasepatch32": "vitb32openai",
    "openaivitbasepatch16": "vitb16openai",
    "openaivitlargepatch14": "vitl14openai",
    "openaivitlargepatch14336": "vitl14336openai",
}
"""OpenAI's own copies on the hub, which open_clip does not read, and the same weights where it does."""
PAPERS = {
    "ViT-B-32/openai": "timm/vit_base_patch32_clip_224.openai",
    "ViT-B-16/openai": "timm/vit_base_patch16_clip_224.openai",
    "ViT-L-14/openai": "timm/vit_large_patch14_clip_224.openai",
    "ViT-L-14-336/openai": "timm/vit_large_patch14_clip_336.openai",
    "ViT-B-32/laion2b_s34b_b79k": "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    "ViT-L-14/laion2b_s32b_b82k": "laion/CLIP-ViT-L-14-laion2B-s32B-b82K",
    "ViT-H-14/laion2b_s32b_b79k": "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
    "ViT-bigG-14/laion2b_s39b_b160k": "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k",
}
"""The scorers of papers on erasing, and where the hub has them; known without open_clip, as a server must."""
ACCEPTED = (
    "emoji, fashion-judge, ViT-L/14, openai/clip-vit-large-patch14, ViT-B-32/laion2b_s34b_b79k, any other model of "
    "open_clip, hf-hub:owner/name, or a local folder of open_clip or of a classifier of transformers"
)


class ScorerSource(NamedTuple):
    """A scorer's name, the same however it was written, and what open_clip loads it by."""

    name: str
    source: str
    """The architecture, with QuickGELU if the weights were trained with it; or `hf-hub:…` or `local-dir:…`."""
    weights: str | None = None

    @property
    def folder(self) -> Path | None:
        """The folder it is read from; None if it comes from the hub."""
        kind, _, path = self.source.partition(":")
        return Path(path) if kind in ("local-dir", CLASSES) else None

    @property
    def classifies(self) -> bool:
        """Whether it is a classifier and no CLIP."""
        return self.source.startswith(f"{CLASSES}:")


def scorer_source(name: str) -> ScorerSource:
    """What this name means. Raises Refusal for one that means nothing, or several models; nothing is fetched."""
    folder = BUNDLED / LOCAL[name] if name in LOCAL else _folder(name)
    if folder is not None:
        classifies = _classifies(folder)
        needed = ("*.safetensors",) if classifies else ("open_clip_config.json", "*.safetensors")
        missing = [what for what in needed if not any(folder.glob(what))]
        if missing:  # open_clip would initialise random weights, whose scores mean nothing
            holds = f"{folder} holds no {' and no '.join(missing)}"
            raise Refusal(f"The scorer {name!r} cannot be loaded: {holds}.")
        return ScorerSource(name, f"{CLASSES if classifies else 'local-dir'}:{folder}")
    bare = HUB.sub("", LIBRARY.sub("", name.strip())).strip("/")
    known, key = _known(), _key(bare)
    key = TRANSFORMERS.get(key, key)
    begun = [] if key in known or not key else sorted({known[each] for each in known if each.startswith(key)})
    found = known.get(key) or (begun[0] if len(begun) == 1 else None)
    if found is not None:
        model, weights = found
        return ScorerSource(f"{model}/{weights}", _activated(model, weights), weights)
    if HUB.match(name.strip()) and HUB_ID.fullmatch(bare):
        return ScorerSource(f"hf-hub:{bare}", f"hf-hub:{bare}")
    if any(key.startswith(_key(model)) for model, _ in begun):
        raise Refusal(f"The scorer {name[:100]!r} has several weights, such as {_some(begun)}; name one of them.")
    raise Refusal(f"There is no scorer {name[:100]!r}; {ACCEPTED} is accepted.")


def paper_scorer(name: str) -> str:
    """The scorer of PAPERS that is meant, however it is written; empty for any other. No folder is looked at."""
    key = _key(HUB.sub("", LIBRARY.sub("", name.strip())).strip("/"))
    key = TRANSFORMERS.get(key, key)
    for known, repository in PAPERS.items():
        model, _, weights = known.partition("/")
        alone = (model, f"openai/{model}") if weights == "openai" else ()
        if key in map(_key, (known, repository, repository.partition("/")[2], *alone)):
            return known
    return ""


def on_this_machine(scorer: str) -> bool:
    """Whether a scorer of PAPERS lies in the hub's cache; nothing is fetched."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(PAPERS[scorer], "open_clip_model.safetensors"), str)


def _some(pairs: Sequence[tuple[str, str]]) -> str:
    return ", ".join("/".join(pair) for pair in pairs[:6])


def _classifies(folder: Path) -> bool:
    """Whether the folder holds a classifier of images as transformers saves it."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return any(str(each).endswith("ForImageClassification") for each in config.get("architectures") or ())
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def _folder(name: str) -> Path | None:
    try:
        folder = Path(name).expanduser()
        return folder if name and folder.is_dir() else None
    except (OSError, RuntimeError, ValueError):  # no name that a folder can have
        return None


def _key(text: str) -> str:
    """What is the same in all spellings of a name: small letters and digits, less what some leave out."""
    return re.sub(r"quickgelu|(?<![a-z0-9_])clip(?=[-_ ])|[^a-z0-9]|(?<=336)px", "", text.lower())


def _pairs() -> Iterator[tuple[str, str]]:
    """Every architecture with its weights; those with QuickGELU are listed without it as well."""
    import open_clip

    return ((model, weights) for model, weights in open_clip.list_pretrained() if not model.endswith("-quickgelu"))


@functools.cache
def _known() -> dict[str, tuple[str, str]]:
    """Every model with its weights by the keys of its names; an architecture alone is OpenAI's, as in papers."""
    from open_clip.pretrained import get_pretrained_cfg

    pairs = list(_pairs())
    known = {_key(f"{model}/{weights}"): (model, weights) for model, weights in pairs}
    for model, weights in pairs:
        on_hub = str(get_pretrained_cfg(model, weights).get("hf_hub", "")).rstrip("/")
        names = [on_hub, on_hub.rpartition("/")[2], *([model, f"openai/{model}"] if weights == "openai" else [])]
        for key in filter(None, map(_key, names)):
            known.setdefault(key, (model, weights))
    return known


def _activated(model: str, weights: str) -> str:
    """The architecture with the activation that these weights were trained with; open_clip only warns of another."""
    from open_clip.pretrained import get_pretrained_cfg

    return f"{model}-quickgelu" if get_pretrained_cfg(model, weights).get("quick_gelu") else model
