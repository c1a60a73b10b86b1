"""Uploads to a public instance: each is one file, and files and bytes are counted by address and of everybody."""

import contextlib
from pathlib import Path
from typing import Any

from gradio.route_utils import GradioMultiPartParser
from starlette.datastructures import FormData

from balign.host import limits
from balign.host.rates import Charge, Rate

UPLOAD = "/gradio_api/upload"
UPLOADED = Rate()


class OneFile(GradioMultiPartParser):
    """An upload has one file, as the page and gradio's client send them, so that who counts uploads counts files.

    Of one that breaks off nothing stays behind.
    """

    def __init__(self, *values: Any, **options: Any) -> None:
        super().__init__(*values, **options | {"max_files": 1})

    async def parse(self) -> FormData:
        try:
            return await super().parse()
        except BaseException:  # also of a sender who left, and of a full disk
            for file in self._files_to_close_on_error:
                with contextlib.suppress(OSError):  # what is still to be written has no room either
                    file.close()
                Path(file.name).unlink(missing_ok=True)
            raise


def admit(address: str, length: int) -> None:
    """Count an upload by the length it tells, or raise Refusal. What is told and never sent costs nobody else bytes."""
    files = "files may be uploaded"
    UPLOADED.check([_of_everybody(length)])
    UPLOADED.charge(
        [
            Charge(f"bytes {address}", limits.LIMITS.upload_bytes_each, length, "bytes may be uploaded"),
            Charge(f"files {address}", limits.LIMITS.uploads_each, 1, files),
            Charge("files", limits.LIMITS.uploads_all, 1, files, "by everybody"),
        ]
    )


def arrived(length: int) -> None:
    """Count bytes as they come for everybody together, or raise Refusal."""
    UPLOADED.charge([_of_everybody(length)])


def _of_everybody(length: int) -> Charge:
    return Charge("bytes", limits.LIMITS.upload_bytes_all, length, "bytes may be uploaded", "by everybody")
