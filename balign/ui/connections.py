"""Connections: how many files they may be, how a machine that has no more says so, and how long one may say nothing."""

import asyncio
import contextlib
import logging
import time
from typing import Any

import uvicorn.protocols.http.auto

HEAD = 30.0
"""Seconds within which a connection brings the whole head of a request."""
MINUTE = 60.0
FULL = "socket.accept() out of system resource"
_told = float("-inf")  # when the log was told last that no connection can be taken


def prepare() -> None:
    """Take as many connections as the system allows, and close those that bring no request."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # no such limit here, or it may not be raised
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    logging.getLogger("asyncio").addFilter(one_line)
    uvicorn.protocols.http.auto.AutoHTTPProtocol = Impatient


def one_line(record: logging.LogRecord) -> bool:
    """Pass, of the many traces that asyncio logs while no connection can be taken, one line a minute."""
    global _told
    if not str(record.msg).startswith(FULL):
        return True
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    record.msg, record.args = f"no connection can be taken: {error}", ()
    record.exc_info = record.exc_text = None
    before, now = _told, time.monotonic()
    if now - before < MINUTE:
        return False
    _told = now
    return True


class Impatient(uvicorn.protocols.http.auto.AutoHTTPProtocol):  # type: ignore[valid-type,misc]
    """Uvicorn's connection, which is closed when it does not bring the whole head of a request in time."""

    late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._rest()

    def _wait(self) -> None:
        """Give it the time from when it began to wait, however many pieces come until then."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._rest()
        elif self.late is None:
            self.late = self.loop.call_later(HEAD, self._close)

    def _rest(self) -> None:
        if self.late is not None:
            self.late.cancel()
            self.late = None

    def _close(self) -> None:
        self.late = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
