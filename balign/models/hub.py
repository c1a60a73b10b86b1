"""Fetch a pipeline's folder from the Hugging Face hub: only the files that are read."""

from pathlib import Path

from balign.refusal import Refusal

FILES = (
    "model_index.json",
    "scheduler/*.json",
    "tokenizer/*.json",
    "tokenizer/*.txt",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "unet/diffusion_pytorch_model-*-of-*.safetensors",
    "unet/diffusion_pytorch_model.safetensors.index.json",
    "transformer/config.json",
    "transformer/diffusion_pytorch_model.safetensors",
    "transformer/diffusion_pytorch_model-*-of-*.safetensors",
    "transformer/diffusion_pytorch_model.safetensors.index.json",
)
"""All files that are read of a pipeline. Pickled weights, half-precision copies and the safety checker are not."""

REVISIONS = {"facebook/DiT-XL-2-256": "refs/pr/1"}
"""Where a pipeline's weights are as safetensors, if its main branch has them pickled."""


def files(folder: Path) -> list[Path]:
    """Those of FILES that this folder has."""
    return sorted({file for pattern in FILES for file in folder.glob(pattern)})


def fetch(name: str) -> Path:
    """The folder of the hub's pipeline ``name`` on this machine, downloaded if need be. Raises Refusal if it fails."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(name, revision=REVISIONS.get(name), allow_patterns=list(FILES)))
    except GatedRepoError as error:
        raise Refusal(
            f"The hub gives {name} only to people who have accepted its terms; accept them at "
            f"https://huggingface.co/{name}, log in with `hf auth login`, and try again."
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise Refusal(
            f"The hub has no model {name!r} that you may see; check the spelling, or log in with `hf auth login` if it "
            "is private."
        ) from error
    except Exception as error:  # the hub's client passes on whatever its network library or the disk raises
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Refusal(
            f"{name} is not on this machine and could not be fetched from the hub ({reason}); connect to the internet "
            "once, or use the bundled model 'emoji' or a local folder."
        ) from error
