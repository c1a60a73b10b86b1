"""The optional password of the whole studio: HTTP Basic, any user name, wrong ones counted by address."""

import base64
import binascii
import hashlib
import hmac
import os

from balign.host import limits, rates
from balign.refusal import Refusal

CHALLENGE = 'Basic realm="balign", charset="UTF-8"'
OPEN = "/gradio_api/startup-events"
"""What a server asks itself when it starts, and a container's health check; it tells nothing."""
WRONG = rates.Rate()
"""Wrong passwords by address."""


def needed() -> bool:
    """Whether this instance has a password."""
    return bool(os.environ.get("BALIGN_PASSWORD"))


def refusal(path: str, authorization: str | None, address: str) -> tuple[int, str]:
    """The status and the sentence for a request without the password; 0 for one with it.

    An address that was wrong too often is not listened to for a while, whatever it says then.
    """
    if not needed() or path.rstrip("/") == OPEN:
        return 0, ""
    if authorization is None:
        return 401, "This studio has a password; any user name goes with it."
    wrong = [rates.Charge(address, limits.LIMITS.passwords, 1, "wrong passwords came")]
    try:
        WRONG.check(wrong)
        if _right(authorization):
            return 0, ""
        WRONG.charge(wrong)
    except Refusal as refused:
        return 429, str(refused)
    return 401, "The password is wrong."


def _right(authorization: str) -> bool:
    kind, _, value = authorization.partition(" ")
    try:
        given = base64.b64decode(value.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        return False
    digests = (hashlib.sha256(text).digest() for text in (given, os.fsencode(os.environ["BALIGN_PASSWORD"])))
    return kind.lower() == "basic" and hmac.compare_digest(*digests)
