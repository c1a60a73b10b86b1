"""Put a folder into a repository of the Hugging Face hub, in one commit: it is there whole or not at all."""

from pathlib import Path
from typing import Literal

from balign.refusal import Refusal


def token() -> str | None:
    """The token of HF_TOKEN or `hf auth login`; None if there is none."""
    from huggingface_hub import get_token

    return get_token()


def accepted_name(name: str) -> str:
    """The name of a repository. Raises Refusal for what is none."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    refusal = Refusal(f"{name[:100]!r} is no name of a repository; accepted is owner/name.")
    try:
        validate_repo_id(name)
    except HFValidationError:
        raise refusal from None
    if name.count("/") != 1:
        raise refusal
    return name


def send(folder: Path, name: str, kind: Literal["model", "space"], token: str, *, private: bool, message: str) -> str:
    """Make the repository if there is none, commit the folder's files, and return the address of its page.

    The token is used for these calls and kept nowhere. Raises Refusal for a name or token the hub does not accept, and
    ConnectionError if it was cut off.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import BadRequestError, HfHubHTTPError

    accepted_name(name)
    api = HfApi(token=token)
    try:
        page = api.create_repo(
            name, repo_type=kind, private=private, exist_ok=True, space_sdk="static" if kind == "space" else None
        )
        api.upload_folder(repo_id=name, repo_type=kind, folder_path=folder, commit_message=message)
    except Exception as error:  # the hub's client passes on whatever its network library or the disk raises
        answered = error.response.status_code if isinstance(error, HfHubHTTPError) else 0
        if answered in (401, 403, 404):
            raise Refusal(
                f"The hub does not let this token write to {name} (it answered {answered}); take one with write access "
                f"to {name.partition('/')[0]}, from https://huggingface.co/settings/tokens."
            ) from None
        if isinstance(error, BadRequestError):
            raise Refusal(f"The hub does not accept this for {name} ({_reason(error, token)}).") from None
        raise ConnectionError(
            f"The push to {name} was cut off ({_reason(error, token)}); nothing of it is shown there. "
            "Do the same again: what the hub has got already is not sent twice."
        ) from None
    return str(page)


def _reason(error: BaseException, token: str) -> str:
    """The first line of the innermost error, without the token."""
    while error.__cause__ is not None:
        error = error.__cause__
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line.replace(token, "…").rstrip(".")[:300]
