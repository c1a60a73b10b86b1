"""Fetch a pipeline's folder from the Hugging Face hub: only the files that are read.

Nothing large is fetched before it is known that all of them are there, and of a kind that is accepted.
"""

import errno
import logging
from collections.abc import Callable
from pathlib import Path

from balign.models import pipeline_files
from balign.models.model_names import SUCCESSORS
from balign.refusal import Refusal

log = logging.getLogger(__name__)
REVISIONS = {"facebook/DiT-XL-2-256": "refs/pr/1"}
"""Where a pipeline's weights are as safetensors, if its main branch has them pickled."""
PATIENCE = 5
"""Seconds to wait for the hub's answer while somebody types."""
UNWRITABLE = (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EPERM, errno.EDQUOT)


def cached(name: str) -> Path | None:
    """The folder of a hub's pipeline if a copy, or a part of one, is on this machine; nothing is fetched."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    id, revision = _parted(name)
    try:
        index = try_to_load_from_cache(id, "model_index.json", revision=revision)
    except HFValidationError:  # no id that the hub could give
        return None
    return Path(index).parent if isinstance(index, str) else None


def look(name: str) -> None:
    """Fetch what tells which kind of pipeline the hub's ``name`` is, a small file, if it can be had now."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError

    id, revision = _parted(name)
    if cached(name) is not None or constants.HF_HUB_OFFLINE:
        return
    try:
        snapshot_download(id, revision=revision, allow_patterns="model_index.json", etag_timeout=PATIENCE)
    except (OSError, HFValidationError) as error:  # the network, the hub or the disk; a run will say what it is
        log.info("The hub did not tell what %s is: %s", id, error)


def fetch(name: str, check: Callable[[Path], None]) -> Path:
    """The folder of the hub's pipeline ``name`` on this machine, downloaded if need be. Raises Refusal if it fails.

    ``check`` is called with the folder when it holds the configurations and, for all that is known, no weights yet; the
    Refusal it raises is passed on.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return _here(name, "the hub's client is set to work offline")
    try:
        return _fetch(name, check)
    except Refusal:
        raise
    except Exception as error:  # the hub's client passes on whatever its network library or the disk raises
        return _instead(name, error)


def _fetch(name: str, check: Callable[[Path], None]) -> Path:
    from huggingface_hub import HfApi, constants, snapshot_download

    id, revision = _parted(name)
    siblings = HfApi(endpoint=constants.ENDPOINT).model_info(id, revision=revision).siblings
    listed = [file.rfilename for file in siblings or ()]
    if "model_index.json" not in listed:
        raise Refusal(_no_pipeline(id, listed))
    folder = Path(snapshot_download(id, revision=revision, allow_patterns=list(pipeline_files.SMALL)))
    check(folder)
    parts = pipeline_files.parts(folder)
    weights = pipeline_files.chosen(listed, id, parts)
    return Path(snapshot_download(id, revision=revision, allow_patterns=[*pipeline_files.SMALL, *weights]))


def _no_pipeline(id: str, listed: list[str]) -> str:
    files = sorted(name for name in listed if name.lower().endswith((".safetensors", ".ckpt")))
    if not files:
        return f"The hub's {id} has no model_index.json; the repository of a whole diffusers pipeline is accepted."
    return (
        f"The hub's {id} holds no diffusers pipeline but files such as {files[0]}; download that "
        f"(hf download {id} {files[0]}) and name it."
    )


def _instead(name: str, error: Exception) -> Path:
    """The copy on this machine where the hub does not give the model. Raises Refusal, saying why, if there is none."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    id, revision = _parted(name)
    if isinstance(error, GatedRepoError):
        raise Refusal(
            f"The hub gives {id} only to people who have accepted its terms; accept them at "
            f"https://huggingface.co/{id}, and log in with `hf auth login`. If you did, your token may not allow it: a "
            "fine-grained one needs the box 'Read access to contents of all public gated repos you can access'."
        ) from error
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        raise Refusal(
            f"{id} cannot be written into {constants.HF_HUB_CACHE} ({error.strerror}); free some space, or name "
            "another folder in HF_HOME."
        ) from error
    if isinstance(error, RevisionNotFoundError):
        raise Refusal(f"The hub's {id} has no revision {revision!r}; leave it off, or look at its page.") from error
    if isinstance(error, RepositoryNotFoundError | HFValidationError):
        if cached(name):
            return _here(name, "the hub has it no more")
        successor = SUCCESSORS.get(id)
        raise Refusal(
            f"The hub's {id} was deleted; its copy is {successor}: name that."
            if successor
            else f"The hub has no model {id!r} that you may see; check the spelling, or log in with `hf auth login` if "
            "it is private."
        ) from error
    return _here(name, (str(error).strip().splitlines() or [type(error).__name__])[0])


def _here(name: str, reason: str) -> Path:
    """The copy on this machine, if it is whole."""
    folder = cached(name)
    if folder is None:
        raise Refusal(
            f"{name} is not on this machine and could not be fetched from the hub ({reason}); connect to the internet "
            "once, or use the bundled model 'emoji' or a local folder."
        )
    listed = [file.relative_to(folder).as_posix() for file in folder.glob("*/*")]
    try:
        pipeline_files.chosen(listed, name, pipeline_files.parts(folder))
    except Refusal as lacking:
        raise Refusal(
            f"The copy of {name} on this machine is not whole, and the rest could not be fetched from the hub "
            f"({reason}): {lacking}"
        ) from lacking
    return folder


def _parted(name: str) -> tuple[str, str | None]:
    id, _, revision = name.partition("@")
    return id, revision or REVISIONS.get(id)
