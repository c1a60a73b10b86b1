"""Run ownership: on a public instance the browser keeps a secret and the run's folder its hash.

On your own machine every run is everybody's. Whoever knows a run's id, which cannot be guessed, may watch it; only its
owner may change it, list it or take its weights. The secret itself is never written on the server.
"""

import hashlib
import hmac
import ipaddress
import os
import re
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

from balign.atomic import write
from balign.host.limits import public
from balign.plain_file import raise_shortage, read_plain
from balign.runs.folder import Run

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
FILE = "owner"
SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
PORT = re.compile(r"\[([^]]*)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
NOT_YOURS = "This run is somebody else's; it can be watched here, but not changed."


class Visitor(NamedTuple):
    """The secret of a browser or a client, and the address its request came from. Either may be empty."""

    secret: str = ""
    address: str = ""


NOBODY = Visitor()


def visitor(store: object, request: Any = None) -> Visitor:
    """The visitor with this browser's store, into which anything may have been written."""
    value = store.get("owner") if isinstance(store, Mapping) else None
    return Visitor(valid(value), address(request))


def valid(secret: object) -> str:
    """The secret if it has the form of one, else an empty string."""
    return secret if isinstance(secret, str) and SECRET.fullmatch(secret) else ""


def with_secret(known: Visitor) -> Visitor:
    """The same visitor, with a new secret if there was none and one is needed."""
    return known if known.secret or not public() else known._replace(secret=secrets.token_urlsafe(32))


def stored(run_id: str, known: Visitor) -> dict[str, str]:
    """What a browser keeps: the run it shows and, on a public instance, its secret."""
    return {"run": run_id, "owner": with_secret(known).secret} if public() else {"run": run_id}


def address(request: Any) -> str:
    """The address a request came from; an IPv6 network of 64 bits is one, since one household has all of it.

    It is the other end of the connection. Behind the proxies of a Space it is the last public address that they name,
    unless something stands after it that is no address: what is before that may be the visitor's own word.
    """
    if request is None:
        return ""
    if os.environ.get("SPACE_ID"):
        forwarded = ",".join(value for name, value in request.headers.items() if name.lower() == "x-forwarded-for")
        named = (_parsed(text) for text in reversed(forwarded.split(",")))
        last = next((known for known in named if known is None or known.is_global), None)
        if last:
            return _counted(last)
    host = str(getattr(getattr(request, "client", None), "host", "") or "")
    known = _parsed(host)
    return _counted(known) if known else host


def _parsed(text: str) -> Address | None:
    """The address that a text is, with a port or without."""
    text = text.strip()
    with_port = PORT.fullmatch(text)
    try:
        known = ipaddress.ip_address(with_port[1] or with_port[2] if with_port else text)
    except ValueError:
        return None
    return getattr(known, "ipv4_mapped", None) or known


def _counted(known: Address) -> str:
    return str(known) if known.version == 4 else str(ipaddress.ip_network((int(known), 64), strict=False))


def hashed_address(run: Run, known: Visitor) -> str:
    """What is kept of the address that a waiting run was begun from, another for each run; empty if it has none."""
    return hashlib.sha256(f"{run.id}:{known.address}".encode()).hexdigest() if known.address else ""


def sign(run: Run, known: Visitor) -> None:
    """Note the owner in the run's folder; without a secret the run is nobody's."""
    if known.secret:
        write(run.path / FILE, _hash(run, known.secret))


def owns(run: Run, known: Visitor) -> bool:
    """Whether this visitor may change the run. Nobody may change an example."""
    if run.example or not public():
        return not run.example
    noted = _noted(run)
    return bool(noted and known.secret) and hmac.compare_digest(noted, _hash(run, known.secret))


def of_a_visitor(run: Run) -> bool:
    """Whether a visitor began the run, rather than the host from a terminal."""
    return bool(_noted(run))


def key(run: Run) -> str:
    """What the owner's page puts into the address of a download. It opens the files of this run and of no other."""
    noted = _noted(run)
    return hmac.new(noted.encode(), b"download", hashlib.sha256).hexdigest()[:40] if noted else ""


def opens(run: Run, candidate: object) -> bool:
    """Whether what stands in the address of a download is the run's key; an example is open to everybody."""
    if run.example or not public():
        return True
    right = key(run)
    return bool(right) and isinstance(candidate, str) and hmac.compare_digest(right.encode(), candidate.encode())


def _hash(run: Run, secret: str) -> str:
    return hashlib.sha256(f"{run.id}:{secret}".encode()).hexdigest()


def _noted(run: Run) -> str:
    try:
        text = read_plain(run.path / FILE).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise_shortage(error)
        return ""
    return text if re.fullmatch("[0-9a-f]{64}", text) else ""
