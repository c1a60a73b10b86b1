"""Who signs in to the Hugging Face hub here, and how: on a Space with its OAuth, on one's own machine with a token.

On a Space gradio keeps the token in a signed cookie of the visitor's browser, and nothing of it on the server. The
front matter of README.md asks for the least scope: to make repositories, and to write to those made here alone.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Literal

from gradio import oauth
from gradio.utils import get_space

from balign.host.limits import alone, public

NEEDED = ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL")
"""What a Space with `hf_oauth: true` has in its environment, and gradio reads as it is imported."""


def way() -> Literal["sign in", "token", ""]:
    """How a visitor says who they are; empty where no token may be asked for, as on a stranger's server."""
    if get_space():
        whole = all(getattr(oauth, name) for name in NEEDED)
        return "sign in" if whole and find_spec("authlib") and find_spec("itsdangerous") else ""
    return "token" if alone() and not public() else ""


def signed_in(request: Any) -> Mapping[str, Any]:
    """What the visitor's cookie holds of who signed in: `access_token` and `userinfo`; empty if nobody did."""
    if way() != "sign in" or request is None:
        return {}
    session = getattr(request, "session", None) or getattr(request.request, "session", {})
    return oauth._get_valid_oauth_info_from_session(session) or {}
